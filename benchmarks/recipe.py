"""The recommended recipe beside its neighbours, on rows up to 2014 alone.

Run it with `python -m benchmarks.recipe` (a quarter of an hour on one core; `--only NAME` for one series).
Each line changes one thing of the study `NAME-volatility.yaml`, at the middle of its ranges, and is trained
on the five blocks of 2005 to 2014. The table shows the mean loss over blocks and seeds, beside those of HAR,
of a ridge on the same windows and of the strongest rival. Nothing is trained or scored on a row after 2014.
At a constant rate the value is that of the best epoch, which is chosen by the rows that it is scored on.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from search.config.resolve import resolve
from trainer.config import TrialConfig
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare_folds
from trainer.losses import MSE
from trainer.rivals.baselines import mean_baseline_losses
from trainer.rivals.fitted import rival_losses, rivals_of_folds
from trainer.rivals.skill import best_baseline
from trainer.training.loop import fit

SERIES = ("sp500", "nasdaq", "wti")
MIDDLE = ("models.gru.learning_rate=3e-3", "models.gru.hidden_size=32", "models.gru.dropout=0.1")
"""The values of what the recipe searches."""
NEIGHBOURS: Mapping[str, tuple[str, ...]] = {
    "the recipe": (),
    "init: gains": ("models.gru.init=gains",),
    "init: gains, rate 5e-3": ("models.gru.init=gains", "models.gru.learning_rate=5e-3"),
    "constant rate": ("training.schedule=constant",),
    "12 epochs": ("training.epochs=12",),
    "30 epochs": ("training.epochs=30",),
    "rate 1e-3": ("models.gru.learning_rate=1e-3",),
    "rate 5e-3": ("models.gru.learning_rate=5e-3",),
    "16 units": ("models.gru.hidden_size=16",),
    "64 units": ("models.gru.hidden_size=64",),
    "dropout 0.3": ("models.gru.dropout=0.3",),
    "weight decay 0.01": ("models.gru.weight_decay=1e-2",),
}


@dataclass(frozen=True)
class Losses:
    """Mean losses on the validation rows of one series."""

    references: Mapping[str, float]
    trained: Mapping[str, Sequence[float]]
    """One loss a seed."""


def main(arguments: Sequence[str]) -> int:
    """Print a table for each series."""
    parser = argparse.ArgumentParser(prog="benchmarks.recipe", description=__doc__)
    parser.add_argument("--only", choices=SERIES, help="one series alone")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each line")
    options = parser.parse_args(arguments)
    for series in [options.only] if options.only else SERIES:
        print(table(series, losses_of(series, options.seeds)), flush=True)
    return 0


def study_of(series: str, name: str) -> TrialConfig:
    """The settings of a trial of the recommended study of this series, with the change of this name."""
    changes = NEIGHBOURS[name]
    changed = {change.partition("=")[0] for change in changes}
    middle = [value for value in MIDDLE if value.partition("=")[0] not in changed]
    return resolve(Path(f"sample:{series}-volatility"), [*middle, *changes]).trial_config


def losses_of(series: str, seeds: int) -> Losses:
    """Train every neighbour of the recipe on this series."""
    folds: dict[str, tuple[Dataset, ...]] = {}
    trained: dict[str, list[float]] = {}
    for name in NEIGHBOURS:
        config = study_of(series, name)
        key = config.data.model_dump_json()
        if key not in folds:
            folds[key] = prepare_folds(config.data, read_table(config.data, folder=Path()))
        trained[name] = [_loss(config, folds[key], seed) for seed in range(seeds)]
        print(f"{series}, {name}: {trained[name]}", file=sys.stderr, flush=True)
    return Losses(_references(next(iter(folds.values()))), trained)


def table(series: str, losses: Losses) -> str:
    """The lines of one series as Markdown."""
    lines = [f"| {series} | loss | spread of the seeds | skill over har |", "| --- | --- | --- | --- |"]
    har = losses.references["har"]
    lines += [
        f"| {name} | {loss:.4f} | – | {1 - loss / har:+.4f} |" for name, loss in losses.references.items()
    ]
    for name, values in losses.trained.items():
        spread = f"{stdev(values):.4f}" if len(values) > 1 else "–"
        lines.append(f"| {name} | {fmean(values):.4f} | {spread} | {1 - fmean(values) / har:+.4f} |")
    return "\n".join(lines) + "\n"


def _loss(config: TrialConfig, folds: Sequence[Dataset], seed: int) -> float:
    baseline = best_baseline(mean_baseline_losses(folds, MSE))
    result = fit(config, folds, baseline=baseline, ceiling=1.0, seed=seed)
    return float("nan") if result.value is None else result.value


def _references(folds: Sequence[Dataset]) -> dict[str, Any]:
    """HAR, the ridge, and the strongest rival if it is neither."""
    rivals = rival_losses(folds, rivals_of_folds(folds, MSE), MSE)
    names = dict.fromkeys(("har", "linear", rivals.strongest or "har"))
    return {name: rivals.losses[name] for name in names}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
