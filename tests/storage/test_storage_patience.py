"""A store that goes away and comes back: servers stopped and killed, connections cut, locks, dead-locks."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Timer

import psycopg
import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError

from benchmarks.postgres import PostgresServer, execute
from storage import query
from storage.engine import Store, open_store
from storage.errors import (
    StoreDamaged,
    StoreError,
    StoreExhausted,
    StoreForbidden,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreTimeout,
    StoreUnreachable,
)
from storage.record import create_study, set_study_facts, start_trial
from storage.retry import TRANSIENT, call_with_retry, retry_transient
from storage.tables import DataFingerprint, StudyRow, Trial

pytestmark = pytest.mark.slow

MakeStudy = Callable[[Store, str], None]


@pytest.fixture
def make_study(new_study: Callable[[str], StudyRow], new_data: Callable[[str], DataFingerprint]) -> MakeStudy:
    return lambda store, name: create_study(store, new_study(name), [], [], new_data(name))


@pytest.fixture
def remote(postgres_server: PostgresServer) -> Iterator[Store]:
    """A patient store on a server of its own."""
    store = open_store(postgres_server.create("remote"), patience=60)
    yield store
    store.close()


@pytest.mark.parametrize("kill", [False, True])
def test_reads_and_writes_wait_for_a_server_that_comes_back(
    remote: Store,
    postgres_server: PostgresServer,
    make_study: MakeStudy,
    new_trial: Callable[[str, int], Trial],
    kill: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_study(remote, "s")
    postgres_server.stop(kill=kill)
    back = Timer(0.3, postgres_server.start)
    back.start()
    with caplog.at_level(logging.INFO, "ballast.store"):
        start_trial(remote, new_trial("s", 0), [])
    assert [trial.number for trial in query.trials(remote, "s")] == [0]
    back.join()
    waited, over = [record for record in caplog.records if record.name == "ballast.store"]
    assert waited.levelno == logging.WARNING
    assert "it cannot be reached" in waited.message
    assert waited.message.endswith("; trying again for up to 60 s")
    assert over.message.startswith("postgresql://ballast:***@127.0.0.1")
    assert "answers again, after" in over.message
    assert "planted-password" not in caplog.text


def test_patience_ends_with_what_was_wrong_last(
    remote: Store, postgres_server: PostgresServer, make_study: MakeStudy
) -> None:
    hasty = Store(remote.engine, remote.url, patience=0.2)
    make_study(hasty, "s")
    postgres_server.stop()
    with pytest.raises(StoreUnreachable, match=r"postgresql://ballast:\*\*\*@\S+: it cannot be reached"):
        query.studies(hasty)


def test_a_connection_that_is_cut_in_a_transaction_is_the_store_out_of_reach(
    postgres: str, postgres_url: str, make_study: MakeStudy
) -> None:
    store = open_store(postgres_url, patience=60)
    make_study(store, "s")
    cuts: list[int | None] = []

    @retry_transient
    def change_and_be_cut_once(store: Store) -> None:
        with store.session() as session:
            session.execute(text("UPDATE ballast_studies SET seed = seed - 1"))
            if not cuts:
                cuts.append(session.scalar(text("SELECT pg_backend_pid()")))
                execute(postgres, f"SELECT pg_terminate_backend({cuts[0]})")

    impatient = Store(store.engine, store.url)
    with pytest.raises(StoreUnreachable, match="it cannot be reached"):
        change_and_be_cut_once(impatient)
    cuts.clear()
    change_and_be_cut_once(store)
    assert query.study(store, "s").seed == 2**63 - 2
    store.close()


def test_who_dead_locks_goes_on_when_the_other_is_done(postgres_url: str, make_study: MakeStudy) -> None:
    store = open_store(postgres_url, patience=60)
    for name in ("a", "b"):
        make_study(store, name)
    both_hold_one = Barrier(2)
    tries: list[str] = []

    @retry_transient
    def lock_both(store: Store, first: str, second: str) -> None:
        tries.append(first)
        change = text("UPDATE ballast_studies SET seed = seed - 1 WHERE name = :name")
        with store.session() as session:
            session.execute(change, {"name": first})
            if len(tries) <= 2:
                both_hold_one.wait(60)
            session.execute(change, {"name": second})

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda names: lock_both(store, *names), [("a", "b"), ("b", "a")]))
    assert len(tries) == 3, "one of the two was tried again"
    assert {study.seed for study in query.studies(store)} == {2**63 - 3}
    store.close()


def test_a_lock_that_outlasts_the_busy_timeout_is_waited_for(
    tmp_path: Path, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALLAST_SQLITE_TIMEOUT", "0.05")
    store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}", patience=60)
    make_study(store, "s")
    holder = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", holder, str(tmp_path / "ballast.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StoreLocked):
            set_study_facts(Store(store.engine, store.url), "s", {})
        Timer(0.3, process.stdin.close).start()
        set_study_facts(store, "s", {"waited": True})
    assert query.study(store, "s").facts["waited"] is True
    store.close()


@pytest.mark.parametrize("kind", TRANSIENT)
def test_what_may_pass_is_tried_until_it_has(kind: type[StoreError], store: Store) -> None:
    answers: Iterator[StoreError | int] = iter([kind("away"), kind("away"), 7])

    def ask() -> int:
        answer = next(answers)
        if isinstance(answer, StoreError):
            raise answer
        return answer

    assert call_with_retry(ask, replace(store, patience=60)) == 7


def test_waiting_ends_as_soon_as_somebody_asks_for_it(store: Store) -> None:
    def ask() -> None:
        tries.append(1)
        raise StoreUnreachable("away")

    tries: list[int] = []
    stops = iter([False, False, True])
    with pytest.raises(StoreUnreachable):
        call_with_retry(ask, replace(store, patience=1e9, give_up=lambda: next(stops)))
    assert len(tries) == 3


@pytest.mark.parametrize("kind", [StoreDamaged, StoreForbidden])
def test_what_will_not_pass_is_told_at_once(store: Store, kind: type[StoreError]) -> None:
    def ask() -> None:
        tries.append(1)
        raise kind("no")

    tries: list[int] = []
    with pytest.raises(kind):
        call_with_retry(ask, replace(store, patience=60))
    assert tries == [1]


def test_opening_a_store_is_not_patient_so_that_a_wrong_address_is_told_at_once() -> None:
    with pytest.raises(StoreUnreachable):
        open_store("postgresql://127.0.0.1:1/db", patience=1e9)


def test_a_cut_that_others_went_on_after_is_waited_for_too(
    remote: Store, postgres_server: PostgresServer
) -> None:
    def go_on_after_a_cut() -> None:
        with remote.session() as session:
            session.execute(text("SELECT 1"))
            postgres_server.cut("remote")
            with pytest.raises(OperationalError):
                session.execute(text("SELECT 1"))
            session.execute(text("SELECT 1"))  # as Optuna does, which then tries a slower way to the same

    with pytest.raises(StoreUnreachable):
        go_on_after_a_cut()


@pytest.mark.parametrize("place", ["SYSTEM", "DATABASE"])
def test_a_server_that_can_only_be_read_for_a_while_is_waited_for(
    remote: Store,
    postgres_server: PostgresServer,
    make_study: MakeStudy,
    new_trial: Callable[[str, int], Trial],
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    make_study(remote, "s")
    read_only(postgres_server, True, place)
    back = Timer(1.0, read_only, (postgres_server, False, place))
    back.start()
    with caplog.at_level(logging.INFO, "ballast.store"):
        start_trial(remote, new_trial("s", 0), [])
    back.join()
    assert [trial.number for trial in query.trials(remote, "s")] == [0]
    waited, over = [record.message for record in caplog.records if record.name == "ballast.store"]
    assert "it can only be read, as a standby or by default_transaction_read_only" in waited
    assert waited.endswith("; trying again for up to 60 s")
    assert "answers again, after" in over


def read_only(server: PostgresServer, on: bool, place: str = "SYSTEM") -> None:
    """Have every transaction of others only read, or write again, as at the two ends of a failover."""
    name = "SYSTEM" if place == "SYSTEM" else "DATABASE remote"
    change = f"ALTER {name} SET default_transaction_read_only = {'on' if on else 'off'}"
    execute(f"{server.url()}?options=-c%20default_transaction_read_only%3Doff", change)
    if place == "SYSTEM":
        server.execute("SELECT pg_reload_conf()")
    elif on:
        server.cut("remote")  # sessions keep what they began with; what is off again reaches new ones alone


def test_patience_ends_while_the_server_can_still_only_be_read(
    remote: Store, postgres_server: PostgresServer, make_study: MakeStudy
) -> None:
    make_study(remote, "s")
    read_only(postgres_server, True)
    with pytest.raises(StoreReadOnly, match=r"it can only be read, .*; make the server writable, or"):
        set_study_facts(replace(remote, patience=0.2), "s", {})
    with pytest.raises(StoreReadOnly, match="it can only be read"):
        open_store(remote.url, patience=1e9)
    open_store(remote.url, create=False).close()


def test_a_statement_that_the_server_ends_is_tried_again(
    remote: Store, postgres_server: PostgresServer, make_study: MakeStudy
) -> None:
    make_study(remote, "s")
    postgres_server.execute("ALTER ROLE ballast SET statement_timeout = '50ms'")
    postgres_server.cut("remote")
    with psycopg.connect(f"{remote.url}?options=-c%20statement_timeout%3D0") as holder:
        holder.execute("LOCK TABLE ballast_studies IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreTimeout, match=r"ended what took too long; raise its limit, as in: ALTER"):
            set_study_facts(replace(remote, patience=0), "s", {})
        Timer(0.5, holder.rollback).start()
        set_study_facts(remote, "s", {"waited": True})
    assert query.study(remote, "s").facts["waited"] is True


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08006", StoreUnreachable),
        ("08P01", StoreUnreachable),
        ("25006", StoreReadOnly),
        ("25P02", StoreLocked),
        ("25P03", StoreTimeout),
        ("25P04", StoreTimeout),
        ("40001", StoreLocked),
        ("40003", StoreLocked),
        ("40P01", StoreLocked),
        ("42501", StoreForbidden),
        ("53100", StoreFull),
        ("53200", StoreExhausted),
        ("53300", StoreUnreachable),
        ("55P03", StoreLocked),
        ("57014", StoreTimeout),
        ("57P01", StoreUnreachable),
        ("57P02", StoreUnreachable),
        ("57P03", StoreUnreachable),
        ("57P04", StoreUnreachable),
        ("57P05", StoreUnreachable),
        ("58030", StoreUnreachable),
        ("XX000", StoreError),
        ("XX001", StoreDamaged),
        ("XX002", StoreDamaged),
    ],
)
def test_each_state_of_postgresql_has_its_kind(postgres: str, state: str, kind: type[StoreError]) -> None:
    store = Store(create_engine(postgres), postgres)
    raising = text(f"DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'; END $$")
    with pytest.raises(kind, match=r"\(planted\)$") as caught, store.session() as session:
        session.execute(raising)
    assert type(caught.value) is kind
    store.close()


def test_a_file_that_can_only_be_read_for_a_while_is_opened_anew(
    tmp_path: Path, make_study: MakeStudy
) -> None:
    file = tmp_path / "ballast.db"
    store = open_store(f"sqlite:///{file}", patience=60)
    make_study(store, "s")
    store.close()
    modes = ["ro"]

    @event.listens_for(store.engine, "do_connect")
    def as_the_file_system_is(
        _: object, __: object, arguments: list[str], options: dict[str, object]
    ) -> None:
        arguments[0], options["uri"] = f"file:{file}?mode={modes[-1]}", True

    with pytest.raises(StoreReadOnly, match="it can only be read"):
        set_study_facts(replace(store, patience=0), "s", {"waited": False})
    Timer(0.5, modes.append, ["rw"]).start()
    set_study_facts(store, "s", {"waited": True})
    assert query.study(store, "s").facts["waited"] is True
    store.close()


def test_a_process_without_file_descriptors_is_told_so_and_not_that_the_store_is_away(
    tmp_path: Path, make_study: MakeStudy
) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
    make_study(store, "s")
    store.close()
    code = (
        "import os, resource, sys; from storage.engine import open_store; from storage import query\n"
        "store = open_store(sys.argv[1], create=False); store.close()\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))\n"
        "held = []\n"
        "try:\n"
        "    while True: held.append(os.open(os.devnull, os.O_RDONLY))\n"
        "except OSError: pass\n"
        "try: query.studies(store)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, store.url], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("StoreExhausted sqlite:///")
    assert (
        "this process is out of file descriptors: it may have 64 files open (ulimit -n); "
        "raise that with: ulimit -n 128 (unable to open database file)"
    ) in done.stdout
