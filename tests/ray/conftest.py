"""Small studies, and real Ray clusters of several nodes on this machine, all of it on 127.0.0.1."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.search.conftest import _home, ballast, write_study

__all__ = ["_home", "ballast", "write_study"]

_LEAST_MEMORY = 80_000_000


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


class SmallCluster:
    """A head without a CPU, and the nodes that a test adds to it."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster()
        self.add_node(0)

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add_node(self, cpus: int, gpus: int = 0) -> Any:
        return self._cluster.add_node(
            num_cpus=cpus,
            num_gpus=gpus,
            node_ip_address="127.0.0.1",
            object_store_memory=_LEAST_MEMORY,
            include_dashboard=False,
        )

    def processes(self, node: Any) -> set[int]:
        """The ids of a node's processes, of its workers above all."""
        (raylet,) = node.all_processes["raylet"]
        return {child.pid for child in psutil.Process(raylet.process.pid).children(recursive=True)}

    def kill(self, node: Any) -> None:
        """Kill a node and its workers, as a power cut would."""
        for pid in self.processes(node):
            os.kill(pid, signal.SIGKILL)
        self._cluster.remove_node(node, allow_graceful=False)

    def shutdown(self) -> None:
        self._cluster.shutdown()


@pytest.fixture
def cluster(ray_home: Path) -> Iterator[SmallCluster]:
    cluster = SmallCluster()
    yield cluster
    cluster.shutdown()
