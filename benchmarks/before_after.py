"""Before and after: the trainer that Ballast comes from, rebuilt with its faults, against Ballast's own.

Run it with `python -m benchmarks.before_after` (about five minutes on one core; `--quick`: half a minute). It
exits with 1 where the goal is missed: a non-finite gradient in every run before, in none after.

Both train on the S&P 500 with the same 200 random configurations within `configs/safe_ranges.yaml`. The
trainer of before is not emulated: it runs PyTorch's own float16 autocast and GradScaler, which work on the
CPU. They exist here alone, never in `trainer/`. Gradients are looked at themselves, in both: the guard's word
is not taken for it. As a frozen model is quiet too, what Ballast's runs learnt is told beside it.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import optuna
import torch
from optuna.samplers import RandomSampler
from torch.nn.functional import mse_loss

from benchmarks.market import RETURN, SP500, VOLATILITY
from search.config.leaves import leaf_values, to_nested
from search.config.safe_ranges import clamp_dimension, read_policy
from search.config.schema import TRIAL_LEAVES
from search.config.space import Dimension, FloatRange, IntRange, to_distributions
from trainer.audit.audit import audit
from trainer.config import DataConfig, GuardConfig, TargetKind, TrialConfig
from trainer.data.features import build_features
from trainer.data.source import Table, read_table
from trainer.data.windows import prepare_last_fold
from trainer.losses import MSE
from trainer.models.network import GRUForecaster
from trainer.rivals.baselines import baseline_losses
from trainer.rivals.skill import best_baseline, skill, skill_ceiling
from trainer.runtime import reproducible
from trainer.training.batches import Batch
from trainer.training.guard import StepSignals
from trainer.training.learner import Learner
from trainer.training.loop import fit
from trainer.training.result import FindingKind, Outcome, TrialResult

RUNS = 200
QUICK_RUNS = 16
ABLATION_RUNS = 12
BATCHES = 16
"""Steps of a run of before: enough for the loss scale to fall from 65536 to where price errors fit."""
TRAIN_ROWS, VALIDATION_ROWS = 768, 400
EPOCHS = 5
NAN_CELLS = 3
OLD_GAIN = 0.1
SAFE_RANGES = Path(__file__).parents[1] / "configs" / "safe_ranges.yaml"

WIDE: dict[str, Dimension] = {
    "models.gru.learning_rate": FloatRange(1e-8, 1.0, log=True),
    "models.gru.batch_size": IntRange(1, 128, log=True),
    "models.gru.hidden_size": IntRange(4, 512, log=True),
    "models.gru.num_layers": IntRange(1, 8),
    "models.gru.dropout": FloatRange(0.0, 0.9),
    "models.gru.weight_decay": FloatRange(1e-6, 1.0, log=True),
    "models.gru.input_gain": FloatRange(1e-4, 1.0, log=True),
    "models.gru.hidden_gain": FloatRange(1e-4, 1.0, log=True),
    "models.gru.head_gain": FloatRange(1e-5, 1.0, log=True),
    "training.max_grad_norm": FloatRange(1e-2, 100.0, log=True),
    "data.feature_clip": FloatRange(1.0, 100.0, log=True),
    "data.target.clip": FloatRange(1e-2, 10.0, log=True),
}
"""What a careless study would search; it is cut to the safe ranges before anything is drawn from it."""

BANDS = ((0.0, 1e-6), (1e-6, 1e-5), (1e-5, 1e-4), (1e-4, 1e-3), (1e-3, 1.0))
"""Learning rates from and below."""

DATA = {**SP500, "target": RETURN, "seq_len": 10}


@dataclass(frozen=True)
class Faults:
    """What was wrong with the trainer of before; each can be had alone."""

    fp16: bool = field(default=False, metadata={"told": "float16 with loss scaling"})
    half_loss: bool = field(default=False, metadata={"told": "float16, and the loss in float16"})
    prices: bool = field(default=False, metadata={"told": "price-level targets"})
    gains: bool = field(default=False, metadata={"told": f"gains of {OLD_GAIN}"})
    unclipped: bool = field(default=False, metadata={"told": "unclipped features"})
    nan_cells: bool = field(default=False, metadata={"told": f"{NAN_CELLS} NaN cells"})


ALL = Faults(fp16=True, prices=True, gains=True, unclipped=True, nan_cells=True)
"""The trainer as the story tells it."""
ABLATION: tuple[tuple[str, Faults], ...] = (
    ("none of them", Faults()),
    *((f"{fault.metadata['told']} alone", Faults(**{fault.name: True})) for fault in fields(Faults)),
    ("float16 and price-level targets", Faults(fp16=True, prices=True)),
    ("all but float16", replace(ALL, fp16=False)),
    ("all but price-level targets", replace(ALL, prices=False)),
    ("all but NaN cells", replace(ALL, nan_cells=False)),
    ("all but float16 and NaN cells", replace(ALL, fp16=False, nan_cells=False)),
)


@dataclass(frozen=True)
class OldRun:
    """A run of before: the batches (0-based) whose gradients were not finite, and what was left."""

    bad: tuple[int, ...]
    scale: float
    """The loss scale at the end; 1 without scaling."""
    weights_finite: bool


@dataclass(frozen=True)
class NewRun:
    """A run of Ballast: its result, the batches with non-finite gradients, skill over the training mean."""

    result: TrialResult
    learning_rate: float
    bad: int
    steps: int
    skill_over_mean: float | None

    @property
    def moved(self) -> bool:
        """Whether the guard let at least one epoch pass, so that the weights moved."""
        return bool(self.result.epochs)

    @property
    def frozen(self) -> bool:
        """Whether the guard stopped it because nothing moved, or no longer."""
        return any(finding.kind is FindingKind.FROZEN for finding in self.result.findings)


def configurations(count: int, kind: TargetKind, seed: int) -> list[TrialConfig]:
    """Random configurations of the whole space that the safe ranges leave."""
    target = RETURN if kind == "return" else VOLATILITY
    base = TrialConfig.model_validate(
        {"data": {**DATA, "target": target}, "training": {"epochs": EPOCHS, "patience": EPOCHS}}
    )
    policy, fixed = read_policy(SAFE_RANGES), {"data.target.kind": kind}
    rules = {key: policy.rule(key, fixed) for key in WIDE}
    space = {key: clamp_dimension(WIDE[key], safe)[0] for key, safe in rules.items() if safe is not None}
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    distributions = to_distributions(space)
    draws = [study.ask(distributions).params for _ in range(count)]
    values = leaf_values(base, TRIAL_LEAVES)
    return [TrialConfig.model_validate(to_nested({**values, **params})) for params in draws]


def damaged(table: Table, cells: int, seed: int) -> Table:
    """The table with so many cells of Close made NaN, within the rows that are trained on."""
    frame = table.frame.copy()
    end = int(table.times.searchsorted(np.datetime64("2010-12-31")))
    rows = np.random.default_rng(seed).choice(np.arange(end - TRAIN_ROWS, end), cells, replace=False)
    frame.loc[frame.index[rows], "Close"] = np.nan
    return replace(table, frame=frame)


def old_data(config: DataConfig, table: Table, faults: Faults) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows (seq_len, rows, features) and targets (rows,) as the trainer of before made them.

    Statistics leave NaN out and clipping keeps it, so that it goes unnoticed into the batches.
    """
    built = build_features(config, table)
    end = int(table.times.searchsorted(np.datetime64("2010-12-31")))
    rows = np.arange(end - TRAIN_ROWS, end)
    features = built.features.to_numpy(np.float64)  # (T, F)
    fitting = features[built.first : end]
    features = (features - np.nanmean(fitting, axis=0)) / np.nanstd(fitting, axis=0)
    if not faults.unclipped:
        features = np.clip(features, -config.feature_clip, config.feature_clip)
    if faults.prices:
        target = table.frame["Close"].to_numpy(np.float64)[rows + 1]
    else:
        known = built.target.to_numpy(np.float64)[rows]
        target = (known - np.nanmean(known)) / np.nanstd(known)
    windows = np.lib.stride_tricks.sliding_window_view(features, config.seq_len, axis=0)
    x = windows[rows - config.seq_len + 1]  # (rows, F, seq_len)
    return torch.tensor(x, dtype=torch.float32).permute(2, 0, 1), torch.tensor(target, dtype=torch.float32)


