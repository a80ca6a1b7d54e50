"""Part (a) of `benchmarks.panel`: one network for twenty stocks against their rivals and twenty networks.

The study is configs/studies/us-stocks-volatility.yaml with a quarter of the stocks held back whole. What is
chosen is chosen on the validation rows, up to 2014; the test rows, 2015 to 2022, are scored once.
"""

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from search.data.study_data import load_study_data
from search.selection.candidates import Candidate, candidate_from_file
from search.selection.statistics.interval import skill_interval
from storage.engine import open_store
from trainer.data.arrays import Floats, Rows
from trainer.data.panel import mean_by_moment
from trainer.data.windows import Dataset, prepare_refit
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import rival_forecasts
from trainer.training.loop import refit

STUDIES = Path(__file__).parents[1] / "configs" / "studies"
POOLED, ONE = "us-stocks-volatility", "sp500-volatility"
HELD_BACK = 0.25
"""Share of the stocks that no training sees: five of twenty."""
REFERENCE, GRU, SEPARATE = "har", "pooled GRU", "a GRU for each stock"


@dataclass(frozen=True)
class Options:
    """What may be spent: `trials` of a search, `seeds` of fresh trainings, the folder of stores and files."""

    trials: int
    seeds: int
    folder: Path


@dataclass
class Scored:
    """Squared errors (rows,) of each model on the test rows of `data`, of the standardised pooled target.

    `seconds` are those of the searches and trainings of each network; `chosen` is the pooled one's setting.
    """

    chosen: Candidate
    data: Dataset
    losses: dict[str, Floats]
    seconds: dict[str, float]

    @property
    def times(self) -> np.ndarray:
        """The time of each row."""
        times: np.ndarray = self.data.times[self.data.test]
        return times

    @property
    def series(self) -> Rows:
        """The number of the series of each row."""
        return self.series_of(self.data.test)

    @property
    def unseen(self) -> np.ndarray:
        """Whether each row is of a stock that was held back."""
        return ~np.isin(self.series, self.series_of(self.data.fitting))

    def series_of(self, rows: Rows) -> Rows:
        """The numbers of the series of some rows."""
        return np.searchsorted(self.data.series_starts, rows, "right") - 1


def scored_stocks(options: Options) -> Scored:
    """Search for a pooled network, train it with fresh seeds, and score it and its rivals."""
    began = time.perf_counter()
    chosen = searched(pooled_study(options), options)
    searching = time.perf_counter() - began
    data = with_unseen(prepare_refit(chosen.trial.config.data, load_study_data(chosen.resolved).table))
    target = data.target[data.test].astype(np.float64)
    told = forecasts_of(chosen, data, options.seeds)
    seconds = time.perf_counter() - began
    naive, rivals = baseline_forecasts(data, data.test, MSE), rival_forecasts(data, data.test, MSE)
    losses = {
        GRU: np.mean([MSE.value(each, target) for each in told], axis=0),
        **{name: MSE.value(each, target) for name, each in (naive | dict(rivals.forecasts)).items()},
    }
    for name, note in (dict(rivals.absent) | dict(rivals.notes)).items():
        print(f"{name}: {note}", flush=True)
    print(f"pooled search: {options.trials} trials in {searching:.0f} s", flush=True)
    return Scored(chosen, data, losses, {GRU: seconds})


def with_unseen(data: Dataset) -> Dataset:
    """The data with the rows of the held-back series among the test rows: one training scores both."""
    return replace(data, test=np.sort(np.concatenate([data.test, data.unseen])))


def pooled_study(options: Options) -> Path:
    """The file of the shipped study, with stocks held back."""
    study = yaml.safe_load((STUDIES / f"{POOLED}.yaml").read_text())
    study["data"]["split"]["unseen_series"] = HELD_BACK
    return _written(study, options)


def stock_study(column: str, options: Options) -> Path:
    """The study of one stock: the features and splits of the pooled one that need no other stock, and the
    batches and epochs of the shipped study of one series.
    """
    study = yaml.safe_load((STUDIES / f"{POOLED}.yaml").read_text())
    single = yaml.safe_load((STUDIES / f"{ONE}.yaml").read_text())
    data = study["data"]
    del data["layout"]
    data["features"] = [_of(column, each) for each in data["features"] if each["transform"] != "cross_demean"]
    study["models"], study["training"] = single["models"], single["training"]
    study["study"]["name"] = f"stock-{column}"
    return _written(study, options)


def _of(column: str, feature: dict[str, Any]) -> dict[str, Any]:
    return feature | {"column": column} if "column" in feature else feature


