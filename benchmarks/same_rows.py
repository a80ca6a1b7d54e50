"""What the recognition of used rows and its penalty rest on: python -m benchmarks.same_rows

First, how alike the changes of different assets get in any stretch of rows, and those of altered copies of
one asset: rank correlations, on both sides of the bar that `search/record/same_series.py` sets. Then, how
often the best of useless trials passes verification on rows that it was chosen by, without the penalty of
`search.selection.statistics.conclusion.confidence_level` and with it.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from arch.data import crude, nasdaq, sp500
from scipy.stats import norm

from search.record.same_series import are_same, rank_correlation
from search.selection.statistics.conclusion import confidence_level

Floats = npt.NDArray[np.float64]
Pairs = Iterator[tuple[str, Floats, Floats]]

LENGTHS = (20, 60, 250, 1000)
"""Rows of a stretch."""
SEED = 0
DRAWS = 400_000


def main() -> None:
    """Print the tables in Markdown."""
    print("Different assets, the most alike stretch:\n")
    _print_likeness(different(), max)
    print("\nAltered copies of the S&P 500, the least alike stretch:\n")
    _print_likeness(copies(), min)
    print("\nThe best of useless trials, judged on a share of the rows, passes (nominal 2.5 %):\n")
    print("| trials | share | without penalty | each counts √share | each counts share | each counts 1 |")
    print("|---|---|---|---|---|---|")
    for trials in (3, 10, 30, 100, 1000):
        for share in (0.05, 0.25, 0.5, 1.0):
            told = (passing(trials, share, trials * each) for each in (0.0, share**0.5, share, 1.0))
            print(f"| {trials} | {share:.0%} | {' | '.join(f'{rate:.1%}' for rate in told)} |")


def _print_likeness(pairs: Pairs, worst: Callable[[list[float]], float]) -> None:
    print("| series | " + " | ".join(f"{length} rows" for length in LENGTHS) + " | taken for the same |")
    print("|---" * (len(LENGTHS) + 2) + "|")
    for name, a, b in pairs:
        cells, same, tried = [], 0, 0
        for length in LENGTHS:
            starts = range(0, len(a) - length + 1, max(1, length // 10))
            parts = [(a[start : start + length], b[start : start + length]) for start in starts]
            found = [rank_correlation(*part) for part in parts]
            cells.append(f"{worst(found):.4f}" if found else "–")
            same, tried = same + sum(are_same(*part) for part in parts), tried + len(parts)
        print(f"| {name} | {' | '.join(cells)} | {same / tried:.1%} |")


def different() -> Iterator[tuple[str, Floats, Floats]]:
    """Pairs of assets that move together, each as changes at common times."""
    one, other = sp500.load(), nasdaq.load()
    yield _pair("S&P 500 and NASDAQ, returns", _returns(one.Close), _returns(other.Close))
    yield _pair("S&P 500 and NASDAQ, changes of volatility", _volatility(one), _volatility(other))
    yield _pair("S&P 500, returns of high and of close", _returns(one.High), _returns(one.Close))
    months = crude.load()
    yield _pair("Brent and WTI, monthly returns", _returns(months.iloc[:, 0]), _returns(months.iloc[:, 1]))


def copies() -> Iterator[tuple[str, Floats, Floats]]:
    """The S&P 500 beside itself, rescaled and rounded."""
    table = sp500.load()
    for scale, decimals in ((1, 2), (100, 2), (0.1, 2), (0.01, 2), (0.001, 2)):
        close = (table.Close * scale).round(decimals)
        yield _pair(f"close × {scale:g}, {decimals} decimals", _returns(table.Close), _returns(close))
    rounded = (table[["High", "Low"]] * 0.1).round(2)
    yield _pair("range × 0.1, 2 decimals, volatility", _volatility(table), _volatility(rounded))


def _pair(name: str, a: "pd.Series[float]", b: "pd.Series[float]") -> tuple[str, Floats, Floats]:
    both = pd.concat([a, b], axis=1).replace([np.inf, -np.inf], np.nan).dropna()
    return name, both.iloc[:, 0].to_numpy(float), both.iloc[:, 1].to_numpy(float)


def _returns(prices: "pd.Series[float]") -> "pd.Series[float]":
    return pd.Series(np.log(prices.dropna())).diff()


def _volatility(table: pd.DataFrame) -> "pd.Series[float]":
    """Changes of the logarithm of the range: those of log_parkinson are the same."""
    wide = table[table.High > table.Low]
    return pd.Series(np.log(np.log(wide.High / wide.Low))).diff()


def passing(trials: int, share: float, count: float) -> float:
    """How often the best of useless trials shows skill above 0 with the confidence of 1 + `count` candidates.

    Scores are normal: on the share of the rows that chose it, the largest of `trials`; on the others, one.
    """
    random = np.random.default_rng(SEED)
    best = norm.ppf(random.random(DRAWS) ** (1 / trials))
    score = np.sqrt(share) * best + np.sqrt(1 - share) * random.standard_normal(DRAWS)
    level = confidence_level(1, 1 + count)
    return float((score > norm.isf((1 - level) / 2)).mean())


if __name__ == "__main__":
    main()