def old_run(config: TrialConfig, table: Table, faults: Faults, seed: int) -> OldRun:
    """Train BATCHES steps as before: autocast, scaled loss, unscale, clip, step, whatever the numbers are."""
    gru = config.models.gru
    if faults.gains:
        gru = gru.model_copy(update=dict.fromkeys(("input_gain", "hidden_gain", "head_gain"), OLD_GAIN))
    x, y = old_data(config.data, damaged(table, NAN_CELLS * faults.nan_cells, seed), faults)
    with reproducible(seed):
        model = GRUForecaster(x.shape[2], gru)
        optimizer = torch.optim.AdamW(model.parameters(), lr=gru.learning_rate, weight_decay=gru.weight_decay)
        scaler = torch.amp.GradScaler("cpu", enabled=faults.fp16 or faults.half_loss)
        bad = []
        for number in range(BATCHES):
            rows = torch.randperm(x.shape[1])[: gru.batch_size]
            loss = old_loss(model, x[:, rows], y[rows], faults)
            optimizer.zero_grad()
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            scaler.unscale_(optimizer)
            if not gradients_finite(model):
                bad.append(number)
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.training.max_grad_norm)
            scaler.step(optimizer)
            scaler.update()
    finite = all(bool(weight.isfinite().all()) for weight in model.parameters())
    return OldRun(tuple(bad), scaler.get_scale(), finite)


