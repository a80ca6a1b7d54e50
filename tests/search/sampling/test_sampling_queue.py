"""Configurations that somebody asks for: tried first, clamped before they run, and never silently changed."""

from typing import TYPE_CHECKING, Any

import optuna
import pytest

from search.config.layers import Setting
from search.record.row_mapping import settings_from_rows
from search.workers.consistency import inconsistencies
from storage import query
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, Launched, WriteStudy

LR = "models.gru.learning_rate"


def _setting(done: "Launched", trial: int, key: str = LR) -> Setting:
    settings = settings_from_rows(query.setting_layers(done.store, "small", trial))
    return next(setting for setting in settings if setting.key == key)


@pytest.mark.slow
def test_what_the_study_file_enqueues_is_tried_first_and_clamped(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(study={"enqueue": [{LR: 0.002}, {LR: 0.5}], "trials": 3}))
    assert [row.params[LR] for row in done.trials[:2]] == [0.002, 0.01]
    clamps = {clamp.key: clamp for clamp in query.clamps(done.store, "small")}
    assert clamps[f"study.enqueue[1].{LR}"].declared == 0.5
    assert _setting(done, 0).reason == "asked for in the queue"


@pytest.mark.slow
def test_a_value_enqueued_through_optuna_is_clamped_before_it_runs(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    path = write_study()
    first = launch(path, "study.trials=1")
    first.study.optuna.enqueue_trial({LR: 7.0})
    done = launch(path, "study.trials=2")
    row = done.trials[1]
    assert (row.verdict, row.params) == (Verdict.ACCEPTED, {LR: 0.01})
    assert done.study.optuna.trials[1].params == {LR: 0.01}
    setting = _setting(done, 1)
    assert setting.layer == "clamp"
    assert [override.requested for override in setting.overrides if override.layer == "sampled"][-1] == 7.0
    assert setting.value == 0.01
    assert "at most 0.01" in setting.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({LR: 0.002, "models.gru.lerning_rate": 1}, "models.gru.lerning_rate is not in the space"),
        ({"models.gru.dropout": 0.1}, "models.gru.dropout is not in the space"),
        ({LR: "fast"}, "models.gru.learning_rate is the text 'fast'"),
        ({LR: -1.0}, "models.gru.learning_rate is -1.0: it must be greater than 0"),
    ],
)
def test_what_cannot_be_done_fails_its_trial_with_a_sentence_and_the_study_goes_on(
    write_study: "WriteStudy", launch: "Launch", asked: dict[str, Any], named: str
) -> None:
    path = write_study()
    launch(path, "study.trials=1").study.optuna.enqueue_trial(asked)
    done = launch(path, "study.trials=2")
    refused, after = done.trials[1:]
    assert (refused.verdict, refused.reasons) == (Verdict.FAILED, ["override_not_applied"])
    assert refused.message is not None
    assert named in refused.message
    assert "enqueue it again" in refused.message
    assert after.verdict is Verdict.ACCEPTED
    assert done.study.optuna.trials[1].state is optuna.trial.TrialState.FAIL
    assert inconsistencies(done.store) == []


def test_an_interrupted_clamped_configuration_still_says_what_was_asked_for(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    path = write_study(study={"trials": 1})
    launch(path, should_stop=lambda: True).study.optuna.enqueue_trial({LR: 7.0})
    asks = iter(range(100))
    launch(path, should_stop=lambda: next(asks) >= 3)
    done = launch(path, "study.trials=2")
    assert [row.verdict for row in done.trials[:2]] == [Verdict.INTERRUPTED, Verdict.ACCEPTED]
    assert done.trials[1].params == {LR: 0.01}
    overrides = _setting(done, 1).overrides
    assert [override.requested for override in overrides if override.layer == "sampled"][-1] == 7.0


def test_a_queue_that_leaves_some_dimensions_open_has_the_sampler_fill_them(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    space = {LR: {"low": 1e-3, "high": 1e-2}, "models.gru.dropout": {"low": 0.1, "high": 0.4}}
    done = launch(write_study(study={"enqueue": [{LR: 0.002}], "trials": 1}, space=space))
    (row,) = done.trials
    assert row.params[LR] == 0.002
    assert 0.1 <= row.params["models.gru.dropout"] <= 0.4
