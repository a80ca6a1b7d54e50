"""How often the deflated Sharpe ratio certifies a strategy where returns drift and nothing forecasts them.

Run it with `python -m benchmarks.timing` (about a minute on one core; `--sets N` data sets per line, 100 if
not given). Each set has 1,000 rows to fit on and 1,000 to be judged by. Thirty trials are ridge regressions
on random halves of five lagged returns and five columns of noise, with random penalties. The trial with the
lowest loss on the rows that judge is chosen, as a study chooses. The table counts the sets in which the
deflated Sharpe ratio of its sign strategy is 0.95 or more: against holding nothing, beyond always being long,
beyond holding the sign of the training mean, and beyond both. In the last lines one column of noise is a real
signal. It exits with 1 where the null sets that are certified beyond both are more than 5 % and four binomial
errors.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.coverage import Series, fat
from benchmarks.leaks.studies import prices
from search.selection.statistics.market_timing import market_timing
from search.selection.statistics.sharpe import deflated_sharpe, sharpe_ratio, sign_returns
from trainer.data.transforms import log_return

ROWS = 1000
LAGS = 5
TRIALS = 30
CERTIFIED = 0.95


@dataclass(frozen=True)
class Kind:
    """Returns of variance about 1 for 2 · ROWS + LAGS rows, and the R² of the one column that forecasts."""

    name: str
    draw: Callable[[np.random.Generator], Series]
    r2: float = 0.0


def walk(drift: float, rng: np.random.Generator) -> Series:
    """Independent t(4) returns with a drift, in standard deviations a row."""
    return fat((1, 2 * ROWS + LAGS), rng).ravel() + drift


def shuffled(rng: np.random.Generator) -> Series:
    """Returns of the S&P 500 with their mean, in random order."""
    returns = log_return(prices("sp500")["Close"].to_numpy(np.float64))[1:]
    return np.asarray(rng.permutation(returns)[: 2 * ROWS + LAGS] / returns.std())


def drifts(drift: float) -> Callable[[np.random.Generator], Series]:
    """`walk` with this drift."""
    return lambda rng: walk(drift, rng)


KINDS = (
    *(Kind(f"random walk, drift {drift:+g}", drifts(drift)) for drift in (-0.1, 0.0, 0.03, 0.06, 0.1, 0.2)),
    Kind("shuffled S&P 500", shuffled),
    *(Kind(f"drift +0.06, R² {r2:.0%}", drifts(0.06), r2) for r2 in (0.01, 0.02, 0.05)),
)


@dataclass(frozen=True)
class Certified:
    """What one set's deflated Sharpe ratios are, by what they are compared with; None: nothing to tell."""

    nothing: float
    long_only: float | None
    train_mean: float | None

    @property
    def both(self) -> bool:
        """Whether the strategy is certified beyond both positions."""
        return all((each or 0.0) >= CERTIFIED for each in (self.long_only, self.train_mean))


def judged(kind: Kind, rng: np.random.Generator) -> Certified:
    """One data set, its trials, and the chosen one's ratios."""
    columns = rng.standard_normal((2 * ROWS, 5))
    returns = kind.draw(rng)
    lagged = np.stack([returns[lag : lag + 2 * ROWS] for lag in range(LAGS)], axis=1)
    target = returns[LAGS:] * math.sqrt(1 - kind.r2) + math.sqrt(kind.r2) * columns[:, 0]
    features = np.concatenate([columns, lagged], axis=1)
    train, held = slice(0, ROWS), slice(ROWS, None)
    told = [ridge(features, target, train, rng)[held] for _ in range(TRIALS)]
    losses = [float(np.mean((target[held] - each) ** 2)) for each in told]
    best = int(np.argmin(losses))
    earned = [sign_returns(each, target[held]) for each in told]
    positions = np.sign(np.stack(told, axis=1))
    mean_sign = np.full(ROWS, np.sign(target[train].mean()))
    return Certified(
        deflated_sharpe(earned[best], np.array([sharpe_ratio(each) for each in earned])).probability,
        market_timing(positions, np.ones(ROWS), target[held], best).probability,
        market_timing(positions, mean_sign, target[held], best).probability,
    )


def ridge(features: Series, target: Series, train: slice, rng: np.random.Generator) -> Series:
    """Forecasts of all rows by a ridge on a random half of the columns with a random penalty."""
    chosen = features[:, rng.permutation(features.shape[1])[: features.shape[1] // 2]]
    penalty = 10 ** rng.uniform(0, 4)
    mean = target[train].mean()
    gram = chosen[train].T @ chosen[train] + penalty * np.eye(chosen.shape[1])
    weights = np.linalg.solve(gram, chosen[train].T @ (target[train] - mean))
    return np.asarray(mean + chosen @ weights)


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 where too many null sets are certified beyond both positions."""
    parser = argparse.ArgumentParser(prog="benchmarks.timing", description=__doc__)
    parser.add_argument("--sets", type=int, default=100, help="data sets per line")
    sets = parser.parse_args(arguments).sets
    print(f"Deflated Sharpe ratio of {CERTIFIED} or more, {sets} sets a line, {TRIALS} trials each")
    print(
        "| returns | against nothing | beyond long | beyond training mean | beyond both | nothing to tell |"
    )
    print("|---|---|---|---|---|---|")
    kept = True
    for number, kind in enumerate(KINDS):
        found = [judged(kind, np.random.default_rng([number, each])) for each in range(sets)]
        both = float(np.mean([each.both for each in found]))
        shares = (
            np.mean([each.nothing >= CERTIFIED for each in found]),
            np.mean([(each.long_only or 0) >= CERTIFIED for each in found]),
            np.mean([(each.train_mean or 0) >= CERTIFIED for each in found]),
            both,
            np.mean([each.long_only is None or each.train_mean is None for each in found]),
        )
        print(f"| {kind.name} | {' | '.join(f'{share:.0%}' for share in shares)} |", flush=True)
        kept &= kind.r2 > 0 or both <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / sets)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
