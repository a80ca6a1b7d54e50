"""What a hostile reading of the workers found, each pinned by the test that failed first."""

from typing import TYPE_CHECKING, Any

import pytest
from optuna.trial import TrialState

from search.process_identity import is_dead, this_worker
from search.study import backend
from search.study.copy import copy_studies
from search.workers import objective
from search.workers.consistency import inconsistencies
from search.workers.recovery import recover_trials
from storage import query, record, workers
from storage.check import check_store
from storage.engine import open_store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

ELSEWHERE = "another-host-00000000:7:7"


class Killed(BaseException):
    """Stands for kill -9: nothing on the way up handles it."""


def _die(*_: object, **__: object) -> None:
    raise Killed


def test_an_owner_that_ends_its_trial_while_it_is_taken_over_is_no_error(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    with monkeypatch.context() as patched:
        patched.setattr(backend, "conclude_trial", _die)
        with pytest.raises(Killed):
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


def test_a_trial_that_somebody_else_ended_in_optuna_comes_to_an_end_on_our_record(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    with monkeypatch.context() as patched:
        patched.setattr(objective, "_judged", _die)
        with pytest.raises(Killed):
            launch(path)
    other = launch(path, "study.name=other").study
    backend.open_backend(other.store, other.optuna._storage, "small").optuna.tell(0, state=TrialState.FAIL)
    done = launch(path)
    assert (done.trials[0].verdict, done.trials[0].reasons) == (Verdict.FAILED, ["ended_elsewhere"])
    assert done.end.done == 1
    assert inconsistencies(done.store) == []
    assert check_store(done.store) == []


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


def test_a_twin_that_a_time_limit_cut_does_not_hide_one_that_was_trained(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    point: dict[str, Any] = {
        "study": {"sampler": "random", "startup_trials": None},
        "space": {"models.gru.hidden_size": {"choices": [4]}},
    }
    path = write_study(**point)
    launch(path, "study.trials=1", "training.max_seconds=1e-9")
    done = launch(path, "study.trials=3")
    assert [row.reasons for row in done.trials] == [["max_seconds"], [], ["duplicate"]]
    assert done.trials[2].source_trial == 1


@pytest.mark.slow
def test_a_copy_of_a_continued_study_goes_on_without_the_study_it_came_from(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    path = write_study(study={"trials": 1})
    launch(path)
    ran = ballast("run", path, "--name", "next", "--continue-from", "small")
    assert ran.code == 0, ran.err
    copy_studies(open_store("sqlite:///ballast.db"), open_store("sqlite:///copy.db"), "next")
    on = ballast("run", path, "--name", "next", "--store", "sqlite:///copy.db", "--trials", 2)
    assert on.code == 0, on.err


def test_an_inherited_trial_is_none_of_those_that_are_done(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", caplog: pytest.LogCaptureFixture
) -> None:
    path = write_study(study={"trials": 1})
    launch(path)
    ran = ballast("run", path, "--name", "next", "--continue-from", "small")
    assert "0 of 1 trials are done" in caplog.text
    assert "1 of 1 trials: nothing is left to do." in ran.out


@pytest.mark.parametrize("devices", ["", "cpu,,", " "])
def test_an_empty_device_is_refused(write_study: "WriteStudy", ballast: "Ballast", devices: str) -> None:
    refused = ballast("run", write_study(), "--devices", devices)
    assert refused.code == 2
    assert "names an empty device; write them as in --devices cpu,cpu" in refused.told[0]


@pytest.mark.parametrize("name", ["", "somebody", "a:b", "a:b:c", "a:1:2:3"])
def test_a_name_that_is_no_workers_is_nobody_that_died_here(name: str) -> None:
    assert not is_dead(name)
    machine = this_worker().split(":")[0]
    assert not is_dead(f"{machine}:{name}")


def test_a_worker_that_waits_for_a_study_ends_with_130(
    ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.signals.StopRequest.__call__", lambda request: True)
    assert ballast("worker", "small", "--wait").code == 130


def test_status_names_no_worker_that_was_killed(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    store = launch(write_study(study={"trials": 1})).store
    machine, pid, _ = this_worker().split(":")
    workers.register_worker(store, "small", f"{machine}:{pid}:0")
    workers.register_worker(store, "small", ELSEWHERE)
    told = ballast("status", "small").out
    assert ELSEWHERE.rpartition(":")[0] in told
    assert f"{machine}:{pid}" not in told
