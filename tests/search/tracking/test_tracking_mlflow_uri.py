"""Where MLflow is: what comes before what, what is refused, and no password anywhere."""

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.config.resolve import resolve, resolve_recorded
from search.errors import RequestError
from search.record.row_mapping import without_password
from search.tracking.mlflow_client import mlflow_environment
from search.tracking.mlflow_uri import (
    MLFLOW_URI_VARIABLE,
    check_mlflow_uri,
    mlflow_uri_of_study,
    resolve_mlflow_uri,
)
from storage.engine import Store

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

KEY = "tracking.mlflow.uri"
SECRET = "s3cr%40t"
AWAY = f"http://ada:{SECRET}@127.0.0.1:9"
FILE, SET, OTHER = "http://file:1", "http://set:2", "http://environment:3"


def test_the_environment_comes_before_the_study_file_and_is_on_record(
    write_study: "WriteStudy", monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = resolve(write_study(tracking={"mlflow": {"uri": FILE}}))
    assert resolve_mlflow_uri(resolved) == (resolved, FILE)
    monkeypatch.setenv(MLFLOW_URI_VARIABLE, OTHER)
    placed, uri = resolve_mlflow_uri(resolved)
    assert uri == OTHER
    setting = placed.settings[KEY]
    assert (setting.value, setting.layer, setting.origin) == (OTHER, "cli", MLFLOW_URI_VARIABLE)
    assert setting.reason == f"{MLFLOW_URI_VARIABLE} comes before the study file"
    again = resolve_recorded(placed.sources)
    assert again.settings[KEY] == setting


def test_a_set_comes_before_the_study_file_and_two_that_differ_are_refused(
    write_study: "WriteStudy", monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = resolve(write_study(tracking={"mlflow": {"uri": FILE}}), [f"{KEY}={SET}"])
    assert resolve_mlflow_uri(resolved) == (resolved, SET)
    monkeypatch.setenv(MLFLOW_URI_VARIABLE, SET)
    assert resolve_mlflow_uri(resolved) == (resolved, SET)
    monkeypatch.setenv(MLFLOW_URI_VARIABLE, OTHER)
    with pytest.raises(
        RequestError, match=f"{KEY}={SET} and {MLFLOW_URI_VARIABLE} name two addresses of MLflow"
    ):
        resolve_mlflow_uri(resolved)


def test_without_any_there_is_none(write_study: "WriteStudy") -> None:
    resolved = resolve(write_study())
    assert resolve_mlflow_uri(resolved) == (resolved, None)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5000",
        "https://ada:x@mlflow.example/below",
        "sqlite:///mlflow.db",
        "postgresql+psycopg://db/mlflow",
    ],
)
def test_a_server_and_a_database_are_addresses(uri: str) -> None:
    assert check_mlflow_uri(uri) == uri


