"""Does the trial that looks best stay ahead on other rows? The probability of backtest overfitting."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.stationary_bootstrap import require_finite_rows

_CELLS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class BacktestOverfitting:
    """How well a choice by loss carries over to other rows, in a study of `trials` trials.

    `probability` (0 … 1): share of `splits` in which the trial that is best on one half of the rows is not
    better than the median of all trials on the other half. `median_rank` (0 … 1): median of its relative
    ranks there; 1 is best, 0.5 the median. `degradation`: how much higher its mean loss is on the rows that
    it was not chosen on.
    """

    probability: float
    splits: int
    trials: int
    median_rank: float
    degradation: float


def probability_of_backtest_overfitting(
    losses: NDArray[np.floating], *, blocks: int = 16
) -> BacktestOverfitting:
    """Probability of backtest overfitting of `losses` (n, K), a column per trial; lower is better.

    Combinatorially symmetric cross-validation: Bailey, Borwein, López de Prado & Zhu (2017, "The probability
    of backtest overfitting", section 2). The rows are cut into `blocks` blocks of consecutive rows; each half
    of the blocks in turn chooses the trial with the lowest mean loss, which the other half ranks: relative
    rank ω = rank / (K + 1), rank 1 being the worst; tied trials share their mean rank. The probability is the
    share of splits with logit ln(ω / (1 − ω)) ≤ 0. The paper's regression of one half's performance on the
    other's is left out: if the same trial is always chosen, the slope is −1, however good the trial is.

    The C(16, 8) = 12,870 splits of 2,000 trials take some seconds and less than 100 MB.

    Raises ValueError for fewer than 2 trials, for numbers that are not finite, for a number of blocks that
    is odd, below 4 or above 20 (184,756 splits), and for fewer rows than blocks.
    """
    if blocks % 2 or not 4 <= blocks <= 20:
        raise ValueError(f"blocks is {blocks}; give an even number from 4 to 20, for example 16")
    table = require_finite_rows("losses", losses, fewest=blocks)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(
            f"losses have shape {table.shape}; give (n, trials) with at least 2 trials to choose from"
        )
    trials = table.shape[1]
    sums = np.stack([block.sum(axis=0) for block in np.array_split(table, blocks)])  # (blocks, K)
    rows = np.array([len(block) for block in np.array_split(table, blocks)])
    halves = _halves(blocks)
    part = max(1, _CELLS_AT_ONCE // trials)
    pieces = [_ranked(halves[start : start + part], sums, rows) for start in range(0, len(halves), part)]
    ranks = np.concatenate([rank for rank, _ in pieces]) / (trials + 1)
    return BacktestOverfitting(
        probability=float(np.mean(ranks <= 0.5)),  # the logit is not positive
        splits=len(halves),
        trials=trials,
        median_rank=float(np.median(ranks)),
        degradation=float(np.mean(np.concatenate([loss for _, loss in pieces]))),
    )


def _halves(blocks: int) -> NDArray[np.bool_]:
    """Every choice of half of the blocks, shape (splits, blocks); True for blocks that choose the trial."""
    chosen = np.zeros((math.comb(blocks, blocks // 2), blocks), dtype=np.bool_)
    for split, half in enumerate(combinations(range(blocks), blocks // 2)):
        chosen[split, half] = True
    return chosen


def _ranked(
    halves: NDArray[np.bool_], sums: NDArray[np.float64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rank on the other half (1 … K) and rise in mean loss of the trial that each half chooses.

    Shapes: halves (s, blocks), sums (blocks, K), rows (blocks,); both results (s,).
    """
    inside = halves.astype(np.float64)
    chosen_on = inside @ sums / (inside @ rows)[:, None]  # (s, K)
    ranked_on = (1 - inside) @ sums / ((1 - inside) @ rows)[:, None]
    split, best = np.arange(len(halves)), chosen_on.argmin(axis=1)
    loss = ranked_on[split, best][:, None]
    tie = np.abs(ranked_on - loss) <= 1e-12 * np.abs(loss)  # the same trial twice may differ in its last bit
    worse = (ranked_on > loss) & ~tie
    rank = worse.sum(axis=1) + (tie.sum(axis=1) + 1) / 2
    return rank, loss[:, 0] - chosen_on[split, best]
