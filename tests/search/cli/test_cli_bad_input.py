"""Bad input: the designed exit code, one sentence with value, place and next step, no traceback."""

import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from search.failures import explain_failure
from search.study import liveness
from storage import query
from storage.engine import open_store

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Result, WriteStudy


def _says(result: "Result", code: int, *parts: str) -> None:
    told = "\n".join(result.told)
    assert [part for part in parts if part not in told] == [], told
    assert result.code == code, told


def _cell(row: int, column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        cells = [value if i == row else cell for i, cell in enumerate(table[column])]
        return table.assign(**{column: pd.Series(cells, index=table.index, dtype=object)})

    return change


BAD_TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], int, tuple[str, ...]]] = {
    "a NaN": (_cell(7, "High", ""), 1, ("High", "prices.csv")),
    "an infinity": (_cell(7, "High", "inf"), 1, ("High", "inf")),
    "text in a number column": (_cell(7, "High", "n.a.n"), 2, ("prices.csv, line 9", "High", "'n.a.n'")),
    "unsorted times": (
        lambda t: t.iloc[[1, 0, *range(2, len(t))]],
        1,
        ("prices.csv, line 3", "earlier than the one before", "sort"),
    ),
    "repeated times": (lambda t: pd.concat([t.iloc[:5], t.iloc[4:]]), 1, ("2001-01-05",)),
    "too few rows": (lambda t: t.head(40), 1, ("train has", "needs 50")),
    "a missing column": (lambda t: t.rename(columns={"High": "Hihg"}), 2, ("'High' is missing", "'Hihg'")),
}


@pytest.mark.parametrize("what", BAD_TABLES)
def test_a_bad_table_is_reported_with_its_place(
    write_study: "WriteStudy", ballast: "Ballast", what: str
) -> None:
    path = write_study().name
    change, code, parts = BAD_TABLES[what]
    change(pd.read_csv("prices.csv")).to_csv("prices.csv", index=False)
    ran = ballast("run", path)
    _says(ran, code, *parts)
    assert code == 1 or len(ran.told) == 1
    checked = ballast("check", path)
    assert checked.code == code
    assert "Traceback" not in checked.err + checked.out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("run", "missing.yaml"), ("missing.yaml", "no such file")),
        (("run", "."), ("this is a folder",)),
        (("run", "broken.yaml"), ("broken.yaml:1", "YAML")),
        (("run", "prices.csv"), ("prices.csv:1",)),
        (("check", "missing.yaml"), ("missing.yaml", "no such file")),
        (("train", "missing.yaml"), ("missing.yaml", "no such file")),
        (("train", "study.yaml"), ("searches models.gru.learning_rate", "ballast run study.yaml")),
        (("run", "study.yaml", "--policy", "missing.yaml"), ("missing.yaml", "no such file")),
        (("run", "study.yaml", "--set", "models.gru.hiden_size=8"), ("hiden_size", "did you mean")),
        (("run", "study.yaml", "--set", "models.gru.hidden_size=big"), ("'big'", "whole number")),
        (("run", "study.yaml", "--set", "study.sampler=magic"), ("study.sampler", "'magic'", "tpe")),
        (("run", "study.yaml", "--set", "space.models.gru.learning_rate={low: 0.1, high: 1}"),
         ("nothing in common with its safe range", "at most 0.01", "--policy")),
        (("run", "study.yaml", "--set", "training.epochs"), ("training.epochs", "no = in it")),
        (("run", "study.yaml", "--trials", 0), ("study.trials", "0", "1")),
        (("run", "study.yaml", "--trials", "many"), ("study.trials", "'many'", "whole number")),
        (("run", "study.yaml", "--timeout", "soon"), ("timeout", "'soon'", "1h30m")),
        (("run", "study.yaml", "--timeout", "0"), ("timeout", "0", "greater than 0")),
        (("run", "study.yaml", "--name", " "), ("study.name", "blank")),
        (("run", "study.yaml", "--store", "b.db"), ("'b.db' is not a store URL", "sqlite:///b.db")),
        (("run", "study.yaml", "--store", "mysql://h/d"), ("mysql", "not supported", "sqlite:///")),
        (("run", "study.yaml", "--store", "sqlite:///no/b.db"), ("there is no folder no", "mkdir -p")),
        (("run", "study.yaml", "--store", ""), ("the URL of the store is empty",)),
        (("run", "study.yaml", "--set", "training.device=cuda:7"), ("'cuda:7'", "training.device=cpu")),
        (("status",), ("no store at sqlite:///ballast.db", "ballast run STUDY.yaml")),
        (("db", "check"), ("no store at sqlite:///ballast.db",)),
        (("dashboard",), ("no store at sqlite:///ballast.db",)),
        (("dashboard", "--port", "x"), ("--port", "integer")),
        (("trials", "small", "--verdict", "good"), ("--verdict", "'good'", "accepted")),
        (("export", "small"), ("--output",)),
        (("launch",), ("launch",)),
    ],
)  # fmt: skip
def test_all_that_is_wrong_with_a_request_is_reported_at_once(
    write_study: "WriteStudy", ballast: "Ballast", arguments: tuple[object, ...], parts: tuple[str, ...]
) -> None:
    write_study()
    Path("broken.yaml").write_text("study: {name: [")
    _says(ballast(*arguments), 2, *parts)


