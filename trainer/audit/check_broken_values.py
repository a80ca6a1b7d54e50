"""Finds the cells from which a transform makes no number, and says what to do about them."""

from functools import partial

import numpy as np
import numpy.typing as npt

from trainer.audit.audit_findings import AuditFinding
from trainer.audit.series_findings import series_with
from trainer.config import BAR_COLUMNS, DataConfig, DerivedColumn
from trainer.data.arrays import Floats
from trainer.data.features import FeaturesAndTarget
from trainer.data.panel import by_series
from trainer.data.source import Table
from trainer.data.transforms import lookback

_POSITIVE = frozenset({"log", "log_return", "abs_log_return", "pct_change", "realized_variance"})
"""Transforms of numbers that must be positive."""


def broken_value_findings(config: DataConfig, table: Table, built: FeaturesAndTarget) -> list[AuditFinding]:
    """Non-finite results of a transform of finite inputs: a price ≤ 0, a high equal to the low."""
    series = [(feature.name, feature, built.features[feature.name].to_numpy()) for feature in config.features]
    named: list[tuple[str, DerivedColumn, Floats]] = [*series, ("target", config.target, built.unshifted)]
    found: list[AuditFinding] = []
    for (name, made, values), inputs in zip(named, built.inputs, strict=True):
        fed = by_series(table.series_starts, partial(_fed, made, built.day_rows), *inputs)
        missing = built.missing if made is not config.target else built.missing_values
        broken = np.flatnonzero(fed & ~np.isfinite(values) & ~missing)
        if len(broken):
            row = int(broken[0])
            cell = _cell_at_fault(made, inputs, row, built.day_rows)
            columns = ", ".join(part for part in (made.of, *made.columns) if part)
            cells = ", ".join(f"{part[cell]:g}" for part in inputs)
            message = (
                f"{table.place(cell)}: {name} = {made.transform} of {columns} ({cells}) is {values[row]:g} "
                f"at {table.when(row)} ({len(broken)} such rows, 0 allowed); {_advice(made, values, row)}"
            )
            found.append(
                AuditFinding(
                    "nonfinite_series",
                    "error",
                    name,
                    float(len(broken)),
                    0.0,
                    message,
                    series_with(table, broken),
                )
            )
    return found


def _fed(series: DerivedColumn, day_rows: int, *inputs: Floats) -> npt.NDArray[np.bool_]:
    """Whether every cell that the transform reads is finite, for each row of one series of the table."""
    finite: npt.NDArray[np.bool_] = np.all([np.isfinite(part) for part in inputs], axis=0)
    fed = finite.copy()
    for back in lookback(series, day_rows):
        if back >= len(fed):
            return np.zeros_like(fed)
        fed[:back] = False
        fed[back:] &= finite[: len(finite) - back]
    return fed


def _cell_at_fault(series: DerivedColumn, inputs: tuple[Floats, ...], row: int, day_rows: int) -> int:
    """The row of the last cell that has no logarithm among those that row `row` is made of, else `row`."""
    if series.transform in _POSITIVE:
        for back in lookback(series, day_rows):
            if inputs[0][row - back] <= 0:
                return row - back
    return row


def _advice(series: DerivedColumn, values: Floats, row: int) -> str:
    if series.transform in BAR_COLUMNS:
        return _advice_on_bar(values, row)
    if series.transform in _POSITIVE:
        needing = "a percentage" if series.transform == "pct_change" else "a logarithm"
        return (
            f"{needing} needs positive prices: correct or remove these rows, or use transform: difference, "
            "which takes numbers of any sign"
        )
    if series.transform == "log1p":
        return "log1p needs numbers above -1: correct or remove these rows"
    if series.transform == "zscore":
        return "the rows of its window are equal, so that they have no spread: use a longer window"
    return "correct or remove these rows"


def _advice_on_bar(values: Floats, row: int) -> str:
    """For a bar without a range a floor, of the size of the quietest bar that has one."""
    if not np.isneginf(values[row]):
        return "a range needs positive prices and a high above its low, correct or remove these rows"
    ranged = values[np.isfinite(values)]
    floor = f"{np.exp(ranged.min()):.1g}" if len(ranged) else "0.0001"
    return (
        "a range needs a high above its low, and its logarithm a volatility above 0: correct or remove these "
        f"rows, or state the least volatility of a bar, such as floor: {float(floor):g}"
    )
