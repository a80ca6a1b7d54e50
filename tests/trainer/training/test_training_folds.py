"""Folds of one trial, side by side: what is told of them, what one does to another; and refitting."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from benchmarks.market import SP500
from trainer.config import DataConfig, TrialConfig
from trainer.data.source import Table
from trainer.data.windows import Dataset, prepare_folds, prepare_refit
from trainer.inference.forecaster import build_forecaster, forecast_windows, stack_windows
from trainer.losses import MSE
from trainer.rivals.baselines import mean_baseline_losses
from trainer.rivals.skill import Baseline, best_baseline
from trainer.training.batches import Batch
from trainer.training.learner import Learner
from trainer.training.loop import fit, refit
from trainer.training.result import Action, FindingKind, Outcome, TrialResult

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import LearnerPatches, MakeConfig

FOLDS = 3
STEPS = 5
"""Updates of a fold in an epoch: 160 rows in batches of 32."""
WALK = DataConfig.model_validate(
    {**SP500, "seq_len": 8, "split": {**SP500["split"], "method": "walk_forward", "folds": FOLDS}}
)


@pytest.fixture(scope="module")
def whole(prices: Table) -> tuple[Dataset, ...]:
    return prepare_folds(WALK, prices)


@pytest.fixture
def folds(whole: tuple[Dataset, ...]) -> tuple[Dataset, ...]:
    """Of each fold the last 160 training rows and the first 96 that are held out; targets of its own."""
    return tuple(
        replace(data, target=data.target.copy(), train=data.train[-160:], validation=data.validation[:96])
        for data in whole
    )


@pytest.fixture
def config(settings_of: MakeConfig) -> TrialConfig:
    """Two layers and dropout, for every source of chance; a bad step cuts the rate by a fifth."""
    gru = {"num_layers": 2, "dropout": 0.3, "learning_rate": 5e-3}
    return settings_of(gru=gru, training={"epochs": 3}, guard={"lr_cut": 0.8})


def trial(config: TrialConfig, folds: Any, **more: Any) -> TrialResult:
    others: dict[str, Any] = {"baseline": Baseline("made up", 1.0), "ceiling": 0.9, "seed": 3}
    return fit(config, folds, **others | more)


def bits(result: TrialResult) -> tuple[Any, ...]:
    """All of a result but its times and where it came from, forecasts and weights as bytes."""
    weights = {name: weight.numpy().tobytes() for name, weight in (result.weights or {}).items()}
    told = replace(
        result,
        epochs=tuple(replace(report, seconds=0.0) for report in result.epochs),
        seconds=0.0,
        resumed_from=None,
        weights=None,
        forecasts=(),
    )
    return repr(told), weights, [each.tobytes() for each in result.forecasts]


def losses_of(result: TrialResult, fold: int) -> list[float]:
    return [report.fold_losses[fold] for report in result.epochs]


@contextmanager
def broken_targets(learner: Learner, batch: Batch) -> Iterator[None]:
    batch.y.fill_(math.nan)
    yield


def steps_of(epoch: int, fold: int, folds: int = FOLDS) -> range:
    """Updates of a fold in an epoch, counted over all folds from the trial's first."""
    first = (epoch * folds + fold) * STEPS
    return range(first, first + STEPS)


def test_a_trials_value_is_the_lowest_mean_over_its_folds(
    config: TrialConfig, folds: tuple[Dataset, ...]
) -> None:
    baseline = best_baseline(mean_baseline_losses(folds, MSE))
    result = trial(config, folds, baseline=baseline)
    means = [fmean(report.fold_losses) for report in result.epochs]
    assert [report.validation_loss for report in result.epochs] == means
    assert (result.value, result.best_epoch) == (min(means), means.index(min(means)))
    assert result.skill == 1 - min(means) / baseline.loss
    assert {len(report.fold_losses) for report in result.epochs} == {FOLDS}
    assert [report.steps for report in result.epochs] == [FOLDS * STEPS] * 3


def test_the_best_epoch_is_one_for_all_folds_though_one_alone_was_better_in_another(
    config: TrialConfig, folds: tuple[Dataset, ...]
) -> None:
    odd = folds[2]
    odd.target[odd.validation] *= -1  # the more it learns, the worse it is
    result = trial(config, folds)
    own_best = [int(np.argmin(losses_of(result, fold))) for fold in range(FOLDS)]
    assert len(set(own_best)) > 1
    assert result.best_epoch is not None
    best = result.epochs[result.best_epoch]
    for data, told, loss in zip(folds, result.forecasts, best.fold_losses, strict=True):
        assert np.mean((told - data.target[data.validation]) ** 2) == pytest.approx(loss, rel=1e-5)


def test_forecasts_are_one_array_a_fold_and_no_weights_are_the_trials(
    config: TrialConfig, folds: tuple[Dataset, ...]
) -> None:
    result = trial(config, folds)
    assert [(told.shape, str(told.dtype)) for told in result.forecasts] == [((96,), "float32")] * FOLDS
    assert result.weights is None
    assert len(result.final_learning_rates) == FOLDS


