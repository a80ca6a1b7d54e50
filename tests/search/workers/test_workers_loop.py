"""The worker from end to end: every verdict, every sampler and pruner, and what Optuna learns of it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import torch
from optuna.trial import TrialState

from search.errors import AnswerIsNo
from search.record.row_mapping import settings_from_rows
from search.selection.choice import best_trials
from search.selection.summary import summarise
from search.signals import StopRequest
from search.workers import objective
from search.workers.consistency import inconsistencies
from storage import query
from storage.verdicts import Verdict
from trainer.training.batches import Batch
from trainer.training.guard import StepSignals
from trainer.training.learner import Learner

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow

LR = "models.gru.learning_rate"
GRID = {LR: {"choices": [1e-3, 3e-3]}, "models.gru.dropout": {"low": 0.0, "high": 0.1, "step": 0.1}}
TWO_FLOATS = {LR: {"low": 1e-3, "high": 1e-2, "log": True}, "models.gru.dropout": {"low": 0.0, "high": 0.4}}
MIXED = {
    **TWO_FLOATS,
    "models.gru.hidden_size": {"choices": [4, 8]},
    "models.gru.num_layers": {"low": 1, "high": 2},
}


class Poison:
    """Turns the loss of the n-th training steps of a process into NaN, before the guard sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
        self.count = 0
        genuine = Learner.backward

        def backward(learner: Learner, batch: Batch) -> StepSignals:
            signals = genuine(learner, batch)
            self.count += 1
            return signals._replace(loss=math.nan) if self.count - 1 in steps else signals

        monkeypatch.setattr(Learner, "backward", backward)


def test_an_honest_trial_is_accepted_and_optuna_gets_its_value(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(), "study.trials=1")
    (row,), (told,) = done.trials, done.study.optuna.trials
    assert row.verdict is Verdict.ACCEPTED
    assert (told.state, told.value) == (TrialState.COMPLETE, row.value)
    assert list(told.intermediate_values.values()) == [
        epoch.validation_loss for epoch in query.epochs(done.store, "small", 0)
    ]
    assert row.value == min(told.intermediate_values.values())


def test_a_pruned_trial_is_unpromising(write_study: "WriteStudy", launch: "Launch") -> None:
    rates = [1e-2, 1e-2, 1e-5]
    path = write_study(
        study={
            "pruner": "median",
            "pruner_warmup": 0,
            "pruner_min_trials": 2,
            "trials": 3,
            "enqueue": [{LR: rate} for rate in rates],
        },
        space={LR: {"low": 1e-5, "high": 1e-2, "log": True}},
        training={"epochs": 4},
        models={"gru": {"init": "torch", "batch_size": 16}},
    )
    done = launch(path)
    row = done.trials[2]
    assert (row.verdict, row.reasons) == (Verdict.UNPROMISING, ["pruned"])
    assert row.epochs < 4
    told = done.study.optuna.trials[2]
    assert told.state is TrialState.PRUNED
    assert max(told.constraints.values()) <= 0


def test_the_pruner_of_a_long_trial_is_asked_in_every_hundredth_of_it() -> None:
    asked = [epoch for epoch in range(10_000) if objective.asks_pruner(epoch)]
    assert asked[:200] == list(range(200))
    assert len(asked) < 700
    assert max((after - before) / before for before, after in pairwise(asked[1:]) if before >= 100) <= 0.02


