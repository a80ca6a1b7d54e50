"""Small studies, and real Ray clusters of several nodes on this machine, all of it on 127.0.0.1."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ray.small_cluster import SmallCluster
from tests.search_fixtures import ballast, isolated_home, write_study

__all__ = ["ballast", "isolated_home", "write_study"]


@pytest.fixture
def ray_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where Ray leaves its files and its token; a short path, for the sake of its sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # listen on 127.0.0.1 alone
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cluster(ray_home: Path) -> Iterator[SmallCluster]:
    cluster = SmallCluster()
    yield cluster
    cluster.shutdown()
