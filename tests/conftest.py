"""A fresh store on each backend, for whichever tests ask for one."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import make_url

from benchmarks.postgres import PostgresServer, execute

pytest.register_assert_rewrite(
    "tests.search_fixtures",
    "tests.trainer.fit_fixtures",
    "tests.trainer.training.checkpoint.interrupted_trial",
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server on which databases may be made: BALLAST_TEST_POSTGRES, else one of our own."""
    given = os.environ.get("BALLAST_TEST_POSTGRES")
    if given is not None:
        yield given
        return
    with PostgresServer() as server:
        yield server.url()


_numbers = count()


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The URL, with a password in it, of a database that is empty and this test's alone."""
    name = f"ballast_test_{os.getpid()}_{next(_numbers)}"
    execute(postgres, f"CREATE DATABASE {name}")
    yield make_url(postgres).set(database=name).render_as_string(hide_password=False)
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that is not there yet, on each backend in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ballast.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A running server that a test may stop, kill and start."""
    with PostgresServer() as server:
        yield server