def old_loss(model: GRUForecaster, x: torch.Tensor, y: torch.Tensor, faults: Faults) -> torch.Tensor:
    """Mean squared error under autocast, which takes it in float32 unless it is written out by hand."""
    with torch.autocast("cpu", dtype=torch.float16, enabled=faults.fp16 or faults.half_loss):
        out: torch.Tensor = model(x)
        if faults.half_loss:
            return (out - y.to(out.dtype)).square().mean()
        return mse_loss(out, y)


def gradients_finite(model: torch.nn.Module) -> bool:
    """Whether every element of every gradient is a finite number."""
    return all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


class WatchedLearner(Learner):
    """Ballast's learner, whose gradients are looked at by somebody else than the guard."""

    finite: list[bool]
    """By step, of the learner made last."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        WatchedLearner.finite = []

    def backward(self, batch: Batch) -> StepSignals:
        """Forward and backward pass, and a look at the gradients."""
        signals = super().backward(batch)
        self.finite.append(gradients_finite(self.model))
        return signals


def new_run(config: TrialConfig, table: Table, seed: int) -> NewRun:
    """One run of Ballast on the last training rows of the table and the first validation rows."""
    data = prepare_last_fold(config.data, table)
    data = replace(data, train=data.train[-TRAIN_ROWS:], validation=data.validation[:VALIDATION_ROWS])
    losses = baseline_losses(data, data.validation, MSE)
    with patch("trainer.training.loop.Learner", WatchedLearner):
        result = fit(
            config,
            data,
            baseline=best_baseline(losses),
            ceiling=skill_ceiling(data.kind, rows=len(data.validation), horizon=data.horizon, max_skill=None),
            seed=seed,
        )
    finite = WatchedLearner.finite
    over_mean = None if result.value is None else skill(result.value, losses["train_mean"])
    return NewRun(result, config.models.gru.learning_rate, finite.count(False), len(finite), over_mean)


def cleaned(table: Table) -> Table:
    """What the audit asks for: the table without the rows that hold a NaN."""
    held = table.frame.notna().all(axis=1).to_numpy()
    return replace(table, frame=table.frame[held], positions=table.positions[held])


def old_runs(configs: Sequence[TrialConfig], table: Table, faults: Faults) -> list[OldRun]:
    """One run of before for each configuration, seeded by its place."""
    return [old_run(config, table, faults, seed) for seed, config in enumerate(configs)]


def told_old(name: str, runs: Sequence[OldRun]) -> str:
    """A row: runs with non-finite gradients, share of batches, which ones first, what was left."""
    hit, batches = sum(bool(run.bad) for run in runs), sum(len(run.bad) for run in runs)
    first = [sum(number in run.bad for run in runs) for number in range(3)]
    scale = sorted(run.scale for run in runs)[len(runs) // 2]
    dead = sum(not run.weights_finite for run in runs)
    share = batches / (BATCHES * len(runs))
    return (
        f"{name:<36} {hit:>4} of {len(runs):<4} {share:>7.0%}   {' '.join(f'{n:>3}' for n in first)} "
        f"{scale:>10.0f} {dead:>6}"
    )


def show_old(configs: Sequence[TrialConfig], table: Table, ablation: int) -> list[OldRun]:
    """Print the trainer of before, whole and fault by fault; returns the runs with all faults."""
    print(f"\nBefore, {BATCHES} batches a run, non-finite gradients after unscaling:")
    print(f"{'':<36} {'runs hit':>12} {'batches':>7}   batch 0,1,2 {'last scale':>10} {'NaN weights':>6}")
    whole = old_runs(configs, table, ALL)
    print(told_old("as it was, all of them", whole), flush=True)
    for name, faults in ABLATION:
        print(told_old(name, old_runs(configs[:ablation], table, faults)), flush=True)
    return whole


def show_new(configs: Sequence[TrialConfig], table: Table) -> list[NewRun]:
    """Print what Ballast's runs learnt, by kind of target and learning rate; returns the runs."""
    runs = [new_run(config, table, seed) for seed, config in enumerate(configs)]
    hit, steps = sum(run.bad > 0 for run in runs), sum(run.steps for run in runs)
    print(f"\nAfter: {hit} of {len(runs)} runs had a non-finite gradient, in {steps} steps.")
    print("What they learnt, a frozen model being quiet too:")
    print(
        f"{'target':<10} {'learning rate':<15} {'runs':>4} {'frozen*':>7} {'other*':>6} {'moved':>5} "
        f"{'> mean':>6} {'> best naive':>12}  median and best skill over the mean"
    )
    for kind in ("return", "volatility"):
        for low, high in BANDS:
            inside = [
                run
                for run, config in zip(runs, configs, strict=True)
                if config.data.target.kind == kind and low <= run.learning_rate < high
            ]
            if inside:
                print(f"{kind:<10} {f'{low:.0e} – {high:.0e}':<15} {told_new(inside)}", flush=True)
    print("* stopped by the guard. Returns have no honest skill to show: there the mean is all there is.")
    return runs


