"""Checks for leaks: features that know the future, and rows that stand on both sides of the split.

Each compares what is forecast with what can be: a finding blocks only above the ceiling of believable skill,
so that an honest strong feature is left alone.
"""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from trainer.data.check_own_row import own_row_findings
from trainer.data.check_telltales import telltales
from trainer.data.findings import AuditFinding, Severity
from trainer.data.probe import HISTORY, Probe, culprits
from trainer.data.split import MIN_TRAIN
from trainer.data.windows import Dataset

Floats = npt.NDArray[np.float64]

_LAGS = 10
"""Rows before and after that the lead-lag scan looks at."""
_MEMORY = 5
"""Own lags that are taken out of each series first, so that persistence is not mistaken for a lead."""
_FALSE_ALARMS = 0.01
"""Chance that the lead-lag scan of a study without leaks passes its bar anywhere (Bonferroni)."""
_COPIES = 0.01
"""Share of held-out rows that may equal a training row: prices repeat by chance, rows do not."""
_DIGITS = 3
"""Decimals of standardised cells that must agree: a copy that went through a rounded file is one too."""

_REFITS = 9
"""Targets moved in time that `check --deep` refits; their median skill is judged."""


def leak_findings(data: Dataset, ceiling: float, *, deep: bool = False) -> list[AuditFinding]:
    """All leak checks on prepared data; `ceiling` is the skill that nobody believes.

    `deep` adds the refits on shifted targets. Raises DataError where no baseline exists.
    """
    told = telltales(data)
    found = [*told.findings, *own_row_findings(data), *_copy_findings(data)]
    if told.overlap is None:
        # What drops out of an overlapping target is known, and would look like a lead of whatever it was.
        found += _lead_findings(data, ceiling)
    probe = Probe.of(data)
    if probe is None:
        return [*found, _unprobed(data)]
    found += _probe_findings(probe, ceiling, told.overlap)
    return [*found, *_shifted_findings(probe, ceiling)] if deep else found


def _unprobed(data: Dataset) -> AuditFinding:
    rows = len(Probe.usable(data))
    message = (
        f"train: only {rows} of its {len(data.train)} rows have {HISTORY} known targets before them, too few "
        f"to probe for leaks (needed: {MIN_TRAIN}); use a longer series or a shorter data.seq_len or horizon"
    )
    return AuditFinding("not_probed", "info", "train", float(rows), float(MIN_TRAIN), message)


def _probe_findings(probe: Probe, ceiling: float, overlap: int | None) -> list[AuditFinding]:
    """Skill of the ridge regression above the ceiling, and what it comes from."""
    reached = probe.skill(range(len(probe.data.feature_names)))
    if reached <= ceiling:
        return []
    where, advice = _blamed(probe, ceiling, overlap)
    message = (
        f"{where}: a ridge regression reaches skill {reached:.3f} over the best naive forecast, which nobody "
        f"does honestly (ceiling {ceiling:.3f}); {advice}"
    )
    return [AuditFinding("leak_probe", "error", where, reached, ceiling, message)]


def _blamed(probe: Probe, ceiling: float, overlap: int | None) -> tuple[str, str]:
    """What the probe's skill comes from, and what to do about it."""
    if overlap is not None:
        return "target", f"it extends over {overlap} rows: set data.target.horizon to {overlap}"
    leaking = ", ".join(probe.data.feature_names[feature] for feature in culprits(probe, ceiling))
    if leaking:
        return leaking, f"without {leaking} it does not; look at how {leaking} was made, or leave it out"
    return (
        "target",
        "the target's own history alone does; look at its horizon and for values that were filled",
    )


def _lead_findings(data: Dataset, ceiling: float) -> list[AuditFinding]:
    """Features whose surprises come before the target's, by more than chance.

    Beyond what is believable this blocks. Below, it warns of any lead of returns, of which nobody is known to
    foresee much, and else of one that is worth half the ceiling: falling prices lead volatility honestly
    (Black 1976), by a correlation of −0.28 and a skill of 0.08 at most in the sample series.
    """
    known = data.target[: int(data.validation[-1]) + 1].astype(np.float64)
    surprises = _surprises(known)
    tests = len(data.feature_names) * (2 * _LAGS + 1)
    bar = NormalDist().inv_cdf(1 - _FALSE_ALARMS / (2 * tests)) / math.sqrt(len(surprises))
    worth_a_word = bar**2 if data.kind == "return" else ceiling / 2
    found = []
    for name, column in zip(data.feature_names, data.features.T, strict=True):
        correlations = _cross_correlations(_surprises(column[: len(known)].astype(np.float64)), surprises)
        lead = int(np.argmax(np.abs(correlations))) - _LAGS
        peak = float(correlations[lead + _LAGS])
        # Row t of the target holds what becomes known at t + horizon: lag −horizon is today's value.
        if lead <= -data.horizon or abs(peak) <= bar:
            continue
        if peak**2 > ceiling:
            found.append(_lead_finding("error", name, peak, math.sqrt(ceiling), lead + data.horizon))
        elif peak**2 > worth_a_word:
            bound = math.sqrt(worth_a_word)
            found.append(_lead_finding("warning", name, peak, bound, lead + data.horizon))
    return found


