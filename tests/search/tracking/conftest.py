"""MLflow on a SQLite file, without a server; a small study to send to it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.tracking.mlflow_client import connect_mlflow, mlflow_environment
from search.tracking.mlflow_uri import MLFLOW_URI_VARIABLE
from storage.engine import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from tests.search_fixtures import Launch, WriteStudy


@pytest.fixture(autouse=True)
def _no_mlflow_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MLFLOW_URI_VARIABLE, raising=False)


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its tables, which take it a second to make."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with mlflow_environment(f"sqlite:///{path}") as uri:
        connect_mlflow(uri).search_experiments()
    return path


@pytest.fixture
def uri(empty_mlflow: Path, tmp_path: Path) -> str:
    """A fresh MLflow; its files go to `mlruns` in the test's folder."""
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def client(uri: str) -> Iterator["MlflowClient"]:
    """To look what is there."""
    with mlflow_environment(uri) as address:
        yield connect_mlflow(address)


@pytest.fixture
def store(write_study: "WriteStudy", launch: "Launch") -> Store:
    """A study of two trials of two epochs each, `small`, that ran without MLflow."""
    return launch(write_study()).store