def told_new(runs: Sequence[NewRun]) -> str:
    """Counts of a row, and the skill over the training mean of those that moved."""
    frozen = sum(run.frozen for run in runs)
    other = sum(run.result.outcome is not Outcome.FINISHED and not run.frozen for run in runs)
    skills = sorted(run.skill_over_mean for run in runs if run.skill_over_mean is not None)
    above = sum(value > 0 for value in skills)
    best = sum(run.result.skill is not None and run.result.skill > 0 for run in runs)
    shown = f"{np.median(skills):+.3f} {skills[-1]:+.3f}" if skills else "–"
    moved = sum(run.moved for run in runs)
    return f"{len(runs):>4} {frozen:>7} {other:>6} {moved:>5} {above:>6} {best:>12}  {shown}"


def show_audit(table: Table) -> bool:
    """Print what Ballast says of the table with NaN cells; whether it refuses to train on it."""
    found = audit(DataConfig.model_validate(DATA), GuardConfig(), damaged(table, NAN_CELLS, seed=0))
    print(
        f"Ballast, given the table with {NAN_CELLS} NaN cells: {'trains' if found.ok(False) else 'refuses'}"
    )
    for finding in found.findings:
        if finding.severity == "error":
            print(f"  {finding.code}: {finding.message}")
    return not found.ok(False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables and the verdict; 0 where the goal is reached."""
    parser = argparse.ArgumentParser(description="The trainer of before against Ballast's.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    quick = parser.parse_args(arguments).quick
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    count, ablation = (QUICK_RUNS, 2) if quick else (RUNS, ABLATION_RUNS)
    table = read_table(DataConfig.model_validate(DATA), folder=Path())
    refused = show_audit(table)
    returns, volatilities = (
        configurations(count // 2, "return", 0),
        configurations(count // 2, "volatility", 1),
    )
    configs = [config for pair in zip(returns, volatilities, strict=True) for config in pair]
    print(f"\n{count} configurations within {SAFE_RANGES.name}; seeds: draws 0 and 1, runs 0 to {count - 1}")
    old = show_old(configs, table, ablation)
    new = show_new(configs, cleaned(damaged(table, NAN_CELLS, seed=0)))
    reached = refused and all(run.bad for run in old) and not any(run.bad for run in new)
    print(f"goal: from every run to none: {'reached' if reached else 'missed'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
