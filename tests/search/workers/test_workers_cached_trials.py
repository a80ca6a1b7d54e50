"""A configuration that was tried before is not trained again, and says so."""

from typing import TYPE_CHECKING, Any

import pytest
from optuna.trial import TrialState

from search.workers.consistency import inconsistencies
from storage import query
from storage.check import check_store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

pytestmark = pytest.mark.slow

ONE_POINT = {"models.gru.hidden_size": {"choices": [4]}}


def study(**changes: Any) -> dict[str, Any]:
    return {
        "study": {"trials": 3, "sampler": "random", "startup_trials": None, **changes},
        "space": ONE_POINT,
    }


def test_a_configuration_tried_before_gets_its_result_again(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(**study()))
    first, *copies = done.trials
    assert [copy.source_trial for copy in copies] == [0, 0]
    for copy in copies:
        assert (copy.value, copy.skill, copy.seed) == (first.value, first.skill, first.seed)
        assert copy.reasons == ["duplicate"]
        assert copy.message is not None
        assert copy.message.startswith("same configuration as trial 0, whose result this is: ")
        losses = [epoch.validation_loss for epoch in query.epochs(done.store, "small", copy.number)]
        assert losses == [epoch.validation_loss for epoch in query.epochs(done.store, "small", 0)]
    assert [trial.state for trial in done.study.optuna.trials] == [TrialState.COMPLETE] * 3
    assert done.study.optuna.trials[1].intermediate_values == done.study.optuna.trials[0].intermediate_values
    assert inconsistencies(done.store) == []
    assert check_store(done.store) == []


def test_copies_count_so_that_a_small_space_comes_to_an_end(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    done = launch(write_study(**study()))
    assert (done.end.done, len(done.trials)) == (3, 3)


def test_the_best_is_the_trial_that_was_trained(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(**study()))
    best = query.best_trial(done.store, "small")
    assert best is not None
    assert best.number == 0


def test_rerun_trains_it_again_with_another_seed(write_study: "WriteStudy", launch: "Launch") -> None:
    done = launch(write_study(**study(duplicates="rerun")))
    assert [row.source_trial for row in done.trials] == [None] * 3
    assert len({row.seed for row in done.trials}) == 3
    assert len({row.value for row in done.trials}) == 3


def test_a_trial_that_died_is_no_duplicate_of_itself(write_study: "WriteStudy", launch: "Launch") -> None:
    path = write_study(**study(trials=1))
    launch(path, should_stop=iter([False, True, True, True]).__next__)
    done = launch(path)
    assert [row.verdict for row in done.trials] == [Verdict.INTERRUPTED, Verdict.ACCEPTED]
    assert done.trials[1].source_trial is None


def test_a_trial_that_its_time_limit_ended_is_not_copied(write_study: "WriteStudy", launch: "Launch") -> None:
    point: dict[str, Any] = {
        "study": {"sampler": "random", "startup_trials": None},
        "space": {"models.gru.hidden_size": {"choices": [4]}},
    }
    path = write_study(**point)
    launch(path, "study.trials=1", "training.max_seconds=1e-9")
    done = launch(path, "study.trials=3")
    assert [row.reasons for row in done.trials] == [["max_seconds"], [], ["duplicate"]]
    assert done.trials[2].source_trial == 1
