"""Optuna's storage in our database: made by many at once, patient, and behind a proxy."""

import multiprocessing
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Timer
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import inspect, text

from benchmarks.postgres import PostgresServer
from search.errors import RequestError
from search.sampling.optuna_storage import RetryingStorage, make_optuna_tables, optuna_storage, upgrade_optuna
from storage.engine import Store, open_store
from storage.errors import StoreTooNew, StoreTooOld, StoreUnreachable

pytestmark = pytest.mark.slow


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = open_store(store_url)
    yield store
    store.close()


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}", patience=60)
    yield store
    store.close()


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -1, 1)
    trial.report(x, 0)
    return x * x


def meet_and_make(url: str, barrier: Barrier, number: int) -> None:
    barrier.wait(60)
    store = open_store(url)
    storage = optuna_storage(store)
    study = optuna.create_study(study_name="s", storage=storage, load_if_exists=True)
    study.tell(study.ask(), number)


def test_processes_that_make_optunas_tables_at_the_same_moment_all_succeed(store_url: str) -> None:
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["search.sampling.optuna_storage"])
    barrier = server.Barrier(8)
    workers = [server.Process(target=meet_and_make, args=(store_url, barrier, n)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 8
    store = open_store(store_url, create=False)
    study = optuna.load_study(study_name="s", storage=optuna_storage(store))
    assert {trial.value for trial in study.trials} == set(range(8))
    assert [trial.number for trial in study.trials] == list(range(8))
    store.close()


def tables(store: Store) -> dict[str, Any]:
    """All that is in a database."""
    seen = inspect(store.engine)
    found: dict[str, Any] = {}
    with store.engine.connect() as connection:
        for name in filter(lambda name: "ballast" not in name, seen.get_table_names()):
            shape = [seen.get_columns(name), seen.get_pk_constraint(name), seen.get_foreign_keys(name)]
            more: list[Any] = [*seen.get_indexes(name), *seen.get_unique_constraints(name)]
            rows = connection.execute(text(f"SELECT * FROM {name}")).all()
            found[name] = (str(shape), sorted(map(str, more)), rows)
    return found


def test_our_way_of_making_optunas_tables_leaves_what_its_own_does(store: Store) -> None:
    make_optuna_tables(store)
    ours = tables(store)
    with store.engine.begin() as connection:
        models.BaseModel.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    bare = RDBStorage(store.url)
    assert tables(store) == ours
    assert "trials" in ours
    bare.engine.dispose()


@pytest.mark.parametrize("kill", [False, True])
def test_a_study_goes_on_when_the_server_has_come_back(postgres_server: PostgresServer, kill: bool) -> None:
    store = open_store(postgres_server.create("optuna"), patience=60)
    study = optuna.create_study(storage=optuna_storage(store), study_name="s")
    starts: list[Timer] = []

    def objective_with_a_fault(trial: optuna.Trial) -> float:
        if trial.number in (1, 3):
            postgres_server.stop(kill=kill)
            starts.append(Timer(0.2, postgres_server.start))
            starts[-1].start()
        return objective(trial)

    study.optimize(objective_with_a_fault, n_trials=5)
    for start in starts:
        start.join()
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 5
    assert all(trial.intermediate_values == {0: trial.params["x"]} for trial in study.trials)
    store.close()


def test_patience_ends_with_an_error_of_the_store(postgres_server: PostgresServer) -> None:
    store = open_store(postgres_server.create("optuna"), patience=0.2)
    study = optuna.create_study(storage=optuna_storage(store), study_name="s")
    postgres_server.stop()
    with pytest.raises(StoreUnreachable, match=r"postgresql://ballast:\*\*\*@\S+: it cannot be reached"):
        study.set_user_attr("k", 1)
    store.close()


@contextmanager
def next_acknowledgement_lost(storage: RetryingStorage) -> Iterator[None]:
    """Commit a change and then say that the store is gone: the moment cannot be met from outside."""
    dialect = storage.engine.dialect
    commit = dialect.do_commit
    changes = storage.engine.raw_connection().driver_connection.total_changes  # type: ignore[union-attr]
    lost: list[int] = []

    def commit_and_lose(connection: Any) -> None:
        commit(connection)
        if not lost and connection.total_changes > changes:
            lost.append(connection.total_changes)
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialect, "do_commit", commit_and_lose)
        yield
    assert lost


@pytest.fixture
def patient(file_store: Store) -> RetryingStorage:
    storage = optuna_storage(file_store)
    assert isinstance(storage, RetryingStorage)
    return storage


def running(worker: str) -> FrozenTrial:
    return create_trial(state=TrialState.RUNNING, user_attrs={"worker": worker})


def test_an_end_whose_acknowledgement_was_lost_is_told_once(patient: RetryingStorage) -> None:
    study = optuna.create_study(storage=patient)
    trial = study.ask()
    with next_acknowledgement_lost(patient):
        assert patient.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
    assert patient.get_trial(trial._trial_id).value == 0.5
    with pytest.raises(UpdateFinishedTrialError):
        patient.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])


