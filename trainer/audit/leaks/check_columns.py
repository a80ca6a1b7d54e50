"""Checks of single columns: which column improves a linear forecast, and which counts down to the last row.

Both checks only warn, because an honest column can do the same. Above the ceiling of skill the leak probe
blocks.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from trainer.audit.audit_findings import AuditFinding
from trainer.audit.leaks.check_leads import HONEST_LEADS, made_of_target
from trainer.audit.leaks.leads import asset_returns
from trainer.audit.leaks.target_past import remove_daily_pattern
from trainer.audit.series_findings import in_series
from trainer.config import DataConfig
from trainer.data.arrays import Floats, Rows
from trainer.data.constant_columns import correlation
from trainer.data.panel import mean_by_moment, rows_until_gap
from trainer.data.source import Table
from trainer.data.split import MIN_TRAIN
from trainer.data.windows import Dataset
from trainer.losses import MSE, mean_loss
from trainer.rivals.flat_windows import MOST_ROWS
from trainer.rivals.history_regression import history_terms, ridge_forecast, rows_with_history
from trainer.rivals.regressors import first_known, scored_blocks

MIN_REPORTED_LIFT = 0.01
"""Smallest lift that is reported; planted leaks that raise test skill by 0.03 reach at least 0.019 here."""
_FALSE_ALARMS = 0.01
"""Chance that any column of a study without leaders passes its bar (Bonferroni)."""
_SHORTEST_SPAN = 10
"""Loss reductions are averaged over at least this many rows before a test, because neighbouring rows
correlate."""
_FEWEST_SPANS = 3
_FEWEST_ROWS = 100
"""Fewest rows for recognising the asset's returns."""
_THE_SAME = 0.98
"""From this correlation on, a feature counts as the returns themselves."""
_STEPS = 10
"""Fewest distinct values of a countdown; a column with fewer may be a rating or a regime."""


def lift_findings(config: DataConfig, data: Dataset) -> list[AuditFinding]:
    """Columns that alone improve a linear forecast from the target's own history by more than chance.

    Features of the target's own columns are left out: their transforms are causal, and they are that history.
    Features that are declared to lead are left out too.
    """
    returns = _own_returns(data) if data.kind == "volatility" else None
    own = made_of_target(config) | _made_of_returns(config, data, returns)
    data = replace(data, history=replace(data.history, returns=returns))
    tested = [number for number, name in enumerate(data.feature_names) if name not in {*own, *config.leading}]
    # A leak may be in the whole window, or in the last row alone, to which other rows would add noise.
    views = [replace(data, seq_len=length) for length in sorted({1, data.seq_len})]
    lifts = [_lifts(view, tested) for view in views]
    found = []
    for number, of_column in zip(tested, zip(*lifts, strict=True), strict=True):
        level = _FALSE_ALARMS / (len(tested) * len(views))
        largest = max((lift.size for lift in of_column if lift.is_no_chance(level)), default=0.0)
        if largest > MIN_REPORTED_LIFT:
            found.append(_lift_finding(data, data.feature_names[number], largest))
    return found


def _lift_finding(data: Dataset, name: str, lift: float) -> AuditFinding:
    history = "HAR" if data.kind == "volatility" else "an autoregression"
    history += " with negative returns" * (data.history.returns is not None and data.kind == "volatility")
    message = (
        f"{name}: alone it lifts a linear forecast by {lift:+.3f} over {history}, on rows that it "
        f"was not fitted to (usual: at most {MIN_REPORTED_LIFT:g}). {_capital(HONEST_LEADS[data.kind])} "
        f"can do that "
        f"honestly: if {name} is such, set may_lead: true for {name} in data.features. If it is computed "
        "from columns of this table, look at its recipe: a mean or filter of later rows knows the future"
    )
    return AuditFinding("lifts_forecast", "warning", name, lift, MIN_REPORTED_LIFT, message)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@dataclass(frozen=True)
class _Lift:
    """`size` is the share of the loss that a feature removes; `corrected` (spans,) is the same corrected for
    the noise of the feature's coefficients, as means over spans of moments.
    """

    size: float
    corrected: Floats

    def is_no_chance(self, level: float) -> bool:
        """Whether the corrected reduction is above 0 by more than chance, at a `level` of false alarms.

        Clark & West (2007), "Approximately Normal Tests for Equal Predictive Accuracy in Nested Models".
        """
        n = len(self.corrected)
        if n < _FEWEST_SPANS:
            return False
        error = float(self.corrected.std(ddof=1)) / math.sqrt(n)
        return float(self.corrected.mean()) > _student(level, n - 1) * error


