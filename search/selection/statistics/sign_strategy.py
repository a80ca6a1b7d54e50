"""What following the sign of a forecast of returns earns, with costs, beside buying and holding."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.cross_section import COST_BASIS_POINTS


@dataclass(frozen=True)
class SignStrategy:
    """What each of n rows adds to the profit of a stake of 1 that is never raised, (n,) each.

    `turnover` (0 … 1) is the share of the stake that changes its side per row; None for fewer than two
    periods of a horizon. `break_even` is the cost at which nothing is left, in basis points of the value
    traded; None if nothing is earned before costs.
    """

    gross: NDArray[np.float64]
    net: NDArray[np.float64]
    hold: NDArray[np.float64]
    turnover: float | None
    break_even: float | None
    cost_basis_points: float


def sign_strategy(
    forecasts: NDArray[np.floating],
    returns: NDArray[np.floating],
    runs: NDArray[np.integer],
    horizon: int,
    cost_basis_points: float = COST_BASIS_POINTS,
) -> SignStrategy:
    """Hold +1 where the forecast is above zero and −1 where it is below, for the `horizon` rows of its
    return.

    `forecasts` and simple `returns` over `horizon` rows are (n,) in time order, in the target's own unit; a
    position is taken at the price of its row, from which it is forecast. Returns that overlap are held side
    by side in `horizon` equal parts of the stake (Jegadeesh & Titman 1993), so that every return counts once:
    each part is decided anew every `horizon`-th row, and pays for what it changes then. A run (n,) of
    successive rows starts without a position. Closing the last positions costs nothing here.
    """
    held, earned = np.sign(forecasts), np.asarray(returns, np.float64) / horizon
    before = np.zeros(len(held))
    before[horizon:] = np.where(runs[horizon:] == runs[:-horizon], held[:-horizon], 0.0)
    traded = np.abs(held - before) / horizon
    gross = held * earned
    later = np.flatnonzero(runs[horizon:] == runs[:-horizon]) + horizon
    total = float(gross.sum())
    return SignStrategy(
        gross=gross,
        net=gross - traded * cost_basis_points / 10_000,
        hold=earned,
        turnover=float(traded[later].mean()) / 2 if len(later) else None,
        break_even=10_000 * total / float(traded.sum()) if total > 0 and traded.any() else None,
        cost_basis_points=cost_basis_points,
    )
