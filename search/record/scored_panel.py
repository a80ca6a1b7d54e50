"""The series of a panel behind scored rows, and which of their rows two evaluations have in common.

One series is a panel of one.
"""

import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search.record.same_series import SharedRows, same_at_common_times, shared_part, shared_rows
from search.record.scored_series import ScoredSeries, Times, scored_series
from storage.driver_errors import damaged_if_unreadable
from trainer.config import DataConfig
from trainer.data.source import Table

MOST_PAIRS = 2_500
"""Of panels with more pairs of series than this, only series of one name are compared: each pair costs about
a millisecond."""


@dataclass(frozen=True)
class ScoredPanel:
    """The scored rows of each series that has some, and the names of these series; "" without a name."""

    series: tuple[ScoredSeries, ...]
    names: tuple[str, ...]

    @cached_property
    def times(self) -> Times:
        """The times of the rows of all series, nanoseconds since 1970 in UTC."""
        return np.concatenate([each.times for each in self.series])

    def packed(self) -> bytes:
        """As bytes; one series as `ScoredSeries.packed`."""
        if len(self.series) == 1 and not self.names[0]:
            return self.series[0].packed()
        file = io.BytesIO()
        np.savez_compressed(
            file,
            allow_pickle=False,
            steps=np.concatenate([np.diff(each.times, prepend=0) for each in self.series]),
            values=np.concatenate([each.values for each in self.series]).astype("<f4"),
            adds_up=np.array([each.adds_up for each in self.series]),
            lengths=np.array([len(each.times) for each in self.series]),
            names=np.array(self.names),
        )
        return file.getvalue()

    @classmethod
    def unpacked(cls, packed: bytes) -> "ScoredPanel":
        """The panel from `packed` bytes; values are rounded to float32."""
        with (
            damaged_if_unreadable("the series of scored rows on record"),
            np.load(io.BytesIO(packed)) as arrays,
        ):
            if "names" not in arrays.files:
                return cls((ScoredSeries.unpacked(packed),), ("",))
            cuts = np.cumsum(arrays["lengths"])[:-1]
            steps, values = (np.split(arrays[name], cuts) for name in ("steps", "values"))
            found = [
                ScoredSeries(np.cumsum(step), value.astype(np.float64), bool(adds_up))
                for step, value, adds_up in zip(steps, values, arrays["adds_up"], strict=True)
            ]
            return cls(tuple(found), tuple(arrays["names"].tolist()))


def scored_panel(config: DataConfig, table: Table, first: np.datetime64, last: np.datetime64) -> ScoredPanel:
    """The rows that decide the targets from the time `first` to `last`, both included, of each series."""
    names = table.series_names or ("",) * len(table.spans)
    kept: dict[str, ScoredSeries] = {}
    for name, span in zip(names, table.spans, strict=True):
        own = table.times[span]
        rows = int(own.searchsorted(first)), int(own.searchsorted(last, side="right")) - 1
        if rows[0] <= rows[1]:
            kept[name] = scored_series(config, table, *rows, span=span)
    return ScoredPanel(tuple(kept.values()), tuple(kept))


def shared_panel_rows(mine: ScoredPanel, theirs: ScoredPanel) -> SharedRows | None:
    """Which of my rows are among theirs; None if no series of mine is one of theirs.

    A series is looked for under its own name, and then, at unchanged times, under every other name.
    """
    parts = [_found(one, name, mine, theirs) for one, name in zip(mine.series, mine.names, strict=True)]
    shared = [
        (part, len(one.times)) for part, one in zip(parts, mine.series, strict=True) if part is not None
    ]
    if not shared:
        return None
    rows = sum(part.share * count for part, count in shared)
    share = 1.0 if rows == len(mine.times) else rows / len(mine.times)
    return SharedRows(share, min(part.first for part, _ in shared), max(part.last for part, _ in shared))


def _found(one: ScoredSeries, name: str, mine: ScoredPanel, theirs: ScoredPanel) -> SharedRows | None:
    named = dict(zip(theirs.names, theirs.series, strict=True))
    if name in named and (part := shared_rows(one, named[name])) is not None:
        return part
    if len(mine.series) * len(theirs.series) > MOST_PAIRS:
        return None
    others = (each for other, each in named.items() if other != name and same_at_common_times(one, each))
    same = next(others, None)
    return None if same is None else shared_part(one, same)