def _written(study: dict[str, Any], options: Options) -> Path:
    study["study"]["trials"] = options.trials
    file = options.folder / f"{study['study']['name']}.yaml"
    file.write_text(yaml.safe_dump(study, sort_keys=False))
    return file


def searched(file: Path, options: Options) -> Candidate:
    """The surest configuration that a search finds on the validation rows."""
    url, best = f"sqlite:///{options.folder}/panel.db", file.with_suffix(".best.yaml")
    run("run", str(file), "--store", url, "--set", "tracking.dashboard=false")
    run("export", file.stem, "-o", str(best), "--store", url)
    store = open_store(url)
    try:
        return candidate_from_file(best, None, lambda: False, store)
    finally:
        store.close()


def run(*arguments: str) -> None:
    """Run a command of Ballast; CalledProcessError, after what it printed, if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "search.cli", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        print(done.stdout.decode(), file=sys.stderr)
        done.check_returncode()


def forecasts_of(chosen: Candidate, data: Dataset, seeds: int) -> list[Floats]:
    """The forecasts of the test rows by each of some trainings with fresh seeds on all rows before them."""
    config = chosen.trial.config
    done = [refit(config, data, epochs=chosen.epochs, seed=1000 + number) for number in range(seeds)]
    return [each.forecasts.astype(np.float64) for each in done if each.forecasts is not None]


def add_separate(scored: Scored, options: Options) -> None:
    """Add the losses of a network for each stock."""
    began = time.perf_counter()
    scored.losses[SEPARATE] = separate_losses(scored.data, options)
    scored.seconds[SEPARATE] = time.perf_counter() - began


def separate_losses(pooled: Dataset, options: Options) -> Floats:
    """The losses (rows,) of a network for each stock on the test rows of the `pooled` data, in its unit.

    Every stock has one, those that the pooled network does not see as well.
    """
    losses = np.full(len(pooled.test), np.nan)
    rows = {(pooled.series_of(row), pooled.times[row]): at for at, row in enumerate(pooled.test.tolist())}
    for name in pooled.series_names:
        chosen = searched(stock_study(name, options), options)
        data = prepare_refit(chosen.trial.config.data, load_study_data(chosen.resolved).table)
        target = data.target[data.test].astype(np.float64)
        squares = [MSE.value(each, target) for each in forecasts_of(chosen, data, options.seeds)]
        unit = (data.scaler.target_std / pooled.scaler.target_std) ** 2
        for time_, loss in zip(data.times[data.test], unit * np.mean(squares, axis=0), strict=True):
            if (name, time_) in rows:
                losses[rows[name, time_]] = loss
        print(f"{name}: a network of its own is trained", flush=True)
    return losses


def table(scored: Scored) -> str:
    """The loss of each model on the stocks that were seen and on those that were not, lowest first, and the
    skill of the pooled network over it, with its interval by date.
    """
    lines = []
    for what, chosen in (("stocks in training", ~scored.unseen), ("held-back stocks", scored.unseen)):
        times, losses = scored.times[chosen], {name: each[chosen] for name, each in scored.losses.items()}
        count = len(np.unique(scored.series[chosen]))
        lines += [
            f"{count} {what}, {chosen.sum():,} rows of {len(np.unique(times)):,} dates:",
            "| model | loss | skill over har | skill of the pooled GRU over it | 95 % interval by date |",
            "|---|---|---|---|---|",
            *_lines(losses, times, scored.data.horizon),
            "",
        ]
    return "\n".join(lines)


def _lines(losses: Mapping[str, Floats], times: np.ndarray, horizon: int) -> list[str]:
    """The rows of the table; all models are compared on the rows that each of them has forecast."""
    present = {name: each for name, each in losses.items() if np.isfinite(each).any()}
    known = np.isfinite(np.stack([*present.values()])).all(axis=0)
    by_date = {name: by_time(times[known], each[known]) for name, each in present.items()}
    pooled, har = by_date[GRU], float(by_date[REFERENCE].mean())
    lines = []
    for name, each in sorted(by_date.items(), key=lambda pair: float(pair[1].mean())):
        cells = [name, f"{each.mean():.4f}", f"{1 - each.mean() / har:+.4f}", "", ""]
        if name != GRU:
            interval = skill_interval(pooled, each, horizon=horizon)
            cells[3:] = (
                f"{1 - pooled.mean() / each.mean():+.4f}",
                f"{interval.low:+.4f} … {interval.high:+.4f}",
            )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def by_time(times: np.ndarray, losses: Floats) -> Floats:
    """The losses of each date, (dates,), weighted by its rows, so that their mean is that over rows."""
    _, counts = np.unique(times, return_counts=True)
    weighted: Floats = mean_by_moment(times, losses) * counts / counts.mean()
    return weighted