def test_a_trial_that_was_ended_otherwise_stays_so(patient: RetryingStorage) -> None:
    study = optuna.create_study(storage=patient)
    trial = study.ask()
    patient.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError):
        patient.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
    assert patient.get_trial(trial._trial_id).state is TrialState.FAIL


def test_params_and_reports_whose_acknowledgement_was_lost_are_there_once(patient: RetryingStorage) -> None:
    study = optuna.create_study(storage=patient)
    trial = study.ask()
    with next_acknowledgement_lost(patient):
        x = trial.suggest_float("x", 0, 1)
    with next_acknowledgement_lost(patient):
        trial.report(x, 0)
    with next_acknowledgement_lost(patient):
        trial.set_user_attr("worker", "me")
    (found,) = study.trials
    assert (found.params, found.intermediate_values, found.user_attrs) == ({"x": x}, {0: x}, {"worker": "me"})


def test_a_trial_whose_creation_was_not_acknowledged_is_left_with_its_worker(
    patient: RetryingStorage,
) -> None:
    study = optuna.create_study(storage=patient)
    with next_acknowledgement_lost(patient):
        number = patient.get_trial(patient.create_new_trial(study._study_id, running("me"))).number
    assert [(trial.number, trial.state, trial.user_attrs) for trial in study.trials] == [
        (0, TrialState.RUNNING, {"worker": "me"}),
        (1, TrialState.RUNNING, {"worker": "me"}),
    ]
    assert number == 1


def test_a_waiting_trial_whose_popping_was_not_acknowledged_is_not_run_twice(
    patient: RetryingStorage,
) -> None:
    study = optuna.create_study(storage=patient)
    study.enqueue_trial({"x": 0.5})
    with next_acknowledgement_lost(patient):
        assert not patient.set_trial_state_values(study.trials[0]._trial_id, TrialState.RUNNING)
    assert study.trials[0].state is TrialState.RUNNING


def test_tables_of_another_optuna_are_refused_with_the_command_to_type(store: Store) -> None:
    optuna_storage(store)
    with store.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'v3.0.0.d'"))
    with pytest.raises(StoreTooOld, match=r"are at v3\.0\.0\.d, .*; run: ballast db upgrade --store \S+"):
        optuna_storage(store)
    upgrade_optuna(store)
    optuna_storage(store)
    with store.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'f0e1d2'"))
    with pytest.raises(StoreTooNew, match=r"has tables at f0e1d2, which Optuna .* does not know"):
        optuna_storage(store)


def test_braces_in_a_url_are_nothing_special(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a{b}%c.db'}")
    optuna.create_study(storage=optuna_storage(store), study_name="s")
    assert [file.name for file in tmp_path.glob("*.db")] == ["a{b}%c.db"]
    store.close()


Serve = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def serve(file_store: Store, port: int) -> Iterator[Serve]:
    """Start the proxy as a process; again, when it was killed."""
    code = (
        "import sys; from search.sampling.optuna_storage import serve_proxy;"
        "from storage.engine import open_store;"
        "serve_proxy(open_store(sys.argv[1]), '127.0.0.1', int(sys.argv[2]))"
    )
    processes: list[subprocess.Popen[bytes]] = []

    def serve() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", code, file_store.url, str(port)]
        environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": ""}
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        return processes[-1]

    yield serve
    for process in processes:
        process.kill()
        process.wait()


def test_a_study_runs_through_a_proxy_which_may_die_and_come_back(
    file_store: Store, serve: Serve, port: int
) -> None:
    process = serve()
    study = optuna.create_study(storage=optuna_storage(file_store, f"127.0.0.1:{port}"), study_name="s")

    def objective_with_a_fault(trial: optuna.Trial) -> float:
        if trial.number == 1:
            process.kill()
            process.wait()
            serve()
        return objective(trial)

    study.optimize(objective_with_a_fault, n_trials=3)
    behind = optuna.load_study(study_name="s", storage=optuna_storage(file_store))
    assert [trial.state for trial in behind.trials] == [TrialState.COMPLETE] * 3
    assert [trial.params for trial in behind.trials] == [trial.params for trial in study.trials]


def test_a_proxy_that_is_away_is_named(file_store: Store, port: int) -> None:
    storage = optuna_storage(Store(file_store.engine, file_store.url), f"127.0.0.1:{port}")
    with pytest.raises(StoreUnreachable, match=rf"the proxy at 127\.0\.0\.1:{port} cannot be reached; start"):
        storage.get_all_studies()


@pytest.mark.parametrize("address", ["13000", ":13000", "host", "host:", "host:port"])
def test_what_is_no_address_of_a_proxy_is_refused(file_store: Store, address: str) -> None:
    with pytest.raises(RequestError, match=f"'{address}' is no address of a proxy; write HOST:PORT"):
        optuna_storage(file_store, address)


def test_without_grpc_a_proxy_is_answered_with_what_to_install(
    file_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(RequestError, match=r'needs grpcio, .* run: pip install "ballast-gru\[grpc\]"$'):
        optuna_storage(file_store, "127.0.0.1:13000")
