"""Workers while PostgreSQL can only be read, or ends their statements: real processes on a real server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest

from benchmarks.postgres import PostgresServer, execute
from search.workers.consistency import inconsistencies
from storage import query, workers
from storage.check import check_store
from storage.engine import Store, open_store
from storage.verdicts import CONCLUSIVE
from tests.search_fixtures import ENDLESS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.search_fixtures import Ballast, WriteStudy

pytestmark = pytest.mark.slow

_AWAY_S = 2.0
_AS_ADMINISTRATOR = "?options=-c%20default_transaction_read_only%3Doff%20-c%20statement_timeout%3D0"
_LONG = {"epochs": 150, "patience": 150}

Change = Callable[[PostgresServer, str], None]


def read_only(server: PostgresServer, url: str) -> None:
    """The server is a standby for a while, as far as its clients can tell."""
    alter(server, "default_transaction_read_only = on")
    time.sleep(_AWAY_S)
    alter(server, "default_transaction_read_only = off")


def failed_over(server: PostgresServer, url: str) -> None:
    """Everybody is cut off, and finds a server that can only be read; what it was then stays in sessions."""
    execute(url + _AS_ADMINISTRATOR, "ALTER DATABASE away SET default_transaction_read_only = on")
    server.cut("away")
    time.sleep(_AWAY_S)
    execute(url + _AS_ADMINISTRATOR, "ALTER DATABASE away SET default_transaction_read_only = off")


def slow(server: PostgresServer, url: str) -> None:
    """Every statement waits for a lock, and is ended for that."""
    alter(server, "statement_timeout = '20ms'")
    with psycopg.connect(url + _AS_ADMINISTRATOR) as holder:
        holder.execute("SET statement_timeout = 0")
        holder.execute("LOCK TABLE ballast_trials, ballast_workers, trials IN ACCESS EXCLUSIVE MODE")
        time.sleep(_AWAY_S)
    alter(server, "statement_timeout = 0")


def alter(server: PostgresServer, setting: str) -> None:
    execute(server.url() + _AS_ADMINISTRATOR, f"ALTER SYSTEM SET {setting}")
    server.execute("SELECT pg_reload_conf()")


@pytest.fixture
def away(postgres_server: PostgresServer) -> Iterator[Store]:
    store = open_store(postgres_server.create("away"), patience=60)
    yield store
    store.close()


def started(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "search.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def busy(store: Store) -> int:
    """How many workers have a trial."""
    if "small" not in {study.name for study in query.studies(store)}:
        return 0
    return sum(worker.busy for worker in workers.registered_workers(store, "small"))


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("change", [read_only, failed_over, slow])
def test_workers_wait_and_finish_the_study_with_no_trial_lost_or_doubled(
    write_study: "WriteStudy", away: Store, postgres_server: PostgresServer, change: Change
) -> None:
    path = write_study(study={"trials": 6}, training=_LONG, storage={"patience": 60})
    process = started("run", path, "--workers", 2, "--store", away.url)
    try:
        wait_until(lambda: busy(away) == 2, process)
        change(postgres_server, away.url)
        _, said = process.communicate(timeout=180)
    finally:
        process.kill()
    assert process.returncode == 0, said
    rows = query.trials(away, "small")
    assert [row.number for row in rows] == list(range(6)), said
    assert {row.verdict in CONCLUSIVE for row in rows} == {True}
    assert inconsistencies(away) == []
    assert check_store(away) == []
    logs = [file.read_text() for file in path.parent.glob("ballast-files/*/*/worker-*.log")]
    assert any("trying again for up to 60 s" in log for log in [said, *logs])


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("default_transaction_read_only = on", "it can only be read, as a standby or by"),
        ("statement_timeout = '20ms'", "the server ended what took too long; raise its limit"),
    ],
)
def test_a_worker_whose_patience_runs_out_ends_with_the_sentence_and_its_trial_is_taken_over(
    write_study: "WriteStudy",
    ballast: "Ballast",
    away: Store,
    postgres_server: PostgresServer,
    tmp_path: "Path",
    setting: str,
    told: str,
) -> None:
    path = write_study(study={"trials": 2}, training=ENDLESS, storage={"patience": 0.5})
    process = started("run", path, "--store", away.url)
    try:
        wait_until(lambda: busy(away) == 1, process)
        with psycopg.connect(away.url + _AS_ADMINISTRATOR) as holder:
            holder.execute("SET statement_timeout = 0")
            alter(postgres_server, setting)
            if "timeout" in setting:
                holder.execute("LOCK TABLE ballast_epochs IN ACCESS EXCLUSIVE MODE")
            _, said = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 2, said
    assert f"ballast: {away.shown_url}: {told}" in said.splitlines()[-1]
    assert "Traceback" not in said
    alter(postgres_server, setting.partition(" ")[0] + " TO DEFAULT")
    settled = ballast("db", "check", "--store", away.url)
    assert settled.code == 0, settled.out
    assert "trial 0 of 'small': its worker is gone; it has been brought to an end" in settled.out
    again = started("run", path, "--store", away.url)
    wait_until(lambda: busy(away) == 1, again)
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=60)
    assert [row.retry_of for row in query.trials(away, "small")] == [None, 0]
