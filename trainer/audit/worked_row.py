"""Shows one row of a study: what is known at it, the time of its target, and the cells that the target is
from.
"""

from dataclasses import dataclass

import numpy as np

from trainer.config import DataConfig
from trainer.data.features import FeaturesAndTarget, target_shift
from trainer.data.panel import span_of_row
from trainer.data.source import Table, columns_of
from trainer.data.transforms import lookback


@dataclass(frozen=True)
class WorkedRow:
    """A row whose target is finite. Times are on the source's clock; midnight is left out.

    `features_until` is the time of the row, the latest that its features are computed from. `target_at` is
    the time of its target, `horizon` rows later, None if the series ends before it. `target` is in its own
    unit, before clipping; `made_of` names the cells that it is computed from and `series` the name
    of its series, if any.
    """

    features_until: str
    target_at: str | None
    target: float
    made_of: str
    series: str = ""

    @property
    def sentence(self) -> str:
        """The whole row as one sentence."""
        at = "after the last row" if self.target_at is None else f"at {self.target_at}"
        of = f" of {self.series}" if self.series else ""
        return (
            f"worked row{of}: what is known until {self.features_until} forecasts the target {at}, which is "
            f"{self.target:.6g} ({self.made_of})"
        )


def find_worked_row(
    config: DataConfig, table: Table, built: FeaturesAndTarget, row: int | None = None
) -> WorkedRow | None:
    """Row `row` (0-based) of the table; the first usable row if that is None or its target is not finite.

    None if no row has a target, and if its target would lie before it, in a table that is not in order.
    """
    target = built.target.to_numpy(np.float64)
    usable = built.rows[np.isfinite(target[built.rows])]
    if not len(usable):
        return None
    row = row if row is not None and row in usable else int(usable[0])
    at, end = row + config.target.horizon, span_of_row(table.series_starts, len(target), row).stop
    if at < end and table.times[at] <= table.times[row]:
        return None
    return WorkedRow(
        features_until=day_or_time(table, row),
        target_at=day_or_time(table, at) if at < end else None,
        target=float(target[row]),
        made_of=_cells(config, table, row + target_shift(config.target), built.day_rows),
        series=table.series_of(row),
    )


def day_or_time(table: Table, row: int) -> str:
    """The time of a row; only the date if a naive source gives midnight."""
    return table.when(row).removesuffix(" 00:00:00")


def explain_already_shifted(config: DataConfig, table: Table, built: FeaturesAndTarget) -> str:
    """A sentence on what the middle row of a raw target means with either value of `already_shifted`."""
    horizon, name = config.target.horizon, str(config.target.column)
    inner = np.concatenate([np.arange(span.start + horizon, span.stop - horizon) for span in table.spans])
    inside = inner[np.isfinite(built.unshifted[inner])]
    if not len(inside):
        return (
            f"true reads row t of {name} as the value of row t + {horizon}, false as that of row t, forecast "
            f"from row t - {horizon}"
        )
    row = int(inside[len(inside) // 2])
    before, own, after = (day_or_time(table, row + step) for step in (-horizon, 0, horizon))
    return (
        f"the row of {own} holds {built.unshifted[row]:.6g}; already_shifted: true reads it as the value of "
        f"{after}, which is forecast from what is known at {own}, and false as the value of {own}, which is "
        f"forecast from what is known at {before}"
    )


def _cells(config: DataConfig, table: Table, row: int, day_rows: int) -> str:
    """The cells that the target of a row is computed from, such as `log_return of Close 100 at …`."""
    cells = _own_cells(config, table, row, day_rows)
    if config.target.relative is None:
        return cells
    return f"{cells}, less the mean of that over all series at {day_or_time(table, row)}"


def _own_cells(config: DataConfig, table: Table, row: int, day_rows: int) -> str:
    target = config.target
    names = (target.of,) if target.of is not None else columns_of(target)
    back = lookback(target, day_rows)
    first = span_of_row(table.series_starts, len(table.frame), row).start
    rows = [row - step for step in sorted({back[0], back[-1]}, reverse=True) if row - step >= first]
    times = [day_or_time(table, each) for each in rows]
    span = f"all rows from {times[0]} to {times[-1]}" if len(back) > 2 else " and ".join(times)
    if target.of is not None:
        return f"{target.transform} of the feature {target.of} at {span}"
    if len(back) > 2:
        return f"{target.transform} of {', '.join(map(str, names))} at {span}"
    if target.transform == "raw":
        return f"{names[0]} of the row {times[0]}"
    cells = [
        f"{name} {table.frame[name].to_numpy()[each]:g} at {time}"
        for each, time in zip(rows, times, strict=True)
        for name in map(str, names)
    ]
    return f"{target.transform} of {', '.join(cells)}"
