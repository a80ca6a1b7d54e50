"""Checks for leaks: features that know the future, and rows that are on both sides of the split.

The probe compares the skill that it reaches with the skill that is believable. A finding blocks only above
that ceiling, so that a strong but honest feature passes.
"""

from collections.abc import Callable

import numpy as np

from trainer.audit.audit_findings import AuditFinding
from trainer.audit.leaks.check_alignment import alignment_findings
from trainer.audit.leaks.check_columns import lift_findings
from trainer.audit.leaks.check_leads import HONEST_LEADS, lead_findings
from trainer.audit.leaks.check_own_row import own_row_findings
from trainer.audit.leaks.check_target import check_target
from trainer.audit.leaks.leak_probe import LeakProbe, leaking_features
from trainer.audit.leaks.series_probe import series_probe_findings
from trainer.config import DataConfig
from trainer.data.split import MIN_TRAIN
from trainer.data.windows import Dataset

_COPIES = 0.01
"""Largest share of held-out rows that may equal a training row: whole rows do not repeat by chance."""
_DIGITS = 3
"""Decimals of standardised cells that must agree, so that a copy through a rounded file is found too."""

_REFITS = 9
"""Number of shifted targets that `check --deep` refits; their median skill is judged."""


def leak_findings(
    data: Dataset,
    ceiling: float,
    config: DataConfig,
    *,
    deep: bool = False,
    on_refit: Callable[[int, int], None] | None = None,
) -> list[AuditFinding]:
    """All leak checks on data prepared by `config`; `ceiling` is the largest believable skill.

    `deep` adds the refits on shifted targets; `on_refit` is called after each with how many are done and how
    many there are. Raises DataError if no baseline exists.
    """
    checks = check_target(data)
    found = [
        *checks.findings,
        *own_row_findings(data),
        *_copy_findings(data),
        *alignment_findings(data),
        *lead_findings(data, ceiling, config, checks.overlap),
    ]
    probe = LeakProbe.of(data, config.leading)
    if probe is None:
        return [*found, _unprobed(data)]
    found += _probe_findings(probe, ceiling, checks.overlap)
    suspected = {name for finding in found if finding.severity != "info" for name in finding.series}
    found += series_probe_findings(
        data,
        ceiling,
        config.leading,
        suspected,
        lambda of_one, reached, bar: _probe_finding(of_one, reached, bar, checks.overlap),
    )
    named = {name for finding in found if finding.severity != "info" for name in finding.where.split(", ")}
    found += [finding for finding in lift_findings(config, data) if finding.where not in named]
    return [*found, *_shifted_findings(probe, ceiling, on_refit)] if deep else found


def _unprobed(data: Dataset) -> AuditFinding:
    message = (
        f"train: of its {len(data.train)} rows fewer than {MIN_TRAIN} have enough known values of the target "
        "before them, too few to probe for leaks; use a longer series or a shorter data.seq_len or horizon"
    )
    return AuditFinding("not_probed", "info", "train", None, float(MIN_TRAIN), message)


def _probe_findings(probe: LeakProbe, ceiling: float, overlap: int | None) -> list[AuditFinding]:
    """A finding if the ridge regression exceeds the ceiling of skill, with the features that cause it."""
    reached = probe.skill(range(len(probe.data.feature_names)))
    if reached <= ceiling:
        return []
    return [_probe_finding(probe, reached, ceiling, overlap)]


def _probe_finding(probe: LeakProbe, reached: float, ceiling: float, overlap: int | None) -> AuditFinding:
    where, advice = _blamed(probe, ceiling, overlap)
    message = (
        f"{where}: a ridge regression reaches skill {reached:.3f} over the best forecast that is known to "
        f"be honest, more than is believable (ceiling {ceiling:.3f}); {advice}"
    )
    return AuditFinding("leak_probe", "error", where, reached, ceiling, message)


def _blamed(probe: LeakProbe, ceiling: float, overlap: int | None) -> tuple[str, str]:
    """What causes the probe's skill, and what to do about it."""
    if overlap is not None:
        return "target", f"it extends over {overlap} rows: set data.target.horizon to {overlap}"
    leaking = ", ".join(probe.data.feature_names[feature] for feature in leaking_features(probe, ceiling))
    if leaking:
        return leaking, (
            f"without {leaking} it does not; look at how {leaking} was made, or leave it out. If it is "
            f"honest, as {HONEST_LEADS[probe.data.kind]} is, set may_lead: true for {leaking} in "
            f"data.features"
        )
    return (
        "target",
        "the target's own history alone does; look at its horizon and for values that were filled. If it is "
        "honest, as a spread that reverts is, set may_lead: true in data.features for the feature that holds "
        "this history",
    )


def _copy_findings(data: Dataset) -> list[AuditFinding]:
    """Held-out rows that equal a training row in every feature and in the target."""
    # Rounding makes −0.0, whose bytes differ from those of 0.0; adding 0 turns it into 0.0.
    rows = np.column_stack([data.features, data.target]).round(_DIGITS) + np.float32(0)  # (T, features + 1)
    distinct = len(np.unique(rows, axis=0)) / len(rows)
    known = {row.tobytes() for row in rows[data.fitting]}
    found = []
    for name, held in (("validation", data.validation), ("test", data.test)):
        copies = sum(rows[row].tobytes() in known for row in held)
        # Pairing features with the target of another row gives the number of matches by chance.
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


def _shifted_findings(
    probe: LeakProbe, ceiling: float, on_refit: Callable[[int, int], None] | None
) -> list[AuditFinding]:
    """A finding if refits on targets that are shifted in time still have skill. Skill then does not measure
    forecasting.
    """
    length, features = len(probe.data.target), range(len(probe.data.feature_names))
    shifts = np.random.default_rng(0).integers(length // 4, 3 * length // 4, size=_REFITS)
    skills = []
    for done, shift in enumerate(shifts, start=1):
        if (refit := probe.moved(int(shift))) is not None:
            skills.append(refit.skill(features))
        if on_refit is not None:
            on_refit(done, len(shifts))
    reached = float(np.median(skills)) if skills else 0.0
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
