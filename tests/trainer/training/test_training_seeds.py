"""Several seeds of one trial, side by side: each ends as it would alone, and the trial has their mean."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from benchmarks.market import SP500
from trainer.config import DataConfig, TrialConfig
from trainer.data.source import Table
from trainer.data.windows import Dataset, prepare_folds
from trainer.rivals.skill import Baseline
from trainer.training.checkpoint import CHECKPOINT_FORMAT, checkpoint_identity
from trainer.training.loop import fit
from trainer.training.result import FindingKind, Outcome, TrialResult

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import LearnerPatches, MakeConfig

SEEDS = (3, 8, 5)
STEPS = 5
"""Updates of one seed in an epoch: 160 rows in batches of 32."""
BASELINE = Baseline("made up", 1.0)
WALK = DataConfig.model_validate(
    {**SP500, "seq_len": 8, "split": {**SP500["split"], "method": "walk_forward", "folds": 2}}
)


@pytest.fixture
def config(settings_of: MakeConfig) -> TrialConfig:
    """Two layers and dropout, for every source of chance."""
    return settings_of(
        gru={"num_layers": 2, "dropout": 0.3, "learning_rate": 5e-3},
        training={"epochs": 4, "patience": 4},
    )


@pytest.fixture
def folds(prices: Table) -> tuple[Dataset, ...]:
    return tuple(
        replace(data, train=data.train[-160:], validation=data.validation[:96])
        for data in prepare_folds(WALK, prices)
    )


def trial(config: TrialConfig, data: Any, seed: Any = SEEDS, **more: Any) -> TrialResult:
    how: dict[str, Any] = {"baseline": BASELINE, "ceiling": 0.9, **more}
    return fit(config, data, seed=seed, **how)


def bits(result: TrialResult) -> Any:
    """All of a result but its times and where it came from."""
    weights = [[each.numpy().tobytes() for each in one.values()] for one in result.fold_weights]
    told = [each.tobytes() for each in (*result.forecasts, *result.seed_forecasts)]
    epochs = [replace(report, seconds=0.0) for report in result.epochs]
    return repr(epochs), repr(result.findings), repr(result.value), result.final_learning_rates, weights, told


def test_each_seed_ends_with_the_bits_that_it_has_alone_and_the_loss_is_the_mean(
    config: TrialConfig, folds: tuple[Dataset, ...]
) -> None:
    together, alone = trial(config, folds), [trial(config, folds, seed) for seed in SEEDS]
    for epoch, report in enumerate(together.epochs):
        losses = [one.epochs[epoch].validation_loss for one in alone]
        assert list(report.seed_losses) == losses
        assert report.validation_loss == fmean(losses)
        of_folds = np.mean([one.epochs[epoch].fold_losses for one in alone], axis=0)
        np.testing.assert_allclose(report.fold_losses, of_folds)
    last = [one for one in alone if one.best_epoch == together.best_epoch]
    assert last  # the best epoch by the mean need not be that of each seed
    for one in last:
        at = SEEDS.index(one.seed)
        mine = together.fold_weights[2 * at : 2 * at + 2]
        for kept, own in zip(mine, one.fold_weights, strict=True):
            assert all(torch.equal(kept[name], own[name]) for name in own)
        for told, own_told in zip(together.seed_forecasts, one.forecasts, strict=True):
            assert told[at].tobytes() == own_told.tobytes()
    assert (together.seed, together.seeds) == (3, SEEDS)


def test_the_best_epoch_is_that_of_the_mean(config: TrialConfig, market: Dataset) -> None:
    result = trial(config, market)
    means = [fmean(report.seed_losses) for report in result.epochs]
    assert (result.value, result.best_epoch) == (min(means), means.index(min(means)))


def test_one_seed_in_a_tuple_is_the_seed_to_the_bit(config: TrialConfig, market: Dataset) -> None:
    alone = trial(config, market, 3)
    assert bits(trial(config, market, (3,))) == bits(alone)
    assert alone.weights is not None
    assert alone.epochs[0].seed_losses == (alone.epochs[0].validation_loss,)
    assert len(alone.networks) == 1


def test_forecasts_are_the_mean_of_the_seeds_and_the_networks_are_one_of_each(
    config: TrialConfig, market: Dataset
) -> None:
    result = trial(config, market)
    (told,), (of_seeds,) = result.forecasts, result.seed_forecasts
    assert of_seeds.shape == (3, 96)
    np.testing.assert_allclose(told, of_seeds.mean(axis=0), rtol=1e-5)
    assert (result.weights, len(result.networks)) == (None, 3)
    losses = np.square(of_seeds - market.target[market.validation]).mean(axis=1)
    assert result.value == pytest.approx(losses.mean(), rel=1e-5)
    assert np.square(told - market.target[market.validation]).mean() < losses.mean()


def test_a_seed_that_becomes_unstable_makes_the_trial_unstable_and_is_named(
    config: TrialConfig, market: Dataset, lab: LearnerPatches
) -> None:
    def break_targets(learner: Any, batch: Any) -> Any:
        batch.y.fill_(math.nan)
        return pytest.MonkeyPatch.context()

    lab.faults = {STEPS + step: break_targets for step in range(2, 5)}
    found: list[Any] = []
    result = trial(config, market, on_finding=found.append)
    assert result.outcome is Outcome.UNSTABLE
    assert [(each.seed, each.fold, each.epoch, each.step) for each in found] == [
        (1, 0, 0, 2), (1, 0, 0, 3), (1, 0, 0, 4)
    ]  # fmt: skip
    assert found[0].message.startswith("seed 1: ")
    assert tuple(found) == result.findings


def test_a_leak_that_one_seed_found_makes_the_trial_suspicious_though_the_mean_does_not_show_it(
    config: TrialConfig, market: Dataset
) -> None:
    epochs = [trial(config, market, seed).epochs for seed in SEEDS]
    skills = [[report.skill for report in of_seed] for of_seed in epochs]
    best = max(max(of_seed) for of_seed in skills)
    ceiling = best - 1e-9
    assert max(map(fmean, zip(*skills, strict=True))) < ceiling
    result = trial(config, market, ceiling=ceiling)
    assert result.outcome is Outcome.SUSPICIOUS
    (finding,) = result.findings
    assert (finding.kind, finding.value) == (FindingKind.SKILL_TOO_HIGH, best)
    assert best in skills[finding.seed]
    assert finding.message.startswith(f"seed {finding.seed}: the skill")


@pytest.mark.parametrize("batch", [2, STEPS + 2, 3 * STEPS + 2, 4 * STEPS + 3])
def test_an_interrupted_trial_goes_on_to_the_bits_of_an_unbroken_one(
    config: TrialConfig, market: Dataset, tmp_path: Path, batch: int
) -> None:
    unbroken, path = trial(config, market), tmp_path / "checkpoint"
    asked = iter(range(batch))
    first = trial(config, market, checkpoint=path, should_stop=lambda: next(asked, None) is None)
    assert first.outcome is Outcome.INTERRUPTED
    again = trial(config, market, checkpoint=path)
    assert again.resumed_from == (None if batch < 3 * STEPS else 0)
    assert bits(again) == bits(unbroken)


def test_a_checkpoint_is_used_for_the_same_seeds_alone(
    config: TrialConfig, market: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint"
    trial(config, market, checkpoint=path)
    for other in (3, (3, 8), (3, 5, 8)):
        assert trial(config, market, other, checkpoint=path).resumed_from is None
        trial(config, market, checkpoint=path)


def test_a_checkpoint_from_before_there_were_seeds_is_read(
    config: TrialConfig, market: Dataset, tmp_path: Path
) -> None:
    path, unbroken = tmp_path / "checkpoint", trial(config, market, 3)
    asked = iter(range(2 * STEPS))
    trial(config, market, 3, checkpoint=path, should_stop=lambda: next(asked, None) is None)
    owner = checkpoint_identity(config, [market], baseline=BASELINE, ceiling=0.9, seeds=(3,))
    payload = CHECKPOINT_FORMAT.read(path, owner)
    CHECKPOINT_FORMAT.write(path, owner, _as_before(payload))
    resumed = trial(config, market, 3, checkpoint=path)
    assert resumed.resumed_from == 1
    assert [report.seed_losses for report in resumed.epochs[:2]] == [(), ()]
    assert bits(resumed)[2:] == bits(unbroken)[2:]


def _as_before(payload: bytes) -> bytes:
    """The file as it was written before a trial could have several seeds."""
    plain = torch.load(io.BytesIO(payload), weights_only=True)
    (plain["random"],) = plain["random"]
    reports = [json.loads(line) for line in plain["epochs"].splitlines()]
    old = [[{k: v for k, v in each.items() if k != "seed_losses"} for each in line] for line in reports]
    plain["epochs"] = "".join(f"{json.dumps(line)}\n" for line in old)
    buffer = io.BytesIO()
    torch.save(plain, buffer)
    return buffer.getvalue()


def test_a_trial_can_be_stopped_by_the_mean(config: TrialConfig, market: Dataset) -> None:
    told: list[float] = []

    def stop(report: Any) -> bool:
        told.append(report.validation_loss)
        return len(told) == 2

    result = trial(config, market, on_epoch=stop)
    assert result.outcome is Outcome.STOPPED
    assert told == [fmean(report.seed_losses) for report in result.epochs]
