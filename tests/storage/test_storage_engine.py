"""Opening a store: where it may lie, what it must hold, and what is said where that is not so."""

import os
import pwd
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest
from sqlalchemy import text

from benchmarks.postgres import PostgresServer
from storage import query
from storage.engine import Store, open_store, upgrade
from storage.errors import (
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreMissing,
    StoreReadOnly,
    StoreUnreachable,
    StoreUrlInvalid,
)
from storage.record import create_study, set_study_facts, start_trial
from storage.tables import DataFingerprint, StudyRow, Trial
from storage.urls import full_url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ballast.db"


@pytest.fixture
def hold_lock(file: Path) -> Iterator[Callable[[], None]]:
    """Have another process take the write lock of the file until the test ends."""
    holder = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    processes: list[subprocess.Popen[str]] = []

    def hold() -> None:
        command = [sys.executable, "-c", holder, str(file)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"

    yield hold
    for process in processes:
        process.communicate()


def test_a_store_is_opened_again_with_what_was_put_in(store: Store, store_url: str, volatility: str) -> None:
    store.close()
    again = open_store(store_url, create=False)
    assert [study.name for study in query.studies(again)] == [volatility]
    again.close()


def test_a_relative_url_lies_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///here.db").close()
    assert (tmp_path / "here.db").is_file()


def test_every_connection_is_tuned(file: Path) -> None:
    store = open_store(f"sqlite:///{file}")
    with store.engine.connect() as one, store.engine.connect() as other:
        for connection in (one, other):
            pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
            assert found == ["wal", 1, 1, 60_000]
    store.close()


def test_a_missing_store_is_not_made_where_that_was_not_asked_for(file: Path) -> None:
    for ask in (lambda: open_store(f"sqlite:///{file}", create=False), lambda: upgrade(f"sqlite:///{file}")):
        with pytest.raises(
            StoreMissing,
            match=r"^no store at sqlite:\S+ballast\.db; start one with: ballast run STUDY\.yaml --store sq",
        ):
            ask()
    assert not file.exists()


def test_an_empty_file_is_no_store_until_it_is_made_one(file: Path) -> None:
    file.touch()
    with pytest.raises(StoreMissing, match=r"make them with: ballast db upgrade .*--create"):
        open_store(f"sqlite:///{file}", create=False)
    open_store(f"sqlite:///{file}").close()
    open_store(f"sqlite:///{file}", create=False).close()


def test_a_missing_folder_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match=r"there is no folder \S+/a/b; make it with: mkdir -p \S+/a/b$"):
        open_store(f"sqlite:///{tmp_path}/a/b/ballast.db")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ballast.db", "^'ballast.db' is not a store URL; for a file write sqlite:///ballast.db$"),
        (
            "mysql://me:secret@host/db",
            r"^mysql://me:\*\*\*@host/db: stores in 'mysql' are not supported; use sq",
        ),
        ("postgresql+psycopg2://me@host/db", "stores in 'postgresql.psycopg2' are not supported"),
        (
            "postgresql://me:secret@host:port/db",
            r"^'postgresql://me:\*\*\*@host:port/db' cannot be read as a",
        ),
        (
            "postgresql://me:se@cret@host/db",
            r"^postgresql://me:\*\*\*@host/db: .* holds an @; write it as %40$",
        ),
        ("://", "^'://' cannot be read as a store URL; use sqlite:///FILE.db or postgresql://USER@HOST"),
        ("sqlite://", "a store in memory is gone with its process; use sqlite:///FILE.db$"),
        ("sqlite:///:memory:", "a store in memory is gone with its process"),
        ("sqlite:///file::memory:?uri=true", "a store in memory is gone with its process"),
        ("sqlite:///file:x?mode=memory&uri=true", "a store in memory is gone with its process"),
        ("sqlite:///file:x.db", r"a file: path needs uri=true; write sqlite:///file:x.db\?uri=true"),
        ("", "^the URL of the store is empty; use sqlite:///FILE.db"),
        ("sqlite:ballast.db", "is not a store URL; for a file write sqlite:///ballast.db$"),
        ("sqlite:/x/b.db", "is not a store URL; for a file write sqlite:////x/b.db$"),
        ("sqlite://ballast.db", "the path of a file follows three slashes; write sqlite:///ballast.db$"),
        ("sqlite://~/b.db", "the path of a file follows three slashes; write sqlite:///~/b.db$"),
        ("sqlite:///$HOME/b.db", "variables are not written out here; let the shell do it, or write ~"),
        ("sqlite:///${HOME}/b.db", "variables are not written out here"),
        ("sqlite:///C:\\data\\b.db", "this system has no drives; write the path as it is here"),
        ("sqlite:///b%00.db", "holds no NUL"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_which_can(url: str, message: str) -> None:
    with pytest.raises(StoreUrlInvalid, match=message):
        open_store(url)


def test_without_psycopg_a_postgresql_url_is_answered_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreUrlInvalid, match=r'psycopg, .* run: pip install "ballast-gru\[postgres\]"$'):
        open_store("postgresql://host/db")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@127.0.0.1:1/db",
        "postgresql+psycopg://me:hunter2@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=me&password=hunter2",
        "postgresql://me:hunt@er2:hunter2@127.0.0.1:1/db",
        "postgresql://me:hunter2@er2@127.0.0.1:1/db",
        "postgresql://me:hunter2@127.0.0.1:one/db",
        "oracle://me:hunter2@127.0.0.1/db",
    ],
)
def test_no_error_shows_a_password_nor_does_what_it_was_caused_by(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(url)
    error: BaseException | None = caught.value
    assert "***" in str(error)
    while error is not None:
        assert "hunter2" not in f"{error} {error!r}"
        assert "er2" not in str(error)
        error = error.__cause__ or error.__context__


def test_a_server_that_does_not_answer_is_unreachable() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(
        StoreUnreachable,
        match=r"^postgresql://me:\*\*\*@127\.0\.0\.1:1/db: it cannot be reached; check the address",
    ):
        open_store("postgresql://me:hunter2@127.0.0.1:1/db")


def test_a_server_is_reached_by_its_unix_socket(postgres_server: PostgresServer) -> None:
    postgres_server.create("db")
    store = open_store(postgres_server.socket_url("db"))
    assert query.studies(store) == []
    assert store.shown_url.startswith("postgresql:///db?host=/")
    assert "planted-password" not in f"{store.shown_url} {store!r}"
    store.close()


def test_a_store_shows_no_password(file: Path) -> None:
    store = Store(open_store(f"sqlite:///{file}").engine, "postgresql://me:hunter2@host/db")
    assert store.shown_url == "postgresql://me:***@host/db"
    assert "hunter2" not in repr(store)
    store.close()


def test_a_file_that_is_no_database_is_named(file: Path) -> None:
    file.write_bytes(b"time,close\n" * 500)
    with pytest.raises(StoreDamaged, match=r"ballast\.db: it is damaged, or no database at all; .*--store"):
        open_store(f"sqlite:///{file}")
    assert file.read_bytes() == b"time,close\n" * 500


def test_a_store_that_lost_a_table_is_damaged(store: Store, volatility: str) -> None:
    with store.session() as session:
        session.execute(text("DROP TABLE ballast_epochs"))
        session.execute(text("DROP TABLE ballast_clamps"))
    with pytest.raises(StoreDamaged, match=r"it is damaged, .*ballast_clamps"):
        query.clamps(store, volatility)


@pytest.mark.slow
def test_a_store_locked_by_another_process_is_given_up_after_the_timeout(
    file: Path, hold_lock: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALLAST_SQLITE_TIMEOUT", "0.1")
    store = open_store(f"sqlite:///{file}")
    hold_lock()
    locked = r"another process holds the lock; wait .* BALLAST_SQLITE_TIMEOUT=SECONDS \(database is locked\)$"
    with pytest.raises(StoreLocked, match=locked):
        set_study_facts(store, "s", {})
    assert query.studies(store) == [], "readers do not wait for writers"
    store.close()


def test_a_new_store_that_another_process_is_making_is_waited_for(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as maker:
        maker.execute("BEGIN IMMEDIATE")
        release = Timer(0.3, maker.execute, ["COMMIT"])
        release.start()
        store = open_store(f"sqlite:///{file}")
        release.join()
    assert query.studies(store) == []
    store.close()


def test_a_new_store_that_another_process_never_finishes_is_given_up_after_the_timeout(
    file: Path, hold_lock: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALLAST_SQLITE_TIMEOUT", "0.1")
    file.touch()
    hold_lock()
    with pytest.raises(StoreLocked, match="another process holds the lock"):
        open_store(f"sqlite:///{file}")


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "1e9"])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("BALLAST_SQLITE_TIMEOUT", given)
    with pytest.raises(
        StoreError, match=f"BALLAST_SQLITE_TIMEOUT is '{given}'; give seconds from 0 to 86400"
    ):
        open_store(f"sqlite:///{file}")


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_file_that_can_only_be_read_is_read(
    file: Path,
    journal: str,
    new_study: Callable[[str], StudyRow],
    new_data: Callable[[str], DataFingerprint],
) -> None:
    store = open_store(f"sqlite:///{file}")
    create_study(store, new_study("volatility"), [], [], new_data("volatility"))
    store.close()
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA journal_mode={journal}")
    connection.close()
    reader = open_store(f"sqlite:///file:{file}?mode=ro&uri=true", create=False)
    assert [study.name for study in query.studies(reader)] == ["volatility"]
    with pytest.raises(StoreReadOnly, match=r"it can only be read; make the file and its folder writable"):
        set_study_facts(reader, "volatility", {"baseline": "zero"})
    reader.close()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder where not even root can write")
def test_a_folder_that_cannot_be_written_is_unreachable() -> None:
    with pytest.raises(StoreUnreachable, match=r"cannot be reached; check .* the folder is writable"):
        open_store("sqlite:////proc/self/ballast.db")


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUrlInvalid, match=r"is a folder; name a file in it, as in \S+/ballast\.db$"):
        open_store(f"sqlite:///{tmp_path}")


def test_a_file_in_place_of_the_folder_is_named(file: Path) -> None:
    file.touch()
    with pytest.raises(StoreMissing, match=r"ballast\.db is a file and no folder; choose another path"):
        open_store(f"sqlite:///{file}/sub/other.db")


def test_what_is_no_regular_file_is_no_store() -> None:
    with pytest.raises(StoreUrlInvalid, match="/dev/null is no regular file"):
        open_store("sqlite:////dev/null")


@pytest.mark.parametrize("url", ["sqlite:///~/b.db", "sqlite:///file:~/b.db?uri=true"])
def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    home = tmp_path / "100% mine"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    store = open_store(url)
    assert (home / "b.db").is_file()
    assert "~" not in store.url
    store.close()


def test_the_home_folder_of_another_user_is_known_or_said_not_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = pwd.getpwuid(os.getuid())
    assert full_url(f"sqlite:///~{home.pw_name}/b.db") == f"sqlite:///{home.pw_dir}/b.db"
    with pytest.raises(StoreUrlInvalid, match="no user 'nobody-here' with a home folder; write the whole"):
        open_store("sqlite:///~nobody-here/b.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["with blank.db", "100%25.db", "ä.db", "a{b}.db", "it's.db"])
def test_a_file_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    open_store(f"sqlite:///{name}").close()
    assert (tmp_path / name.replace("%25", "%")).is_file()


def test_the_short_name_that_libpq_takes_is_taken(postgres_url: str) -> None:
    store = open_store(postgres_url.replace("postgresql://", "postgres://"))
    assert query.studies(store) == []
    assert store.url == postgres_url
    store.close()


def test_who_is_to_write_is_told_at_once_that_the_file_can_only_be_read(file: Path) -> None:
    open_store(f"sqlite:///{file}").close()
    with pytest.raises(StoreReadOnly, match="it can only be read; make the file and its folder writable"):
        open_store(f"sqlite:///file:{file}?mode=ro&uri=true", patience=1e9)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_full_disk_is_said_and_what_was_there_stays(
    store: Store, volatility: str, new_trial: Callable[[str, int], Trial]
) -> None:
    start_trial(store, new_trial(volatility, 0), [])
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    large = new_trial(volatility, 1)
    large.params = {"filler": "x" * 100_000}
    with pytest.raises(
        StoreFull, match=r"the disk is full; free some space, .* \(database or disk is full\)$"
    ):
        start_trial(store, large, [])
    assert [trial.number for trial in query.trials(store, volatility)] == [0]


def test_a_write_in_a_block_that_fails_is_rolled_back(store: Store, volatility: str) -> None:
    def change_and_fail() -> None:
        with store.session() as session:
            session.execute(text("UPDATE ballast_studies SET seed = 1"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert query.study(store, volatility).seed == 2**63 - 1


def test_the_store_is_imported_without_torch_or_optuna() -> None:
    code = (
        "import sys, storage.engine, storage.record, storage.query, storage.check;"
        "print(sorted({'torch', 'optuna', 'mlflow', 'trainer', 'search', 'pandas'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (shown.stdout, shown.stderr) == ("[]\n", "")
