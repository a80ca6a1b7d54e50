"""A real Ray cluster of several nodes on this machine, all of it on 127.0.0.1."""

import os
import signal
from typing import Any

import psutil

_LEAST_MEMORY = 80_000_000


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
