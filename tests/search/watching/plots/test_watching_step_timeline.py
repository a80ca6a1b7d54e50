"""Where a finding is drawn among the steps of a trial whose folds differ in size."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from search.config.layers import Setting
from search.data.study_data import FOLD_TRAINING_ROWS
from search.watching.plots.step_timeline import fold_steps, step_timeline
from search.watching.view import study_view, trial_view
from trainer.training.batches import Batch
from trainer.training.guard import StepSignals
from trainer.training.learner import Learner

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

FIVE_FOLDS = {"method": "walk_forward", "folds": 5}
BATCH = "models.gru.batch_size"


@pytest.mark.parametrize(("epoch", "fold"), [(0, 3), (1, 4)])
def test_a_finding_of_one_of_five_folds_that_grow_is_drawn_at_its_very_step(
    write_study: "WriteStudy",
    launch: "Launch",
    monkeypatch: pytest.MonkeyPatch,
    epoch: int,
    fold: int,
) -> None:
    genuine, steps = Learner.backward, [0]
    lengths = [16, 17, 19, 21, 22]
    bad = epoch * sum(lengths) + sum(lengths[:fold]) + 3

    def backward(learner: Learner, batch: Batch) -> StepSignals:
        signals = genuine(learner, batch)
        steps[0] += 1
        return signals._replace(loss=math.nan) if steps[0] - 1 == bad else signals

    monkeypatch.setattr(Learner, "backward", backward)
    path = write_study(rows=500, data={"split": FIVE_FOLDS}, models={"gru": {"batch_size": 16}})
    done = launch(path, "study.trials=1")
    whole, view = study_view(done.store, "small"), trial_view(done.store, "small", 0)
    settings: Sequence[Sequence[Setting]] = (whole.settings, view.settings)
    for each in settings:
        of_folds = fold_steps(view.study, view.trial, each)
        assert list(of_folds) == lengths
        timeline = step_timeline(view.epochs, view.findings, of_folds)
        assert [(step, found.fold, found.epoch) for step, found in timeline.marks] == [(bad, fold, epoch)]
        ((step, _),) = step_timeline([], view.findings, of_folds).marks
        assert step == bad, "it is drawn there also before its epoch is on record"


def test_shorter_windows_and_larger_batches_change_the_steps_of_a_fold(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    space = {"data.seq_len": {"low": 3, "high": 9}, BATCH: {"choices": [16, 32]}}
    path = write_study(rows=500, data={"split": FIVE_FOLDS}, space=space)
    done = launch(path, "study.trials=3")
    assert len({tuple(trial.params.items()) for trial in done.trials}) > 1
    for trial in done.trials:
        view = trial_view(done.store, "small", trial.number)
        steps = fold_steps(view.study, trial, view.settings)
        assert [sum(steps)] * len(view.epochs) == [each.steps + each.skipped_steps for each in view.epochs]


def test_a_study_from_before_the_rows_of_each_fold_were_recorded_has_no_steps_of_folds(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    view = trial_view(launch(write_study(), "study.trials=1").store, "small", 0)
    assert fold_steps(view.study, view.trial, view.settings) != ()
    del view.study.facts[FOLD_TRAINING_ROWS]
    assert fold_steps(view.study, view.trial, view.settings) == ()