def test_a_trial_that_keeps_failing_its_steps_is_unstable_and_repels(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    Poison(monkeypatch, *range(100))
    done = launch(write_study(), "study.trials=1")
    (row,), (told,) = done.trials, done.study.optuna.trials
    assert (row.verdict, row.reasons) == (Verdict.UNSTABLE, ["nonfinite_loss", "frozen"])
    assert row.value is None
    assert told.state is TrialState.PRUNED
    assert told.intermediate_values == {}
    assert max(told.constraints.values()) > 0
    findings = query.findings(done.store, "small", 0)
    actions = [finding.action for finding in findings]
    assert actions[:3] == ["skip_and_cut", "skip_and_cut", "rewind"]
    assert actions[-1] == "stop"
    assert math.isnan(findings[0].value)


def test_a_leak_that_the_audit_sees_is_never_trained_on(write_study: "WriteStudy", launch: "Launch") -> None:
    with pytest.raises(AnswerIsNo, match=r"peek: a ridge regression reaches skill 0\.99"):
        launch(write_study(leak=True, audited=True))


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_a_leak_is_suspicious_and_its_value_goes_nowhere(
    write_study: "WriteStudy", launch: "Launch", sampler: str
) -> None:
    done = launch(write_study(leak=True, study={"sampler": sampler}), "study.trials=1")
    (row,), (told,) = done.trials, done.study.optuna.trials
    ceiling = done.study.data.ceiling
    assert (row.verdict, row.reasons) == (Verdict.SUSPICIOUS, ["skill_too_high"])
    honest = [epoch.validation_loss for epoch in query.epochs(done.store, "small", 0)]
    assert list(told.intermediate_values.values()) == honest
    assert all(1 - loss / done.study.data.baseline.loss <= ceiling for loss in honest)
    assert max(told.constraints.values()) > 0
    if sampler == "gp":
        assert told.state is TrialState.COMPLETE
        assert told.value is not None
        assert told.value > done.study.data.baselines["train_mean"]
    else:
        assert told.state is TrialState.PRUNED
    assert summarise(done.store, "small").best is None
    with pytest.raises(AnswerIsNo, match="no accepted trial to export"):
        best_trials(done.store, "small", 1)


@contextmanager
def _autocast() -> Iterator[None]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield


def test_a_setting_that_does_not_take_effect_fails_the_trial(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = Learner._read_back

    def lies(learner: Learner, batch: Batch) -> dict[str, Any]:
        return {**genuine(learner, batch), "models.gru.dropout": 0.5}

    monkeypatch.setattr(Learner, "_read_back", lies)
    with pytest.raises(
        AnswerIsNo, match=r"3 configurations failed in a row, the last with: models\.gru\.dropout was to be"
    ):
        launch(write_study(), "study.trials=9")


@pytest.mark.slow
def test_mixed_precision_that_somebody_switches_on_around_us_is_seen(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    path = write_study()
    with (
        _autocast(),
        pytest.raises(AnswerIsNo, match=r"training\.mixed_precision was to be False, the trainer used True"),
    ):
        launch(path)
    after = launch(path, "study.trials=1")
    assert [row.verdict for row in after.trials] == [*[Verdict.FAILED] * 3, Verdict.ACCEPTED]
    assert after.trials[0].reasons == ["override_not_applied"]
    assert after.study.optuna.trials[0].state is TrialState.FAIL
    assert inconsistencies(after.store) == []


@pytest.mark.slow
def test_a_crash_fails_the_trial_and_its_parameters_are_tried_again(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes = iter([RuntimeError("the device is gone")])
    genuine = objective._fit

    def fit(*arguments: Any) -> Any:
        for crash in crashes:
            raise crash
        return genuine(*arguments)

    monkeypatch.setattr(objective, "_fit", fit)
    done = launch(write_study(), "study.trials=1")
    failed, again = done.trials
    assert (failed.verdict, failed.reasons) == (Verdict.FAILED, ["crashed"])
    assert failed.message == "RuntimeError: the device is gone"
    assert (again.verdict, again.retry_of) == (Verdict.ACCEPTED, 0)
    assert (again.params, again.seed) == (failed.params, failed.seed)


@pytest.mark.slow
def test_an_interrupted_trial_comes_back_with_its_parameters_and_seed(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stop = write_study(), StopRequest()
    asks = iter(range(1000))
    first = launch(path, should_stop=lambda: next(asks) >= 3)
    assert first.end.reason == "it was interrupted"
    (cut,) = first.trials
    assert (cut.verdict, cut.reasons, cut.value) == (Verdict.INTERRUPTED, ["signal"], None)
    assert first.study.optuna.trials[0].state is TrialState.FAIL
    second = launch(path, should_stop=stop)
    assert [row.verdict for row in second.trials] == [Verdict.INTERRUPTED, Verdict.ACCEPTED, Verdict.ACCEPTED]
    again = second.trials[1]
    assert (again.params, again.seed, again.retry_of) == (cut.params, cut.seed, 0)
    assert inconsistencies(second.store) == []


def test_a_resumed_trial_that_is_stopped_while_it_tells_old_epochs_has_all_of_them_on_record(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(training={"epochs": 8, "patience": 8})
    genuine = objective._record
    told: list[int] = []

    def record(*what: Any) -> None:
        told.append(what[2].epoch)
        genuine(*what)

    monkeypatch.setattr(objective, "_record", record)
    launch(path, should_stop=lambda: len(told) >= 4)
    told.clear()
    done = launch(path, should_stop=lambda: len(told) >= 2)
    assert told == [0, 1]
    assert [(row.verdict, row.epochs) for row in done.trials] == [(Verdict.INTERRUPTED, 4)] * 2
    first, again = (query.epochs(done.store, "small", number) for number in (0, 1))
    assert [epoch.epoch for epoch in again] == [0, 1, 2, 3]
    assert [epoch.validation_loss for epoch in again] == [epoch.validation_loss for epoch in first]
    assert inconsistencies(done.store) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "pruner", "space"),
    [
        ("tpe", "median", MIXED),
        ("random", "hyperband", MIXED),
        ("gp", "patient", MIXED),
        ("cmaes", "none", TWO_FLOATS),
        ("cmaes", "median", MIXED),
        ("qmc", "none", MIXED),
    ],
)
def test_every_sampler_and_pruner_runs_without_a_warning(
    write_study: "WriteStudy", launch: "Launch", sampler: str, pruner: str, space: dict[str, Any]
) -> None:
    learns = sampler in ("tpe", "gp", "cmaes")  # the others have no start-up phase
    section = {"sampler": sampler, "pruner": pruner, "trials": 4, "startup_trials": 2 if learns else None}
    done = launch(write_study(study=section, space=space))
    assert done.end.done == 4
    assert {row.verdict for row in done.trials} <= {Verdict.ACCEPTED, Verdict.UNPROMISING}
    assert inconsistencies(done.store) == []


def test_a_grid_tries_every_point_once_and_ends(write_study: "WriteStudy", launch: "Launch") -> None:
    path = write_study(study={"sampler": "grid", "startup_trials": None}, space=GRID)
    done = launch(path, "study.trials=9")
    assert done.end.reason == "every point of the grid has been tried"
    points = {(row.params[LR], row.params["models.gru.dropout"]) for row in done.trials}
    assert len(done.trials) == len(points) == 4
    assert launch(path, "study.trials=9").end.done == 4


def test_an_interrupted_point_of_a_grid_is_tried_before_the_grid_ends(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    space = {LR: {"choices": [1e-3, 3e-3]}}
    path = write_study(study={"sampler": "grid", "startup_trials": None}, space=space)
    asks = iter(range(1000))
    launch(path, "study.trials=9", should_stop=lambda: next(asks) >= 14)  # in the second of the two trials
    done = launch(path, "study.trials=9")
    assert [row.verdict for row in done.trials] == [Verdict.ACCEPTED, Verdict.INTERRUPTED, Verdict.ACCEPTED]
    assert done.trials[2].params == done.trials[1].params


def test_no_trial_starts_after_the_timeout(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(), "study.timeout=0.0001")
    assert (done.trials, done.end.reason) == ([], "the time is up")


def test_the_guard_cuts_the_learning_rate_and_the_cut_is_the_topmost_layer(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    Poison(monkeypatch, 1)
    done = launch(write_study(), "study.trials=1")
    (row,) = done.trials
    assert row.verdict is Verdict.ACCEPTED
    stacks = query.setting_layers(done.store, "small", 0)
    (setting,) = [s for s in settings_from_rows(stacks) if s.key == LR]
    sampled = row.params[LR]
    assert [act.layer for act in setting.overrides] == ["default", "base", "sampled", "sampled", "guard"]
    assert (setting.requested, setting.value) == (sampled, pytest.approx(sampled / 10))
    assert setting.origin == "guard: nonfinite_loss at epoch 0, step 1"


def test_a_trial_that_takes_too_long_is_unpromising_and_says_why(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(study={"trials": 1}, training={"max_seconds": 1e-9}))
    (row,), (told,) = done.trials, done.study.optuna.trials
    assert (row.verdict, row.reasons) == (Verdict.UNPROMISING, ["max_seconds"])
    assert row.message is not None
    assert "by training.max_seconds = 1e-09" in row.message
    assert told.state is TrialState.PRUNED


def test_the_time_of_a_study_is_up_between_two_trials(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(study={"trials": 50, "timeout": 1e-9}))
    assert (done.end.done, done.end.reason) == (0, "the time is up")


def test_a_search_that_gets_no_better_ends(write_study: "WriteStudy", launch: "Launch") -> None:
    stop = {"no_better_for": 2, "min_delta": 100.0}
    done = launch(write_study(study={"trials": 50, "stop": stop}))
    assert done.end.done == 3
    assert done.end.reason.startswith("no loss better by 100 in the last 2 trials: ")
    assert done.end.reason.endswith("of trial 0 stands")


@pytest.mark.slow
def test_random_trials_are_the_same_however_often_the_run_is_broken_off(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    path = write_study(study={"trials": 4, "sampler": "random", "startup_trials": None})
    whole = launch(path).trials
    for trials in (1, 2, 4):
        parts = launch(path, "study.name=parts", f"study.trials={trials}").trials
    assert [(row.params, row.value) for row in parts] == [(row.params, row.value) for row in whole]


def test_one_configuration_that_always_fails_does_not_end_the_study(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = {"models.gru.learning_rate": 0.005}
    genuine = objective._fit

    def crash(context: Any, trial: Any, *rest: Any) -> Any:
        if trial.params == poison:
            raise RuntimeError("no memory for it")
        return genuine(context, trial, *rest)

    monkeypatch.setattr(objective, "_fit", crash)
    done = launch(write_study(study={"trials": 2, "enqueue": [poison]}))
    assert [row.verdict for row in done.trials] == [Verdict.FAILED] * 3 + [Verdict.ACCEPTED] * 2


def test_imported_trials_do_not_count_as_done(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", caplog: pytest.LogCaptureFixture
) -> None:
    path = write_study(study={"trials": 1})
    launch(path)
    ran = ballast("run", path, "--name", "next", "--continue-from", "small")
    assert "0 of 1 trials are done" in caplog.text
    assert "1 of 1 trials: nothing is left to do." in ran.out
