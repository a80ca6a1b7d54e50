"""Trials that end while a worker takes them over, or that another program ends in Optuna."""

from typing import TYPE_CHECKING, Any

import pytest
from optuna.trial import TrialState

from search.study import backend
from search.workers import objective
from search.workers.consistency import inconsistencies
from search.workers.recovery import recover_trials
from storage import query, record
from storage.check import check_store
from storage.verdicts import Verdict
from tests.search.killed_runs import killed_at

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

ELSEWHERE = "another-host-00000000:7:7"


@pytest.mark.slow
def test_an_owner_that_ends_its_trial_while_it_is_taken_over_keeps_its_verdict(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    with killed_at(monkeypatch, backend, "conclude_trial"):
        launch(path)
    study = launch(path, "study.name=other").study  # an open study, to borrow its store
    store, parts = study.store, backend.open_backend(study.store, study.optuna._storage, "small")
    genuine = record.take_over

    def owner_is_quicker(*arguments: Any) -> bool:
        taken = genuine(*arguments)
        parts.optuna.tell(0, 0.5, TrialState.COMPLETE)
        return taken

    monkeypatch.setattr(record, "take_over", owner_is_quicker)
    assert recover_trials(parts, ELSEWHERE, lambda worker: True) == []
    assert parts.optuna.trials[0].state is TrialState.COMPLETE
    assert query.trial(store, "small", 0).verdict is Verdict.ACCEPTED


@pytest.mark.slow
def test_a_trial_that_another_program_ended_in_optuna_is_recorded_as_failed(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    with killed_at(monkeypatch, objective, "_judged"):
        launch(path)
    other = launch(path, "study.name=other").study
    backend.open_backend(other.store, other.optuna._storage, "small").optuna.tell(0, state=TrialState.FAIL)
    done = launch(path)
    assert (done.trials[0].verdict, done.trials[0].reasons) == (Verdict.FAILED, ["ended_elsewhere"])
    assert done.end.done == 1
    assert inconsistencies(done.store) == []
    assert check_store(done.store) == []
