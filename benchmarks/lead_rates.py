"""How often the test of leads accuses honest columns, and how often it names those that lead.

    python -m benchmarks.lead_rates [--draws N] [--seed S]

Each draw simulates ten years of days of an asset with fat tails and clustered volatility. Beside it stand
four honest columns: another asset that moves with it, the size of its moves, its level, and noise. Then one
is added that holds the next row's move (for volatility its size), under noise. Prints counts of studies.
"""

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.leaks.studies import Floats, Study
from trainer.audit.leaks.check_leads import lead_findings
from trainer.data.windows import prepare_last_fold

ROWS = 2500
HORIZONS = (1, 5, 10, 21, 63)
NOISES = (1.0, 3.0, 6.0)
CEILING = 0.15
_STRANGERS = ("other", "size", "level", "noise")


def market(random: np.random.Generator, rows: int) -> tuple[Floats, Floats]:
    """Moves (rows,) of two assets that correlate by 0.6, each with a volatility of its own memory."""
    shocks = random.standard_t(6, (rows, 2)) / np.sqrt(1.5)
    state, moves = np.zeros(2), np.empty((rows, 2))
    for row, news in enumerate(random.standard_normal((rows, 2))):
        state = 0.97 * state + 0.15 * news
        moves[row] = np.exp(state) * shocks[row]
    return moves[:, 0], 0.6 * moves[:, 0] + 0.8 * moves[:, 1]


def study(random: np.random.Generator, kind: str, horizon: int, early: int, noise: float | None) -> Study:
    """A study with strangers, and with `hint` where a noise is given."""
    own, other = market(random, ROWS + early)
    columns: Mapping[str, Floats] = {
        "other": other[:ROWS],
        "size": np.abs(other[:ROWS]),
        "level": np.cumsum(other[:ROWS]),
        "noise": random.standard_normal(ROWS),
    }
    if noise is not None:
        coming = own[early:] if kind == "return" else np.abs(own[early:])
        columns = {**columns, "hint": coming + noise * coming.std() * random.standard_normal(ROWS)}
    frame = pd.DataFrame(
        {
            "Date": pd.bdate_range("2000-01-03", periods=ROWS),
            "Close": 100 * np.exp(0.01 * np.cumsum(own[:ROWS])),
            **columns,
        }
    )
    features = (
        {"name": "ret", "column": "Close", "transform": "log_return"},
        {"name": "vol", "column": "Close", "transform": "abs_log_return"},
        *({"name": name, "column": name} for name in columns),
    )
    over = {"window": horizon, "horizon": horizon, "kind": kind}
    target = (
        {"column": "Close", "transform": "log_return", "clip": 2.0, **over}
        if kind == "return"
        else {"of": "vol", "transform": "rolling_mean", **over}
    )
    return Study(kind, frame, features, target, {"fractions": {"train": 0.6, "validation": 0.2}})


def named(one: Study) -> dict[str, str]:
    """Severity by feature."""
    config = one.config()
    data = prepare_last_fold(config, one.table())
    return {each.where: each.severity for each in lead_findings(data, CEILING, config, None)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=10, help="studies in each cell")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    accused = total = 0
    for kind in ("return", "volatility"):
        for horizon in HORIZONS:
            cells = []
            for noise in (None, *NOISES):
                found = [
                    named(study(np.random.default_rng([asked.seed, draw]), kind, horizon, 1, noise))
                    for draw in range(asked.draws)
                ]
                strangers = sum(any(name in each for name in _STRANGERS) for each in found)
                accused, total = accused + strangers, total + len(found)
                if noise is not None:
                    cells.append(f"noise {noise:g}: {sum('hint' in each for each in found)}/{len(found)}")
            print(f"{kind:10} {horizon:3} rows ahead, hint named at {', '.join(cells)}", flush=True)
    print(f"studies in which an honest column was named: {accused} of {total}")


if __name__ == "__main__":
    main()
