"""At whatever moment a worker dies, the next run loses no trial, runs none twice, and leaves none running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from optuna.trial import TrialState

from search.process_identity import this_worker
from search.sampling import ask, queue
from search.sampling.optuna_storage import optuna_storage
from search.study import backend, liveness
from search.workers import loop, objective, recovery
from search.workers.consistency import inconsistencies
from search.workers.progress import NoProgress
from storage import query, record, workers
from storage.check import check_store
from storage.engine import open_store
from storage.verdicts import Verdict
from tests.search.killed_runs import Killed, die
from tests.search_fixtures import ENDLESS

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

pytestmark = pytest.mark.slow


def _then_die(genuine: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> None:
        genuine(*arguments, **named)
        raise Killed

    return call


POINTS: dict[str, tuple[Any, str, Callable[..., Any], list[Verdict]]] = {
    "before anything is suggested": (ask, "suggest_value", die, [Verdict.INTERRUPTED]),
    "before the trial is on record": (backend, "begin_trial", die, [Verdict.INTERRUPTED]),
    "before the first step": (objective, "_judged", die, [Verdict.INTERRUPTED]),
    "after an epoch is recorded": (
        record,
        "record_epochs",
        _then_die(record.record_epochs),
        [Verdict.INTERRUPTED],
    ),
    "before the verdict is recorded": (record, "finish_trial", die, [Verdict.INTERRUPTED]),
    "between record and Optuna": (backend, "conclude_trial", die, [Verdict.ACCEPTED]),
    "before the last word to Optuna": (backend, "tell", die, [Verdict.ACCEPTED]),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_loses_nothing_and_doubles_nothing(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    path = write_study()
    monkeypatch.setattr(objective, "_FLUSH_S", 0.0)  # these epochs are too quick to be recorded one by one
    module, name, dies, left_behind = POINTS[point]
    with monkeypatch.context() as patched:
        patched.setattr(module, name, dies)
        with pytest.raises(Killed):
            launch(path)
    monkeypatch.setattr(liveness, "is_dead", lambda worker: True)
    done = launch(path)
    verdicts = [row.verdict for row in done.trials]
    assert verdicts == [*left_behind, *[Verdict.ACCEPTED] * (2 - left_behind.count(Verdict.ACCEPTED))]
    assert {trial.state for trial in done.study.optuna.trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    values = [row.value for row in done.trials if row.verdict is Verdict.ACCEPTED]
    assert values == [trial.value for trial in done.study.optuna.trials if trial.value is not None]
    assert inconsistencies(done.store) == []
    assert check_store(done.store) == []


def test_a_death_between_queue_and_optuna_does_not_queue_twice(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})

    def crash(*_: Any) -> None:
        raise RuntimeError("no device")

    with monkeypatch.context() as patched:
        patched.setattr(objective, "_fit", crash)
        patched.setattr(backend, "tell", die)
        with pytest.raises(Killed):
            launch(path)
    monkeypatch.setattr(liveness, "is_dead", lambda worker: True)
    done = launch(path, "study.trials=2")
    assert [row.verdict for row in done.trials] == [Verdict.FAILED, Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert [row.retry_of for row in done.trials] == [None, 0, None]


def test_the_parameters_of_a_dead_worker_are_given_up_after_the_retries(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1, "retries": 1})
    monkeypatch.setattr(liveness, "is_dead", lambda worker: True)
    with monkeypatch.context() as patched:
        patched.setattr(objective, "_judged", die)
        for _ in range(2):
            with pytest.raises(Killed):
                launch(path)
    done = launch(path)
    first, again, new = done.trials
    assert again.params == first.params
    assert new.params != first.params
    assert [row.retry_of for row in done.trials] == [None, 0, None]


def test_a_trial_that_another_process_runs_is_left_alone(write_study: "WriteStudy", launch: "Launch") -> None:
    path = write_study(study={"trials": 1})
    first = launch(path)
    foreign = first.study.optuna.ask()
    foreign.set_user_attr("worker", "another-host:1:1")
    done = launch(path, "study.trials=2")
    assert done.study.optuna.trials[1].state is TrialState.RUNNING
    assert [row.number for row in done.trials] == [0, 2]
    assert any(
        "trial 1 of 'small' is RUNNING in Optuna, not on record" in told
        for told in inconsistencies(done.store)
    )


def test_a_trial_without_an_owner_is_reaped_once_it_has_had_time_to_get_one(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(study={"trials": 1})
    launch(path).study.optuna.ask()
    assert launch(path).study.optuna.trials[1].state is TrialState.RUNNING
    monkeypatch.setattr(recovery, "_OWNERLESS", timedelta(0))
    assert launch(path).study.optuna.trials[1].state is TrialState.FAIL


def test_kill_9_in_the_middle_of_training_is_survived(write_study: "WriteStudy", launch: "Launch") -> None:
    path = write_study(training=ENDLESS)
    process = subprocess.Popen(
        [sys.executable, "-m", "search.cli", "run", str(path), "--store", "sqlite:///ballast.db"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        number = _wait_for_an_epoch(process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert number == 0
    done = launch(path, should_stop=lambda: True)
    assert [(row.verdict, row.reasons) for row in done.trials] == [(Verdict.INTERRUPTED, ["worker_died"])]
    assert done.trials[0].epochs >= 1
    states = [trial.state for trial in done.study.optuna.trials]
    assert states == [TrialState.FAIL, TrialState.WAITING]
    assert inconsistencies(done.store) == []
    assert optuna_storage(done.store).get_n_trials(done.study.optuna._study_id) == 2


def _wait_for_an_epoch(process: "subprocess.Popen[bytes]") -> int:
    """The number of the trial that has an epoch on record; fails if the process ends before."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if Path("ballast.db").exists():
            store = open_store("sqlite:///ballast.db")
            try:
                for row in query.trials(store, "small") if query.studies(store) else []:
                    if query.epochs(store, "small", row.number):
                        return row.number
            finally:
                store.close()
        time.sleep(0.05)
    raise AssertionError(f"no epoch was recorded; the command ended with {process.poll()}")


