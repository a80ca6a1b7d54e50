"""The small studies and the command line of the search's tests, for tests of the whole."""

import gc
from collections.abc import Iterator

import pytest

from tests.search_fixtures import ballast, isolated_home, launch, write_study

__all__ = ["ballast", "isolated_home", "launch", "write_study"]


@pytest.fixture(autouse=True)
def _connections_end_here() -> Iterator[None]:
    """A command leaves its connections to the end of its process; in this one they end with the test."""
    yield
    gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They are not closed first, of which psycopg warns."""
    for item in items:
        if "service" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("ignore:<psycopg.Connection object:ResourceWarning"))