def test_a_wrong_request_that_we_see_ourselves_is_one_line_each(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    write_study()
    wrong = ballast("run", "study.yaml", "--set", "models.gru.a=1", "--set", "study.trials=x", "--set", "b=1")
    assert len(wrong.told) == 3
    assert all("--set" in line for line in wrong.told)


@pytest.mark.slow
def test_unknown_studies_and_trials_are_reported_with_those_that_exist(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    assert ballast("run", write_study().name, "--trials", 1, "--set", "training.epochs=1").code == 0
    for command in (("status",), ("trials",), ("explain",), ("export", "-o", "x.yaml")):
        name, *rest = command
        _says(ballast(name, "smal", *rest), 2, "no study 'smal'", "did you mean 'small'")
    _says(ballast("explain", "small", "--trial", 7), 2, "no trial 7", "ballast trials small")
    _says(ballast("export", "small", "-o", "x.yaml", "--trial", 7), 2, "no trial 7")
    _says(ballast("export", "small", "-o", "x.yaml", "--top", 5), 1, "1 accepted trial, 5 cannot be exported")
    _says(ballast("export", "small", "-o", "no/x.yaml"), 2, "there is no folder no", "mkdir -p no")
    _says(ballast("export", "small", "-o", "."), 2, "it is a folder")
    _says(ballast("export", "small", "-o", "x.yaml", "--top", 2, "--trial", 0), 2, "--top")
    assert not Path("x.yaml").exists()


@pytest.fixture
def small(write_study: "WriteStudy", ballast: "Ballast") -> str:
    """A study with one trial in `ballast.db`; the path of its file."""
    path = write_study(training={"epochs": 1}).name
    assert ballast("run", path, "--trials", 1).code == 0
    return path


def _trials() -> int:
    store = open_store("sqlite:///ballast.db")
    try:
        return len(query.trials(store, "small"))
    finally:
        store.close()


@pytest.mark.slow
def test_a_locked_store_is_one_sentence_and_loses_no_trial(
    small: str, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALLAST_SQLITE_TIMEOUT", "0.05")
    holder = sqlite3.connect("ballast.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    _says(ballast("run", small, "--trials", 2), 2, "another process holds the lock", "BALLAST_SQLITE_TIMEOUT")
    assert ballast("status", "small").code == 0
    holder.execute("ROLLBACK")
    holder.close()
    again = ballast("run", small, "--trials", 2)
    assert again.code == 0, again.err
    assert _trials() == 2
    assert ballast("db", "check").code == 0


def test_a_store_that_cannot_be_written_is_one_sentence(
    small: str, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = sqlite3.connect

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = genuine(*arguments, **named)
        connection.execute("PRAGMA query_only=ON")
        return connection

    with monkeypatch.context() as patched:
        patched.setattr("sqlite3.dbapi2.connect", connect)
        _says(ballast("run", small, "--trials", 2), 2, "it can only be read", "--store")
    assert ballast("run", small, "--trials", 2).code == 0


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(
    small: str, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = sqlite3.connect
    pages = Path("ballast.db").stat().st_size // 4096

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = genuine(*arguments, **named)
        connection.execute(f"PRAGMA max_page_count={pages + 1}")
        return connection

    with monkeypatch.context() as patched:
        patched.setattr("sqlite3.dbapi2.connect", connect)
        _says(ballast("run", small, "--trials", 60), 2, "the disk is full", "free some space")
    done = _trials()
    monkeypatch.setattr(liveness, "is_dead", lambda worker: True)  # in life another process goes on
    again = ballast("run", small, "--trials", done + 1)
    assert again.code == 0, again.err
    assert _trials() > done
    checked = ballast("db", "check")
    assert checked.code == 0, checked.out


def test_a_changed_study_is_one_sentence(small: str, write_study: "WriteStudy", ballast: "Ballast") -> None:
    path = write_study(training={"epochs": 2}).name
    changed = ballast("run", path)
    _says(changed, 2, "training.epochs was 1, is 2", "--name small-2")
    assert len(changed.told) == 1


def test_a_port_that_is_taken_is_one_sentence(small: str, ballast: "Ballast") -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        _says(ballast("dashboard", "--port", port), 2, f"cannot listen on 127.0.0.1:{port}", "--port 0")


def test_a_port_that_is_none_is_one_sentence(small: str, ballast: "Ballast") -> None:
    _says(ballast("dashboard", "--port", 70000), 2, "127.0.0.1:70000", "from 0 to 65535")


def test_a_plain_number_is_a_time_in_seconds(write_study: "WriteStudy", ballast: "Ballast") -> None:
    assert ballast("run", write_study().name, "--timeout", "0.001").code == 0
    assert "the time is up" in ballast("run", "study.yaml", "--timeout", "0.001").out


def test_a_file_that_is_no_database_is_one_sentence(write_study: "WriteStudy", ballast: "Ballast") -> None:
    Path("ballast.db").write_text("this is a diary, not a database " * 200)
    _says(ballast("run", write_study().name), 2, "no database at all", "--store")


def test_an_unexpected_error_is_a_bug_and_keeps_its_traceback() -> None:
    assert explain_failure(ZeroDivisionError("x"))[0] is None