def _lifts(data: Dataset, features: Sequence[int]) -> list[_Lift]:
    """How much each feature adds to the target's own history, on rows that are forecast from earlier rows."""
    terms = history_terms(data)
    rows = rows_with_history(data, terms, np.union1d(data.fitting, data.validation))
    steps = list(_forward(data, rows)) if features else []
    if not steps:
        return [_Lift(0.0, np.zeros(0)) for _ in features]

    def forecast_with(chosen: Sequence[int]) -> Floats:
        return np.concatenate([ridge_forecast(data, terms, chosen, train, held) for train, held in steps])

    held_out = np.concatenate([held for _, held in steps])
    target, times = data.target[held_out].astype(np.float64), data.times[held_out]
    before = forecast_with([])
    loss = mean_loss(before, target, MSE)
    span = max(data.horizon, _SHORTEST_SPAN)

    def lift(feature: int) -> _Lift:
        after = forecast_with([feature])
        saved = MSE.value(before, target) - MSE.value(after, target)
        corrected = saved + (before - after) ** 2  # Clark and West, for squared errors alone
        corrected = mean_by_moment(times, corrected)
        whole = len(corrected) // span * span
        return _Lift(float(saved.mean()) / loss, corrected[:whole].reshape(-1, span).mean(axis=1))

    return [lift(feature) for feature in features]


def _forward(data: Dataset, rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Training and held-out rows of each step forward; short steps are left out. The targets of training rows
    are known at the first held-out moment.
    """
    for moment, held in scored_blocks(data.times[rows]):
        known = rows_until_gap(data.series_starts, data.times, moment, data.horizon - 1)
        train = rows[np.isin(rows, known)]
        if len(train) >= MIN_TRAIN:
            yield train, rows[held]


def _student(level: float, freedom: int) -> float:
    """Upper quantile of Student's t, by the expansion of Abramowitz and Stegun (1964), 26.7.5."""
    z = NormalDist().inv_cdf(1 - level)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def _own_returns(data: Dataset) -> Floats | None:
    """The returns (T,) of the asset whose volatility is the target, NaN in rows that are not used or whose
    series does not show them; None if no series does.
    """
    parts = [_series_returns(one) for _, one in data.each_series()]
    return None if np.isnan(series := np.concatenate(parts)).all() else series


def _series_returns(data: Dataset) -> Floats:
    """The same of one series, NaN in all rows if it does not show them."""
    series = np.full(len(data.target), np.nan)
    stop = data.seen
    known = slice(max(first_known(data.history.own), stop - MOST_ROWS), stop)
    if stop - known.start < _FEWEST_ROWS:
        return series
    own = remove_daily_pattern(data.history.own[known], data.history.slots[known])
    returns = asset_returns(data, known, own)
    if returns is not None:
        series[known] = returns
    return series


def _made_of_returns(config: DataConfig, data: Dataset, returns: Floats | None) -> frozenset[str]:
    """Features that are computed from the same column as the asset's `returns` (T,)."""
    if returns is None:
        return frozenset()
    known = np.isfinite(returns)
    roots: dict[str, str | None] = {}
    for each in config.features:
        roots[each.name] = each.column if each.of is None else roots[each.of]
    mean, std, clip = data.scaler.feature_mean, data.scaler.feature_std, data.scaler.feature_clip
    same = set()
    for number, name in enumerate(data.feature_names):
        column = data.features[known, number]
        scaled = np.clip((returns[known] - mean[number]) / std[number], -clip, clip)
        # Returns that were guessed among the features are scaled and clipped already.
        if any(correlation(column, each) > _THE_SAME for each in (returns[known], scaled)):
            same.add(roots[name])
    return frozenset(name for name, root in roots.items() if root is not None and root in same)


def countdown_findings(table: Table) -> list[AuditFinding]:
    """Columns that only fall and reach exactly 0 or 1 in the last row of a series, as if counted back from
    it.
    """
    found = []
    for name, column in table.frame.items():
        cells = column.to_numpy(np.float64)
        for span in table.spans:
            values = cells[span][np.isfinite(cells[span])]
            if not _counts_down(values):
                continue
            message = (
                f"{name}: it only falls, from {values[0]:g} to exactly {values[-1]:g} in the last row, as "
                "if it were counted back from the end of the table. A factor of splits or dividends to come "
                "does that, and each row of it knows what follows: use what was known at each row, or leave "
                "it out. Days left of a contract that ends with the table are honest"
            )
            finding = AuditFinding("counts_down", "warning", str(name), float(values[-1]), None, message)
            found += in_series(table.series_of(span.start), [finding])
    return found


def _counts_down(values: Floats) -> bool:
    """Whether the finite cells of one series (n,) only fall and end at exactly 0 or 1."""
    if len(values) < MIN_TRAIN or values[-1] not in (0.0, 1.0) or np.any(np.diff(values) > 0):
        return False
    return len(np.unique(values)) >= _STEPS
