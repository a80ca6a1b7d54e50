"""Where in a panel a forecast has skill: by series, by year, and by both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class GroupSkill:
    """Skill over the reference on the `rows` rows of one series or year; None if the reference has no loss
    there.
    """

    name: str
    rows: int
    loss: float
    reference_loss: float
    skill: float | None


@dataclass(frozen=True)
class PanelSkill:
    """Skill over `reference`, a rival or naive forecast, by series and by year, both in the panel's order.

    `by_series_and_year` has a skill for each name and year with rows. `share_better` (0 … 1) is the share of
    series in which the model's loss is the lower one; it has no interval, as series move together.
    """

    reference: str
    by_series: tuple[GroupSkill, ...]
    by_year: tuple[GroupSkill, ...]
    by_series_and_year: Mapping[tuple[str, str], float | None]
    share_better: float


def panel_skill(
    times: NDArray[np.datetime64],
    series: NDArray[np.integer],
    names: Sequence[str],
    losses: NDArray[np.floating],
    reference_losses: NDArray[np.floating],
    reference: str,
) -> PanelSkill:
    """Skill 1 − loss / loss of the reference of rows (n,): their `times`, the number of their `series` among
    `names`, and both losses, on n ≥ 1 rows.
    """
    years = times.astype("datetime64[Y]").astype(int) + 1970
    of_series = _grouped(series, losses, reference_losses)
    of_year = _grouped(years, losses, reference_losses)
    of_both = _grouped(series.astype(np.int64) * 10_000 + years, losses, reference_losses)
    by_series = tuple(_skill(names[number], *each) for number, each in of_series.items())
    return PanelSkill(
        reference=reference,
        by_series=by_series,
        by_year=tuple(_skill(str(year), *each) for year, each in of_year.items()),
        by_series_and_year={
            (names[key // 10_000], str(key % 10_000)): _skill("", *each).skill
            for key, each in of_both.items()
        },
        share_better=float(np.mean([each.loss < each.reference_loss for each in by_series])),
    )


def _grouped(
    keys: NDArray[np.integer], losses: NDArray[np.floating], reference_losses: NDArray[np.floating]
) -> dict[int, tuple[int, float, float]]:
    """The number of rows and both mean losses of each key, ascending."""
    distinct, at, counts = np.unique(keys, return_inverse=True, return_counts=True)
    means = [np.bincount(at, values) / counts for values in (losses, reference_losses)]
    return {
        int(key): (int(n), float(a), float(b)) for key, n, a, b in zip(distinct, counts, *means, strict=True)
    }


def _skill(name: str, rows: int, loss: float, reference_loss: float) -> GroupSkill:
    return GroupSkill(
        name, rows, loss, reference_loss, 1 - loss / reference_loss if reference_loss > 0 else None
    )
