"""How often a panel without anything to find is said to show skill: by date, and as counting rows would say.

    python -m benchmarks.panel_null [--panels 200]

Each panel has 10 series over 300 days, a quarter of which begin late and 3 % of whose days are missing. The
targets of a day share a common part (their correlation is 0, 0.3 or 0.7) and one volatility for all, which
wanders as that of markets does. Two forecasts that know nothing are compared, of the same accuracy: their
values of one day correlate as the targets do. So neither is better, and every claim is false.

No study is trained, as 200 studies of each kind would take days: the code that decides (the interval of
skill, the verdict over a rival, the noise floor) is applied to the losses of these forecasts.

Columns: `interval` is the share of panels in which the interval of skill lies above 0 (nominal 2.5 %),
`verdict` that in which the answer is *yes*; `floor` that in which the best of 20 useless forecasts has more
skill than the formula of the noise floor says (nominal 5 %). Each is told by date and for rows that are
counted as if each were independent. `worth` is the mean number of independent rows that was measured.
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.selection.statistics.rival_comparison import RivalVerdict, compare_with_strongest_rival
from trainer.data.moments import moments_of
from trainer.rivals.effective_rows import effective_rows
from trainer.rivals.skill import noise_floor

SERIES, DAYS, FORECASTS = 10, 300, 20
CORRELATIONS = (0.0, 0.3, 0.7)
HORIZONS = (1, 5)
DRAWS = 299
MOST_CLAIMS = 0.05
"""The largest share of false claims by date; the binomial error of 200 panels comes on top."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """Rows of one panel, series after series: targets (n,) and useless forecasts (n, FORECASTS)."""

    times: NDArray[np.datetime64]
    series: NDArray[np.int64]
    target: Floats
    forecasts: Floats
    horizon: int


def null_panel(correlation: float, horizon: int, seed: int) -> Panel:
    """A panel whose targets no forecast can know; targets and forecasts are sums over `horizon` days."""
    random = np.random.default_rng(seed)
    days = DAYS + horizon - 1
    volatility = np.exp(_wandering(random, days))[:, None]
    target = _overlapping(volatility * _correlated(random, (days, SERIES), correlation), horizon)
    forecasts = np.stack(
        [
            0.3 * _overlapping(_correlated(random, (days, SERIES), correlation), horizon)
            for _ in range(FORECASTS)
        ],
        axis=2,
    )
    held = random.random((DAYS, SERIES)) > 0.03
    late = random.permutation(SERIES)[: SERIES // 4]
    held[: DAYS // 2, late] = False
    series, day = np.nonzero(held.T)
    times = np.datetime64("2010-01-01", "ns") + day * np.timedelta64(1, "D")
    return Panel(times, series, target[day, series], forecasts[day, series], horizon)


def _wandering(random: np.random.Generator, days: int) -> Floats:
    """The logarithm of a volatility: an autoregression of 0.97 a day with a standard deviation of 0.5."""
    steps, level = random.standard_normal(days) * 0.5 * np.sqrt(1 - 0.97**2), np.empty(days)
    level[0] = 0.5 * random.standard_normal()
    for day in range(1, days):
        level[day] = 0.97 * level[day - 1] + steps[day]
    return level


def _correlated(random: np.random.Generator, shape: tuple[int, int], correlation: float) -> Floats:
    common = random.standard_normal((shape[0], 1))
    own = random.standard_normal(shape)
    mixed: Floats = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    return mixed


def _overlapping(values: Floats, horizon: int) -> Floats:
    sums = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), values]), axis=0)
    scaled: Floats = (sums[horizon:] - sums[:-horizon]) / np.sqrt(horizon)
    return scaled


@dataclass(frozen=True)
class Claims:
    """What is claimed of one panel: each by date, then by rows."""

    interval: tuple[bool, bool]
    verdict: tuple[bool, bool]
    floor: tuple[bool, bool]
    rows: int
    times: int
    worth: float


def claims(panel: Panel, seed: int) -> Claims:
    """What the code that decides says of the first two forecasts, and of the best of all."""
    moments = moments_of(panel.times, panel.series, panel.horizon)
    worth = effective_rows(panel.target, panel.times, panel.series, panel.horizon)
    losses = np.square(panel.forecasts - panel.target[:, None])
    model, rival = losses[:, 0], losses[:, 1]
    by_date = moments.means(model), moments.means(rival), moments.horizon
    by_row = model, rival, panel.horizon
    date, row = _decided(*by_date, seed), _decided(*by_row, seed)
    # The naive forecast is 0; a useless forecast shows most skill if it is scaled to the data.
    products = panel.forecasts.T @ panel.target
    best = float((products**2 / np.square(panel.forecasts).sum(axis=0)).max() / np.square(panel.target).sum())
    floors = (
        noise_floor(FORECASTS, worth.uncorrelated, worth.horizon),
        noise_floor(FORECASTS, len(panel.target), panel.horizon),
    )
    return Claims(
        interval=(date[0], row[0]),
        verdict=(date[1], row[1]),
        floor=(best > floors[0], best > floors[1]),
        rows=len(panel.target),
        times=len(moments.times),
        worth=worth.independent,
    )


def _decided(model: Floats, rival: Floats, horizon: int, seed: int) -> tuple[bool, bool]:
    """Whether the interval of skill lies above 0, and whether the answer is *yes*."""
    found = compare_with_strongest_rival(model, {"other": rival}, horizon=horizon, seed=seed, draws=DRAWS)
    above = found.interval is not None and found.interval.low > 0
    return above, found.verdict is RivalVerdict.YES


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if false claims by date are more than nominal by more than twice their error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--panels", type=int, default=200, help="panels of each kind")
    panels = parser.parse_args(arguments).panels
    allowed = MOST_CLAIMS + 2 * np.sqrt(MOST_CLAIMS * (1 - MOST_CLAIMS) / panels)
    print(f"{panels} panels of each kind, false claims in %: by date / as if each row were independent")
    print(f"{'horizon':>8}{'correlation':>13}{'rows':>8}{'dates':>7}{'worth':>7}", end="")
    print(f"{'interval':>14}{'verdict':>14}{'floor':>14}")
    passed = True
    for horizon in HORIZONS:
        for correlation in CORRELATIONS:
            found = [claims(null_panel(correlation, horizon, seed), seed) for seed in range(panels)]
            shares = np.array([[each.interval, each.verdict, each.floor] for each in found]).mean(axis=0)
            passed &= bool((shares[:, 0] <= allowed).all())
            sizes = np.mean([[each.rows, each.times, each.worth] for each in found], axis=0)
            print(f"{horizon:>8}{correlation:>13}{sizes[0]:>8.0f}{sizes[1]:>7.0f}{sizes[2]:>7.0f}", end="")
            print("".join(f"{f'{100 * date:.1f} / {100 * row:.1f}':>14}" for date, row in shares), flush=True)
    print("by date, false claims are within 5 % and the error of the simulation" if passed else "too many")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