@pytest.mark.parametrize(
    "uri",
    ["", "localhost:5000", "./mlruns", "file:///mlruns", "http://", "databricks", "http://a:b:c/", "ftp://a"],
)
def test_anything_else_is_refused_before_a_trial_is_run(
    uri: str, write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    with pytest.raises(RequestError, match="is no address of MLflow that Ballast can send to; name a server"):
        check_mlflow_uri(uri)
    if uri:
        told = ballast("run", write_study(), "--set", f"{KEY}={json.dumps(uri)}")
        assert (told.code, len(told.told)) == (2, 1)
        assert not Path("ballast.db").exists()


@pytest.mark.parametrize(
    ("store", "uri"),
    [
        ("sqlite:///ballast.db", "sqlite:///./ballast.db"),
        ("postgresql://ada:x@db/both", "postgresql+psycopg://bob:y@db:5432/both"),
    ],
)
def test_the_database_of_the_store_is_refused_before_anything_is_trained(
    write_study: "WriteStudy", store: str, uri: str
) -> None:
    resolved = resolve(write_study(), [f"storage.url={store}", f"{KEY}={uri}"])
    with pytest.raises(RequestError, match=r"is the store of the study, and MLflow wants a database of its"):
        resolve_mlflow_uri(resolved)
    apart = resolve(write_study(), [f"storage.url={store}", f"{KEY}={uri}2"])
    assert resolve_mlflow_uri(apart) == (apart, f"{uri}2")


def test_a_run_says_so_in_one_sentence(
    write_study: "WriteStudy", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MLFLOW_URI_VARIABLE, "sqlite:///mine.db")
    told = ballast("run", write_study(), "--store", "sqlite:///mine.db")
    assert (told.code, told.told) == (
        2,
        [
            "ballast: sqlite:///mine.db is the store of the study, and MLflow wants a database of its own; "
            "name another, such as sqlite:///mlflow.db"
        ],
    )
    assert not Path("mine.db").exists()


def test_a_study_without_an_mlflow_says_how_to_name_one(store: Store) -> None:
    with pytest.raises(RequestError, match="run ballast track small --mlflow http"):
        mlflow_uri_of_study(store, "small", None)
    assert mlflow_uri_of_study(store, "small", SET) == SET


def test_the_password_of_a_server_is_given_to_mlflow_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD", raising=False)
    with mlflow_environment(AWAY) as address:
        assert address == "http://127.0.0.1:9"
        assert os.environ["MLFLOW_TRACKING_USERNAME"] == "ada"
        assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "s3cr@t"
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"  # the user's own
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert "MLFLOW_TRACKING_PASSWORD" not in os.environ


@pytest.mark.slow
def test_a_password_is_nowhere_to_be_found(
    write_study: "WriteStudy", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    path = write_study(study={"trials": 1})
    monkeypatch.setenv(MLFLOW_URI_VARIABLE, AWAY)
    told = [
        ballast("run", path),
        ballast("explain", "small", "--key", KEY, "--json"),
        ballast("export", "small", "-o", "best.yaml"),
        ballast("track", "small"),
        ballast("track", "small", "--mlflow", AWAY.replace("http://", "nothing://")),
    ]
    assert [one.code for one in told] == [0, 0, 0, 1, 2]
    seen = "".join(one.out + one.err for one in told) + caplog.text
    files = (file for file in Path.cwd().rglob("*") if file.is_file())
    kept = "".join(file.read_bytes().decode(errors="replace") for file in files)
    assert "http://ada:***@127.0.0.1:9" in told[1].out
    assert "1 trial of study 'small' is not in MLflow (MLflow at http://127.0.0.1:9 does not answer)" in seen
    assert "s3cr" not in seen
    assert "s3cr" not in kept
    monkeypatch.delenv(MLFLOW_URI_VARIABLE)
    assert "is not on record; give it once more, in BALLAST_MLFLOW_URI" in ballast("track", "small").err


def test_mlflow_is_not_let_into_the_database_of_the_store(store: Store, ballast: "Ballast") -> None:
    """It would make its tables there, and then refuse it because of Optuna's."""
    told = ballast("track", "small", "--mlflow", "sqlite:///ballast.db")
    assert (told.code, told.out) == (1, "0 trials sent, 2 left, 0 in MLflow\n")
    assert "sqlite:///ballast.db holds studies of Ballast, and MLflow wants a database of its own" in told.err
    with sqlite3.connect("ballast.db") as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert "experiments" not in names


@pytest.mark.parametrize("sets", [[], [f"{KEY}={AWAY}"], [f"tracking={{mlflow: {{uri: '{AWAY}'}}}}"]])
def test_the_password_of_a_study_file_or_a_set_is_not_kept(
    write_study: "WriteStudy", sets: list[str]
) -> None:
    resolved = resolve(write_study(tracking={"mlflow": {"uri": AWAY}}), sets)
    setting = without_password(resolved.settings[KEY])
    assert setting.value == "http://ada:***@127.0.0.1:9"
    assert "s3cr" not in json.dumps(resolved.sources)
    assert "s3cr" not in repr(setting)
    assert resolved.file.tracking.mlflow.uri == AWAY
