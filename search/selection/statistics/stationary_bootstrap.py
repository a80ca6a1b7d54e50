"""The stationary bootstrap: checks of rows, block length, and means of draws."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MIN_BOOTSTRAP_ROWS = 20
"""With fewer rows Politis & White's rule has no autocorrelations to use, and an interval means little."""

MIN_HORIZONS = 4
"""The rows of an interval must span at least this many horizons: fewer leave under two degrees of freedom."""

_MIN_BLOCKS = 3

_CELLS_AT_ONCE = 4_000_000


def min_interval_rows(horizon: int) -> int:
    """The number of rows that an interval needs at this horizon (in rows)."""
    return max(MIN_BOOTSTRAP_ROWS, MIN_HORIZONS * horizon)


def few_rows_note(rows: int, horizon: int) -> str:
    """A remark in brackets if rows overlap and fewer than 20 of them are independent; otherwise empty."""
    independent = rows / horizon
    return f" (few independent rows: n/h = {independent:.3g})" if independent < MIN_BOOTSTRAP_ROWS else ""


def rows_text(times: int, horizon: int, panel_rows: int | None = None) -> str:
    """`600 test rows`, or of a panel `7000 test rows at 600 times`, with the remark of `few_rows_note`."""
    rows = f"{times} test rows" if panel_rows is None else f"{panel_rows} test rows at {times} times"
    return f"{rows}{few_rows_note(times, horizon)}"


def require_finite_rows(
    name: str, values: NDArray[np.floating], fewest: int = MIN_BOOTSTRAP_ROWS
) -> NDArray[np.float64]:
    """`values`, (n,) or (n, K), as float64; ValueError for fewer rows than `fewest`, NaN or infinity."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim not in (1, 2) or rows.size == 0:
        raise ValueError(
            f"{name} has shape {rows.shape}; give rows (n,) or (n, trials) with at least one trial"
        )
    if len(rows) < fewest:
        raise ValueError(f"{name} has {len(rows)} rows, which is too few; give at least {fewest}")
    if not np.isfinite(rows).all():
        place = np.argwhere(~np.isfinite(rows))[0]
        raise ValueError(
            f"{name} is {rows[tuple(place)]} in row {place[0]}; give rows with finite numbers only"
        )
    return rows


def require_paired_rows(
    losses: NDArray[np.floating], baseline_losses: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64, of the same rows; `losses` (n,) or (n, K), `baseline_losses` (n,).

    Raises ValueError for what `require_finite_rows` refuses, for different numbers of rows, and for a
    baseline without any loss, over which skill is not defined.
    """
    model, baseline = (
        require_finite_rows("losses", losses),
        require_finite_rows("baseline_losses", baseline_losses),
    )
    if baseline.shape != model.shape[:1]:
        raise ValueError(
            f"losses have shape {model.shape} and baseline_losses {baseline.shape}; give the same rows"
        )
    if baseline.mean() <= 0:
        raise ValueError(
            f"the mean of baseline_losses is {baseline.mean():g}, so skill has no meaning; give one that errs"
        )
    return model, baseline


def block_length(series: NDArray[np.float64], horizon: int) -> int:
    """Expected length of a block, in whole rows, for the stationary bootstrap of the mean of `series` (n,).

    Politis & White (2004, "Automatic block-length selection for the dependent bootstrap") as corrected by
    Patton, Politis & White (2009), by `arch`, which cuts it at min(3√n, n/3). Never below `horizon` ≥ 1 rows,
    because losses of overlapping targets depend on one another that far. If the rule is not finite (a series
    without variance has no autocorrelation), the length is `horizon`. A lower bound of n^(1/3) was tried and
    changed no coverage.

    Raises ValueError if n < 3 · horizon: fewer than three blocks do not show how blocks vary.
    """
    from arch.bootstrap import optimal_block_length

    if not 1 <= horizon <= len(series) / _MIN_BLOCKS:
        raise ValueError(
            f"horizon is {horizon} with {len(series)} rows; give 1 to {len(series) // _MIN_BLOCKS}, a "
            "third of them"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        rule = float(optimal_block_length(series)["stationary"].iloc[0])
    return max(math.ceil(rule), horizon) if math.isfinite(rule) else horizon


def bootstrap_rows(n: int, block: int, *, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Row indices (n,) of each of `draws` draws of the stationary bootstrap of a series of n rows.

    Politis & Romano (1994, "The stationary bootstrap", section 2): blocks that start anywhere, have
    geometric lengths of mean `block` rows and wrap around the end. The same arguments give the same draws.
    """
    from arch.bootstrap import StationaryBootstrap

    bootstrap = StationaryBootstrap(block, np.arange(n), seed=seed)
    return (np.asarray(positional[0], dtype=np.int64) for positional, _ in bootstrap.bootstrap(draws))


def bootstrap_means(rows: NDArray[np.float64], block: int, *, draws: int, seed: int) -> NDArray[np.float64]:
    """Column means of `rows` (n, K) in each draw, shape (draws, K); all columns are drawn together.

    A draw is represented by how often it contains each row, so that its means are a matrix product: 2,000
    draws of 2,000 trials take a second, and at most 32 MB beside the result.
    """
    n = len(rows)
    taken = bootstrap_rows(n, block, draws=draws, seed=seed)
    means = []
    for part in batches_of_draws(taken, draws, n):
        counts = np.stack([np.bincount(drawn, minlength=n) for drawn in part])
        means.append(counts.astype(np.float64) @ rows / n)
    return np.concatenate(means)


def batches_of_draws(taken: Iterator[NDArray[np.int64]], draws: int, n: int) -> Iterator[NDArray[np.int64]]:
    """`taken` in successive tables of shape (≤ draws, n), each of at most about 32 MB."""
    at_once = max(1, _CELLS_AT_ONCE // n)
    for start in range(0, draws, at_once):
        yield np.stack([next(taken) for _ in range(min(at_once, draws - start))])
