"""The time of day in hourly bars: a searched and verified study beside least squares that know the hour.

Run it with `python -m benchmarks.time_of_day EURUSD.csv` (three minutes). The file is the hourly EUR/USD
that the package `backtesting` ships (`pip download --no-deps backtesting`, then
`backtesting/test/EURUSD.csv` of the wheel): times, Open, High, Low, Close. A bar whose high is its low gets a
range of one point, 0.00001.

The table begins with three regressions of the log range of the next hour, fitted on the training rows alone:
HAR over 1, 5 and 22 rows, as if they were days; HAR in days; the same with 23 dummies of the hour. Below
them are the naive forecasts and the rivals of Ballast on the same rows. Then the study is searched and
verified.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.verified import ballast
from search.selection.verification import verify
from storage.engine import open_store
from trainer.config import DataConfig
from trainer.data.arrays import Floats, Rows
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import rival_forecasts

POINT = 1e-5
STUDY = {
    "study": {"name": "time-of-day", "trials": 12, "seed": 0},
    "data": {
        "source": "hours.csv",
        "time": "time",
        "features": [
            {"name": "ret", "column": "Close", "transform": "log_return"},
            {"name": "vol", "high": "High", "low": "Low", "transform": "log_parkinson"},
            {"name": "vol_day", "of": "vol", "transform": "rolling_mean", "window": 24},
            {"name": "vol_week", "of": "vol", "transform": "rolling_mean", "window": 120},
        ],
        "target": {
            "transform": "log_parkinson",
            "high": "High",
            "low": "Low",
            "kind": "volatility",
            "horizon": 1,
        },
        "seq_len": 24,
        "split": {"fractions": {"train": 0.6, "validation": 0.2}},
    },
    "models": {"gru": {"batch_size": 32}},
    "training": {"epochs": 12, "schedule": "cosine"},
    "space": {
        "models.gru.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True},
        "models.gru.hidden_size": {"choices": [16, 32]},
    },
}


def main(arguments: Sequence[str]) -> int:
    """Print the table and what `verify` answers."""
    parser = argparse.ArgumentParser(prog="benchmarks.time_of_day", description=__doc__)
    parser.add_argument("file", type=Path, help="EURUSD.csv of the package backtesting")
    parser.add_argument("--no-study", action="store_true", help="print the table alone")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hours = prepared(options.file, folder / "hours.csv")
        study = folder / "study.yaml"
        study.write_text(yaml.safe_dump(STUDY))
        config = DataConfig.model_validate(yaml.safe_load(yaml.safe_dump(STUDY["data"])))
        data = prepare_last_fold(config, read_table(config, folder=folder))
        print(table(data, regressions(hours, data) | ballast_forecasts(data)), flush=True)
        if not options.no_study:
            print(verified(study, folder))
    return 0


def prepared(source: Path, target: Path) -> pd.DataFrame:
    """The bars, with a range of one point where there is none; written to `target` as well."""
    hours = pd.read_csv(source, index_col=0, parse_dates=True).rename_axis("time")
    hours["High"] = np.maximum(hours["High"], hours["Low"] + POINT)
    hours.to_csv(target)
    return hours


def regressions(hours: pd.DataFrame, data: Dataset) -> dict[str, Floats]:
    """Forecasts (T,) of the rows of `data` in units of its standardised target, by pandas and numpy alone."""
    ranges = 0.5 * np.log(np.log(hours["High"] / hours["Low"]) ** 2 / (4 * np.log(2)))
    target = ranges.shift(-1)
    hour = pd.get_dummies(target.index.to_series().shift(-1).dt.hour, dtype=float).iloc[:, 1:]
    fit = pd.DatetimeIndex(data.times[data.fitting])
    found = {}
    for name, spans, dummies in (
        ("HAR over 1, 5, 22 rows", (1, 5, 22), False),
        ("HAR over a row, 1, 5, 22 days", (1, 24, 120, 528), False),
        ("the same and 23 dummies of the hour", (1, 24, 120, 528), True),
    ):
        means = [ranges.rolling(span).mean() for span in spans]
        terms = pd.concat([pd.Series(1.0, hours.index), *means, *([hour] if dummies else [])], axis=1)
        known = terms.loc[fit].notna().all(axis=1)
        weights, *_ = np.linalg.lstsq(terms.loc[fit][known], target.loc[fit][known], rcond=None)
        forecasts = (terms @ weights).loc[pd.DatetimeIndex(data.times)].to_numpy()
        found[name] = (forecasts - data.scaler.target_mean) / data.scaler.target_std
    return found


def ballast_forecasts(data: Dataset) -> dict[str, Floats]:
    """Forecasts (T,) by the naive forecasts and the rivals, NaN elsewhere than on held-out rows."""
    rows = np.concatenate([data.validation, data.test])
    both = {**baseline_forecasts(data, rows, MSE), **rival_forecasts(data, rows, MSE).forecasts}
    found = {}
    for name, forecasts in both.items():
        found[name] = np.full(len(data.target), np.nan)
        found[name][rows] = forecasts
    return found


def table(data: Dataset, forecasts: dict[str, Floats]) -> str:
    """R² over the mean of the training rows, and skill over the first of the `forecasts`, as Markdown."""
    first, *_ = forecasts.values()
    target = data.target.astype(np.float64)

    def loss(forecast: Floats, rows: Rows) -> float:
        return float(np.mean((target[rows] - forecast[rows]) ** 2))

    mean = np.full(len(target), target[data.fitting].mean())
    splits = (data.validation, data.test)
    lines = [
        "| forecast | R², validation | R², test | skill over the first, validation | test |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, forecast in forecasts.items():
        cells = [
            f"{1 - loss(forecast, rows) / loss(over, rows):+.3f}" for over in (mean, first) for rows in splits
        ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def verified(study: Path, folder: Path) -> str:
    """Search, export, verify with five fresh seeds; both answers."""
    url, best = f"sqlite:///{folder}/hours.db", folder / "best.yaml"
    ballast("run", str(study), "--store", url, "--set", "tracking.dashboard=false")
    ballast("export", "time-of-day", "-o", str(best), "--store", url)
    store = open_store(url)
    try:
        scored = verify(best, store, seeds=5).scored[0]
    finally:
        store.close()
    rival = scored.strongest_rival
    told = f"validation {scored.candidate.skill:+.4f}, test {scored.skill:+.4f} over {scored.baseline}: "
    told += f"{scored.conclusion.verdict}; {scored.conclusion.reason}"
    return told if rival is None else f"{told}\n{rival.skill:+.4f} over {rival.name}: {rival.verdict}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