def test_a_dead_worker_counts_as_busy_until_its_trial_is_queued_again(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    study = launch(write_study(), should_stop=lambda: True).study
    dead, section, space = "gone:1:1", study.resolved.file.study, study.resolved.space
    workers.claim_trial(study.store, study.name, dead)
    backend.begin_trial(study.backend, dead, ask.ask(study.optuna, section, space, dead).trial)
    genuine, seen = backend.conclude_trial, []

    def conclude(*arguments: Any, **named: Any) -> None:
        """Meanwhile another worker recovers trials."""
        recovery.recover_trials(study.backend, "quicker:1:1", lambda worker: worker == dead)
        seen.append([worker.busy for worker in workers.registered_workers(study.store, study.name)])
        genuine(*arguments, **named)

    monkeypatch.setattr(recovery, "conclude_trial", conclude)
    recovery.recover_trials(study.backend, "slower:1:1", lambda worker: worker == dead)
    assert seen == [[True]]
    assert workers.registered_workers(study.store, study.name) == []


def test_a_worker_that_dies_during_a_recovery_is_found_with_its_trial(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    study = launch(write_study(), should_stop=lambda: True).study
    dead, section, space = "gone:1:1", study.resolved.file.study, study.resolved.space
    workers.claim_trial(study.store, study.name, dead)

    def is_gone(worker: str) -> bool:
        """It has asked for a trial a moment before."""
        if not study.optuna.trials:
            ask.ask(study.optuna, section, space, dead)
        return worker == dead

    assert recovery.recover_trials(study.backend, "alive:1:1", is_gone) == [0]
    assert workers.registered_workers(study.store, study.name) == []
    assert [trial.state for trial in study.optuna.trials] == [TrialState.FAIL, TrialState.WAITING]


def test_a_trial_that_was_recorded_by_another_worker_is_left_to_it(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers sign a waiting trial; the one that did not get it is found dead, and its trial settled."""
    study = launch(write_study(), should_stop=lambda: True).study
    trial = ask.ask(study.optuna, study.resolved.file.study, study.resolved.space, "signed-last:1:1")
    recovery.recover_trials(study.backend, "alive:1:1", lambda worker: worker == "signed-last:1:1")
    context = objective.TrialContext(study, "runs-it:1:1", NoProgress(), lambda: False)
    judgement = objective.run_trial(context, trial)
    assert (judgement.verdict, judgement.reasons) == (Verdict.INTERRUPTED, ("taken_over",))


def test_a_worker_whose_place_was_given_to_another_starts_no_trial(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still between its claim and its trial, and was struck out."""
    path = write_study(study={"trials": 1})
    store, name, stopped = launch(path, should_stop=lambda: True).store, "small", []

    def ask_late(*arguments: Any) -> Any:
        workers.unregister_worker(store, name, this_worker())
        assert workers.claim_trial(store, name, "another:1:1").granted
        stopped.append(True)
        return ask.ask(*arguments)

    monkeypatch.setattr(loop, "ask", ask_late)
    done = launch(path, should_stop=lambda: bool(stopped))
    assert [(row.verdict, row.reasons) for row in done.trials] == [(Verdict.INTERRUPTED, ["taken_over"])]
    first, again = done.study.optuna.trials  # what it drew waits for another
    assert (first.state, again.state) == (TrialState.FAIL, TrialState.WAITING)
    assert again.system_attrs["fixed_params"] == first.params


def test_a_configuration_that_waited_for_such_a_worker_waits_again(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    key = "models.gru.learning_rate"
    study = launch(write_study(study={"enqueue": [{key: 2e-3}]}), should_stop=lambda: True).study
    trial = ask.ask(study.optuna, study.resolved.file.study, study.resolved.space, "late:1:1").trial
    recovery.return_trial(study.backend, "late:1:1", trial)
    first, again = study.optuna.trials
    assert (first.state, again.state) == (TrialState.FAIL, TrialState.WAITING)
    assert again.system_attrs["fixed_params"] == {key: 2e-3}


def test_a_worker_whose_trial_was_settled_while_it_drew_its_parameters_goes_on(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    path, genuine = write_study(study={"trials": 1}), queue.suggest_value
    study = launch(path, should_stop=lambda: True).study

    def suggest(*arguments: Any) -> None:
        monkeypatch.setattr(ask, "suggest_value", genuine)
        recovery.recover_trials(study.backend, "quicker:1:1", lambda worker: worker == this_worker())
        genuine(*arguments)

    monkeypatch.setattr(ask, "suggest_value", suggest)
    verdicts = [row.verdict for row in launch(path).trials]
    assert verdicts == [Verdict.INTERRUPTED, Verdict.ACCEPTED]


def test_a_trial_that_its_worker_tells_after_all_is_left_at_that(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that stood still between record and Optuna goes on while another one closes its trial."""
    study = launch(write_study(), should_stop=lambda: True).study
    ask.ask(study.optuna, study.resolved.file.study, study.resolved.space, "asleep:1:1")
    genuine = backend.conclude_trial

    def conclude(*arguments: Any, **named: Any) -> None:
        genuine(*arguments, **named)
        genuine(*arguments, **named)

    monkeypatch.setattr(recovery, "conclude_trial", conclude)
    assert recovery.recover_trials(study.backend, "quicker:1:1", lambda worker: worker == "asleep:1:1") == []
    assert [trial.state for trial in study.optuna.trials] == [TrialState.FAIL, TrialState.WAITING]