def test_a_fold_alone_in_a_tuple_is_the_dataset_to_the_bit(
    config: TrialConfig, folds: tuple[Dataset, ...]
) -> None:
    alone = trial(config, folds[0])
    assert bits(trial(config, folds[:1])) == bits(alone)
    assert alone.weights is not None
    assert alone.epochs[0].fold_losses == (alone.epochs[0].validation_loss,)


def test_the_same_folds_give_the_same_bits_and_another_order_others(
    config: TrialConfig, folds: tuple[Dataset, ...]
) -> None:
    result = trial(config, folds)
    assert bits(result) == bits(trial(config, folds))
    assert losses_of(result, 0) != losses_of(trial(config, folds[::-1]), 2)


@pytest.mark.slow
@hypothesis_settings(
    max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(killed_at=st.integers(STEPS * FOLDS, STEPS * FOLDS * 3 - 1))
def test_a_trial_that_was_killed_in_any_fold_goes_on_to_the_same_bits(
    config: TrialConfig, folds: tuple[Dataset, ...], tmp_path_factory: pytest.TempPathFactory, killed_at: int
) -> None:
    target = folds[1].target.copy()
    target[folds[1].train[-100]] = math.nan  # a step of each epoch is skipped, and its rate cut
    broken = (folds[0], replace(folds[1], target=target), folds[2])
    path: Path = tmp_path_factory.mktemp("killed") / "trial"
    asked = iter(range(killed_at + 1))

    def at_last() -> bool:
        return next(asked) == killed_at

    halted = trial(config, broken, checkpoint=path, should_stop=at_last)
    assert halted.outcome is Outcome.INTERRUPTED
    resumed = trial(config, broken, checkpoint=path)
    assert resumed.resumed_from == killed_at // (STEPS * FOLDS) - 1
    assert bits(resumed) == bits(trial(config, broken))


def test_a_checkpoint_of_other_folds_is_another_trials(
    config: TrialConfig, whole: tuple[Dataset, ...], folds: tuple[Dataset, ...], tmp_path: Path
) -> None:
    trial(config, folds, checkpoint=tmp_path / "trial")
    assert trial(config, folds[:2], checkpoint=tmp_path / "trial").resumed_from is None


def test_a_skipped_step_cuts_the_rate_of_its_fold_alone_and_the_finding_names_it(
    settings_of: MakeConfig, folds: tuple[Dataset, ...]
) -> None:
    config = settings_of(guard={"lr_cut": 0.5})
    sound = trial(config, folds)
    folds[1].target[folds[1].train[-100]] = math.nan
    result = trial(config, folds)
    assert {finding.fold for finding in result.findings} == {1}
    assert {finding.kind for finding in result.findings} == {FindingKind.NONFINITE_TARGET}
    assert all(finding.message.startswith("fold 1: ") for finding in result.findings)
    assert result.final_learning_rates == (1e-3, 1e-3 / 4, 1e-3)
    assert [report.skipped_steps for report in result.epochs] == [1, 1]
    assert [report.learning_rate for report in result.epochs] == [1e-3 / 2, 1e-3 / 4]
    for fold in (0, 2):
        assert losses_of(result, fold) == losses_of(sound, fold)
    assert losses_of(result, 1) != losses_of(sound, 1)


def test_a_fold_that_rewinds_leaves_the_others_where_they_are(
    settings_of: MakeConfig, folds: tuple[Dataset, ...], lab: LearnerPatches
) -> None:
    config = settings_of(guard={"rewinds": 1})
    sound = trial(config, folds)
    lab.states.clear()
    lab.faults = dict.fromkeys(steps_of(1, fold=1)[:3], broken_targets)
    result = trial(config, folds)
    assert [(f.fold, f.action) for f in result.findings] == [
        (1, Action.SKIP_AND_CUT),
        (1, Action.SKIP_AND_CUT),
        (1, Action.REWIND),
    ]
    assert result.final_learning_rates == (1e-3, 1e-3 / 2, 1e-3)
    for fold in (0, 2):
        assert losses_of(result, fold) == losses_of(sound, fold)


def test_every_fold_has_its_own_rewinds(
    settings_of: MakeConfig, folds: tuple[Dataset, ...], lab: LearnerPatches
) -> None:
    config = settings_of(guard={"rewinds": 1})
    lab.faults = dict.fromkeys([*steps_of(1, fold=0)[:3], *steps_of(1, fold=2)[:3]], broken_targets)
    result = trial(config, folds)
    rewound = [finding.fold for finding in result.findings if finding.action is Action.REWIND]
    assert (rewound, result.outcome) == ([0, 2], Outcome.FINISHED)


def test_one_fold_that_is_given_up_ends_the_trial_without_a_value_of_that_epoch(
    settings_of: MakeConfig, folds: tuple[Dataset, ...], lab: LearnerPatches
) -> None:
    lab.faults = dict.fromkeys(steps_of(1, fold=2)[:3], broken_targets)
    result = trial(settings_of(), folds)
    assert (result.outcome, len(result.epochs), result.best_epoch) == (Outcome.UNSTABLE, 1, 0)
    assert result.findings[-1].fold == 2
    assert [told.shape for told in result.forecasts] == [(96,)] * FOLDS


@pytest.mark.parametrize("fold", range(FOLDS))
def test_the_fold_whose_loss_is_broken_is_named_and_no_other(
    settings_of: MakeConfig, folds: tuple[Dataset, ...], fold: int
) -> None:
    folds[fold].target[folds[fold].validation[7]] = math.nan
    (finding,) = (result := trial(settings_of(), folds)).findings
    assert (finding.fold, finding.kind) == (fold, FindingKind.NONFINITE_TARGET)
    assert finding.message.startswith(f"fold {fold}: ")
    assert finding.cell is not None
    assert (result.outcome, result.value, result.forecasts) == (Outcome.UNSTABLE, None, ())


def test_a_skill_that_is_too_high_is_that_of_all_folds(
    settings_of: MakeConfig, folds: tuple[Dataset, ...]
) -> None:
    result = trial(settings_of(), folds, ceiling=-9.0)
    (finding,) = result.findings
    assert (result.outcome, finding.kind) == (Outcome.SUSPICIOUS, FindingKind.SKILL_TOO_HIGH)
    assert finding.message.startswith("the skill over the best naive forecast")


def test_what_one_fold_alone_used_is_read_back(
    settings_of: MakeConfig, folds: tuple[Dataset, ...], lab: LearnerPatches
) -> None:
    @contextmanager
    def with_another_rate(learner: Learner, batch: Batch) -> Iterator[None]:
        learner.lr = 0.5
        yield

    lab.faults = {steps_of(0, fold=1)[0]: with_another_rate}
    assert trial(settings_of(), folds).effective["models.gru.learning_rate"] == 0.5


def test_an_epoch_that_is_cut_short_in_its_last_fold_counts_in_none(
    settings_of: MakeConfig, folds: tuple[Dataset, ...]
) -> None:
    asked = iter(range(1000))
    last = steps_of(1, fold=2)[-1]
    result = trial(settings_of(), folds, should_stop=lambda: next(asked) == last)
    assert (result.outcome, len(result.epochs)) == (Outcome.INTERRUPTED, 1)
    assert bits(result)[2] == bits(trial(settings_of(training={"epochs": 1}), folds))[2]


@pytest.fixture
def final(prices: Table) -> Dataset:
    """Train and validation as training rows, of which the last 160 are kept."""
    data = prepare_refit(WALK, prices)
    return replace(data, target=data.target.copy(), train=data.train[-160:])


def test_refitting_reads_no_target_of_the_test_rows(config: TrialConfig, final: Dataset) -> None:
    sound = refit(config, final, epochs=2, seed=3)
    final.target[final.test] = math.nan
    poisoned = refit(config, final, epochs=2, seed=3)
    assert (poisoned.outcome, poisoned.findings) == (Outcome.FINISHED, ())
    assert sound.forecasts is not None
    assert poisoned.forecasts is not None
    assert poisoned.forecasts.tobytes() == sound.forecasts.tobytes()
    assert bool(np.isfinite(sound.forecasts).all())


def test_forecasts_of_a_refit_are_those_of_its_weights(config: TrialConfig, final: Dataset) -> None:
    result = refit(config, final, epochs=2, seed=3)
    assert result.weights is not None
    assert result.forecasts is not None
    model = build_forecaster(config.models.gru, final.features.shape[1], result.weights)
    again = forecast_windows(model, stack_windows(final, final.test))
    np.testing.assert_allclose(result.forecasts, again, atol=1e-6)
    assert len(again) == len(final.test)


def test_a_refit_has_the_weights_that_a_trial_has_after_as_many_epochs(
    config: TrialConfig, folds: tuple[Dataset, ...]
) -> None:
    validated = trial(config, folds[0])
    assert validated.best_epoch is not None
    assert validated.weights is not None
    result = refit(config, folds[0], epochs=validated.best_epoch + 1, seed=3)
    assert result.weights is not None
    for name, weight in validated.weights.items():
        assert result.weights[name].numpy().tobytes() == weight.numpy().tobytes()


def test_a_refit_rewinds_to_its_last_epoch_and_not_to_its_start(
    settings_of: MakeConfig, final: Dataset, lab: LearnerPatches
) -> None:
    faulty = steps_of(1, fold=0, folds=1)
    lab.faults = dict.fromkeys(faulty[:3], broken_targets)
    result = refit(settings_of(guard={"rewinds": 1}), final, epochs=2, seed=0)
    assert [finding.action for finding in result.findings][-1] is Action.REWIND
    before, after = lab.states[faulty[0]], lab.states[faulty[3]]
    assert all(one.equal(other) for one, other in zip(before, after, strict=True))
    assert not lab.states[0][0].equal(after[0])


def test_a_refit_that_breaks_has_no_forecasts_and_says_why(
    settings_of: MakeConfig, final: Dataset, lab: LearnerPatches
) -> None:
    lab.faults = dict.fromkeys(steps_of(0, fold=0, folds=1)[:3], broken_targets)
    result = refit(settings_of(), final, epochs=2, seed=0)
    assert (result.outcome, result.forecasts, result.weights) == (Outcome.UNSTABLE, None, None)
    assert result.findings[-1].message