def _lead_finding(severity: Severity, name: str, peak: float, bound: float, rows: int) -> AuditFinding:
    told = "it knows the future" if severity == "error" else "it may know the future, in part"
    message = (
        f"{name}: its surprises correlate by {peak:+.2f} with those of the target {rows} rows later, more "
        f"than with any known ones (usual: within ±{bound:.2f}); {told}: look at how it was made, or drop it"
    )
    return AuditFinding("leads_target", severity, name, peak, bound, message)


def _surprises(series: Floats) -> Floats:
    """Residuals (n − _MEMORY,) of a series (n,) on its own last values, standardised; zeros if constant."""
    lags = np.column_stack([series[_MEMORY - k : len(series) - k] for k in range(1, _MEMORY + 1)])
    x = np.column_stack([np.ones(len(lags)), lags])
    y = series[_MEMORY:]
    coefficients, *_ = np.linalg.lstsq(x, y, rcond=None)
    residuals: Floats = y - x @ coefficients
    spread = residuals.std()
    # What is left of a season, forecast exactly but for the rounding of float32, is no surprise.
    return np.zeros_like(residuals) if spread <= 1e-5 * y.std() else residuals / spread


def _cross_correlations(feature: Floats, target: Floats) -> Floats:
    """Correlation of feature_t with target_{t+k} for k = −_LAGS … _LAGS, (2 · _LAGS + 1,)."""
    n = len(feature)
    return np.array(
        [
            float(np.mean(feature[max(0, -k) : n - max(0, k)] * target[max(0, k) : n - max(0, -k)]))
            for k in range(-_LAGS, _LAGS + 1)
        ]
    )


def _copy_findings(data: Dataset) -> list[AuditFinding]:
    """Held-out rows that equal a training row in every feature and in the target."""
    # A cell of −0.0 has other bytes than one of 0.0, and rounding makes them.
    rows = np.column_stack([data.features, data.target]).round(_DIGITS) + np.float32(0)  # (T, features + 1)
    distinct = len(np.unique(rows, axis=0)) / len(rows)
    known = {row.tobytes() for row in rows[data.fitting]}
    found = []
    for name, held in (("validation", data.validation), ("test", data.test)):
        copies = sum(rows[row].tobytes() in known for row in held)
        # The same features beside another row's target: what coarse values give by chance is no copy.
        strangers = np.column_stack([rows[held, :-1], np.roll(rows[held, -1], len(held) // 2)])
        copies -= sum(row.tobytes() in known for row in strangers)
        if copies > _COPIES * len(held) and distinct > 0.5:
            found.append(
                AuditFinding(
                    "copied_rows",
                    "error",
                    name,
                    copies / len(held),
                    _COPIES,
                    f"{name}: {copies} of {len(held)} rows equal a training row in all features and the "
                    "target, beyond what chance explains; remove the repetitions, or split before rows are "
                    "repeated",
                )
            )
    return found


def _shifted_findings(probe: Probe, ceiling: float) -> list[AuditFinding]:
    """Refits on targets moved round in time: what still forecasts those measures wrongly or leaks."""
    data, length = probe.data, len(probe.data.target)
    shifts = np.random.default_rng(0).integers(length // 4, 3 * length // 4, size=_REFITS)
    moved = [probe.on(np.roll(data.target, int(shift))) for shift in shifts]
    reached = float(np.median([refit.skill(range(len(data.feature_names))) for refit in moved]))
    if reached <= ceiling:
        return []
    return [
        AuditFinding(
            "skill_on_shifted_target",
            "error",
            "target",
            reached,
            ceiling,
            f"target: a ridge regression reaches skill {reached:.3f} even on targets that were moved in time "
            f"(ceiling {ceiling:.3f}), so that skill here measures something else than forecasting; look for "
            "repeated rows and for a target that hardly varies",
        )
    ]
