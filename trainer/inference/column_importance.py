"""Permutation importance of the columns: how much the loss grows if one column comes from other rows.

validation rows of a series ──► blocks ──► each block gets the column of another block ──► forecast ──► loss

Breiman (2001, "Random forests", section 10); Fisher, Rudin & Dominici (2019, "All models are wrong, but many
are useful"). A window has `seq_len` rows of a column, and the windows of neighbouring rows overlap, so that
single rows must not be shuffled: the whole window of a column moves, in blocks of at least
`seq_len + horizon` rows. No row then gets a window that shares a row with its own, or with its own target.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trainer.data.arrays import Floats, Rows
from trainer.data.windows import Dataset
from trainer.inference.gru_forward import Network, forecast_rows
from trainer.losses import Loss, judged_forecasts, mean_loss

REPEATS = 19
"""How often each column is moved. If a column tells nothing, the true order is the best of 20 equally likely
ones with probability 1 / 20."""
MOST_WORK = 4e8
"""Rows · repeats · columns · window · layers · units of all folds: about ten seconds on one core."""
FEWEST_ROWS = 200
"""Of each fold, however many columns there are."""
_TOO_MUCH_WORK = 12 * MOST_WORK


@dataclass(frozen=True)
class ColumnImportance:
    """How much the loss grows, relative to the loss with the column in place: 0.5 is half as much again.

    `increase` is the mean over the repeats, `low` and `high` are the smallest and the largest of them; each
    repeat is of all folds together. `by_fold` has the mean increase in each fold.
    """

    name: str
    increase: float
    low: float
    high: float
    by_fold: tuple[float, ...]


@dataclass(frozen=True)
class ColumnImportances:
    """The importance of each column, in the order of the columns. `loss` is the mean over the folds of the
    loss with all columns in place, on the `rows` that were used; `block` is the shortest block in rows.
    """

    columns: tuple[ColumnImportance, ...]
    loss: float
    rows: int
    repeats: int
    block: int


def measure_column_importances(
    folds: Sequence[Dataset],
    networks: Sequence[Sequence[Network]],
    trained_by: Loss,
    metric: Loss,
    *,
    seed: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> ColumnImportances | None:
    """Of the columns of `folds`, forecast by the networks of each fold: the mean of those of its seeds. They
    were trained by one loss and are judged by `metric`.

    Rows of a series that is shorter than two blocks are left out, and of many rows every n-th is used, so
    that the work stays below MOST_WORK. None if no row is left, if there are too many columns for that, or if
    the loss is 0.
    """
    random = np.random.default_rng(seed)
    names = folds[0].feature_names
    block = folds[0].seq_len + folds[0].horizon
    rows = used_rows(folds, networks[0][0], block, seeds=len(networks[0]))
    if rows is None:
        return None
    loss = trained_by, metric
    before = np.array([_loss(*each, loss) for each in zip(folds, networks, rows, strict=True)])  # (folds,)
    if not np.isfinite(before).all() or (before <= 0).any():
        return None
    after = np.empty((len(names), REPEATS, len(folds)))
    for repeat in range(REPEATS):
        sources = [moved_rows(data, block, random) for data in folds]
        for column in range(len(names)):
            if should_stop():
                return None
            for fold, (data, of_fold, used, source) in enumerate(
                zip(folds, networks, rows, sources, strict=True)
            ):
                after[column, repeat, fold] = _loss(data, of_fold, used, loss, (column, source[used]))
    return ColumnImportances(
        columns=tuple(_importance(*each, before) for each in zip(names, after, strict=True)),
        loss=float(before.mean()),
        rows=sum(map(len, rows)),
        repeats=REPEATS,
        block=block,
    )


def moved_rows(data: Dataset, block: int, random: np.random.Generator) -> Rows:
    """For each row of `data` (T,) the validation row whose window it gets; −1 for rows that are not moved.

    The validation rows of each series are cut into blocks of more than `block` rows, as equal as can be, and
    each block gets the rows of another one of the same series. A series with less than two blocks stays.
    """
    moved = np.full(len(data.target), -1)
    series = data.series_numbers[data.validation]
    for number in np.unique(series):
        own = data.validation[series == number]
        count = len(own) // (block + 1)  # one row more: blocks differ by a row, and windows must not meet
        if count < 2:
            continue
        blocks = np.array_split(own, count)
        order = random.permutation(count)
        for here, there in zip(order, np.roll(order, 1), strict=True):
            given = blocks[there]
            moved[blocks[here]] = given[np.minimum(np.arange(len(blocks[here])), len(given) - 1)]
    return moved


def used_rows(folds: Sequence[Dataset], network: Network, block: int, seeds: int = 1) -> list[Rows] | None:
    """Rows of each fold that are moved, every n-th of them if there are too many; each is forecast by as many
    networks like `network` as there are `seeds`.
    """
    movable = [np.flatnonzero(moved_rows(data, block, np.random.default_rng(0)) >= 0) for data in folds]
    if not all(map(len, movable)):
        return None
    layers = sum(name.startswith("gru.weight_hh") for name in network)
    units = network["gru.weight_hh_l0"].shape[1]
    each = seeds * REPEATS * len(folds[0].feature_names) * folds[0].seq_len * layers * units
    most = max(FEWEST_ROWS, int(MOST_WORK / (each * len(folds))))
    chosen = [rows[:: -(-len(rows) // most)] for rows in movable]
    return chosen if each * sum(map(len, chosen)) <= _TOO_MUCH_WORK else None


def _loss(
    data: Dataset,
    networks: Sequence[Network],
    rows: Rows,
    losses: tuple[Loss, Loss],
    moved: tuple[int, Rows] | None = None,
) -> float:
    trained_by, metric = losses
    told = forecast_rows(networks, data.features, data.seq_len, rows, moved)
    judged = judged_forecasts(told, trained_by, metric)
    return mean_loss(judged, data.target[rows].astype(np.float64), data.in_units(metric))


def _importance(name: str, after: Floats, before: Floats) -> ColumnImportance:
    """Of one column, from its losses (repeats, folds) and those with all columns in place (folds,)."""
    increases = after.mean(axis=1) / before.mean() - 1
    return ColumnImportance(
        name=name,
        increase=float(increases.mean()),
        low=float(increases.min()),
        high=float(increases.max()),
        by_fold=tuple((after.mean(axis=0) / before - 1).tolist()),
    )
