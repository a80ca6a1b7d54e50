"""How often the statistics find a difference where there is none, on rows whose targets overlap.

Run it with `python -m benchmarks.overlap` (about five minutes on one core; `--repeats N` series per line,
1000 if not given; a quarter of them where the interval is bootstrapped, at a horizon of 1). Two forecasts are
equally good, so that the true skill of one over the other is 0. The first table tells how often the 95 %
interval lies wholly above 0 (wanted: 2.5 %) and how often Diebold–Mariano says "better" at 5 %, at horizons
of 1, 5, 10 and 20 rows. The second tells how often a model among equally good rivals gets a "yes" or a "no"
at 95 % (wanted: at most 2.5 % each). It exits with 1 where a share at a horizon above 1 is more than one
point and four binomial errors above what is wanted.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.coverage import Series, fat, garch, persistent
from search.selection.statistics.diebold_mariano import diebold_mariano
from search.selection.statistics.interval import skill_interval
from search.selection.statistics.rival_comparison import RivalVerdict, compare_with_strongest_rival

HORIZONS = (1, 5, 10, 20)
ROWS = (80, 200, 500, 1000)
DRAWS = 299
SPARE = 0.01
"""What a share may be too high by: no method is exact at four independent rows."""


@dataclass(frozen=True)
class Null:
    """A kind of equally good forecasts: what they miss, from (repeats, n, horizon, generator), for each."""

    name: str
    noise: Callable[[tuple[int, int], np.random.Generator], Series]
    slip: Callable[[int, int, int, np.random.Generator], Series]


def summed(rows: Series, horizon: int) -> Series:
    """Sums over `horizon` rows that begin in each row, over √horizon: (repeats, n) from n + horizon − 1."""
    totals = np.cumsum(np.pad(rows, ((0, 0), (1, 0))), axis=1)
    return np.asarray((totals[:, horizon:] - totals[:, :-horizon]) / math.sqrt(horizon))


def constant(repeats: int, n: int, horizon: int, rng: np.random.Generator) -> Series:
    """A forecast that never moves, as of a mean: its loss differential has the memory of the target."""
    return np.full((repeats, n), 0.1)


def slow(repeats: int, n: int, horizon: int, rng: np.random.Generator) -> Series:
    """A forecast that moves slowly, as one from rolling columns does."""
    return 0.1 * persistent(repeats, n, 0.95, rng)


def at_the_pace_of_the_target(repeats: int, n: int, horizon: int, rng: np.random.Generator) -> Series:
    """Large misses that last as long as the horizon, as of volatility."""
    return summed(rng.standard_normal((repeats, n + horizon - 1)), horizon)


def _garch(shape: tuple[int, int], rng: np.random.Generator) -> Series:
    return garch(*shape, rng)


NULLS = (
    Null("constant forecasts, t(4)", fat, constant),
    Null("slow forecasts, t(4)", fat, slow),
    Null("slow forecasts, GARCH t(6)", _garch, slow),
    Null("large persistent misses, t(4)", fat, at_the_pace_of_the_target),
)


def errors(
    null: Null, forecasts: int, repeats: int, n: int, horizon: int, rng: np.random.Generator
) -> list[Series]:
    """Squared errors (repeats, n) of so many equally good forecasts of one overlapping target."""
    noise = summed(null.noise((repeats, n + horizon - 1), rng), horizon)
    slips = [null.slip(repeats, n, horizon, rng) for _ in range(forecasts)]
    if null.slip is constant:
        slips = [slip if number % 2 else -slip for number, slip in enumerate(slips)]
    return [(noise - slip) ** 2 for slip in slips]


def main(arguments: Sequence[str]) -> int:
    """Print both tables; 1 where a share at a horizon above 1 is too high."""
    parser = argparse.ArgumentParser(prog="benchmarks.overlap", description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000, help="series per line")
    repeats = parser.parse_args(arguments).repeats
    kept = show_sizes(repeats)
    return 0 if show_rivals(max(repeats // 2, 1)) and kept else 1


def within(share: float, wanted: float, repeats: int) -> bool:
    """Whether a share of so many repeats is no more than chance, and a point, above what is wanted."""
    return share <= wanted + SPARE + 4 * math.sqrt(wanted * (1 - wanted) / repeats)


def show_sizes(repeats: int) -> bool:
    """Print how often one of two equally good forecasts is called better; whether that is seldom enough."""
    print(f"Two equally good forecasts, {repeats} series a line")
    print("| series | horizon | rows | n/h | interval above 0 (2.5 %) | Diebold–Mariano at 5 % |")
    print("|---|---|---|---|---|---|")
    kept = True
    for null in NULLS:
        for horizon in HORIZONS:
            for n in ROWS:
                rng = np.random.default_rng([n, horizon, 1])
                pairs = list(zip(*errors(null, 2, repeats, n, horizon, rng), strict=True))
                above = share_above(pairs[: affordable(repeats, horizon)], horizon)
                better = share_better(pairs, horizon)
                line = f"| {null.name} | {horizon} | {n} | {n / horizon:g} | {above:.1%} | {better:.1%} |"
                print(line, flush=True)
                if horizon > 1:
                    kept &= within(above, 0.025, repeats) and within(better, 0.05, repeats)
    return kept


def affordable(repeats: int, horizon: int) -> int:
    """How many series get an interval: a quarter where it is bootstrapped."""
    return repeats if horizon > 1 else max(repeats // 4, 1)


def share_above(pairs: Sequence[tuple[Series, Series]], horizon: int) -> float:
    """In how many of these pairs of losses (n,) the interval lies wholly above 0."""
    intervals = [
        skill_interval(*pair, horizon=horizon, draws=DRAWS, seed=seed) for seed, pair in enumerate(pairs)
    ]
    return float(np.mean([each.low > 0 for each in intervals]))


def share_better(pairs: Sequence[tuple[Series, Series]], horizon: int) -> float:
    """In how many of these pairs of losses (n,) Diebold–Mariano calls the first one better, at 5 %."""
    return float(np.mean([diebold_mariano(*pair, horizon=horizon).p_better < 0.05 for pair in pairs]))


def show_rivals(repeats: int) -> bool:
    """Print what `compare_with_strongest_rival` says of equally good forecasts; whether it errs seldom
    enough."""
    print(f"\nA model and equally good rivals, 500 rows, {repeats} series a line, a quarter at horizon 1")
    print("| series | horizon | rivals | yes (at most 2.5 %) | no (at most 2.5 %) |")
    print("|---|---|---|---|---|")
    kept = True
    for null in NULLS[1:]:
        for horizon in (1, 20):
            for rivals in (1, 2, 5):
                rng = np.random.default_rng([rivals, horizon, 2])
                model, *others = errors(null, 1 + rivals, repeats, 500, horizon, rng)
                told = [
                    compare_with_strongest_rival(
                        model[at],
                        {str(number): each[at] for number, each in enumerate(others)},
                        horizon=horizon,
                        draws=DRAWS if rivals == 1 else 999,
                        seed=at,
                    ).verdict
                    for at in range(affordable(repeats, horizon))
                ]
                yes, no = (
                    float(np.mean([each is it for each in told]))
                    for it in (RivalVerdict.YES, RivalVerdict.NO)
                )
                print(f"| {null.name} | {horizon} | {rivals} | {yes:.1%} | {no:.1%} |", flush=True)
                if horizon > 1:
                    kept &= within(yes, 0.025, repeats) and within(no, 0.025, repeats)
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
