"""Connects to a Ray cluster, or starts one, and checks beforehand that the workers can run on it."""

import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from sqlalchemy import make_url

from search.errors import RequestError
from storage.commands import mask_passwords
from storage.urls import is_sqlite

log = logging.getLogger("ballast.workers")

_CONNECT_TIMEOUT_S = 5.0
_OBJECT_STORE = 80_000_000
"""Bytes: slightly above Ray's minimum of 75 MiB. Nothing is stored in it."""
_PRIVATE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""For a cluster that Ballast starts. The first makes Ray listen on 127.0.0.1 only, despite its name; the
second switches off usage reports."""


@dataclass(frozen=True)
class WorkerResources:
    """How many workers, and what each needs: CPUs, and a share of a GPU (0 to 1)."""

    workers: int
    cpus: float = 1.0
    gpus: float = 0.0

    @property
    def device(self) -> str | None:
        """The worker's device; None: the study's. Ray lets a worker see only the GPU that it may use."""
        return "cuda" if self.gpus else None

    def __str__(self) -> str:
        return f"--cpus {self.cpus:g} --gpus {self.gpus:g}"


@contextmanager
def ray_cluster(address: str | None, url: str, needed: WorkerResources) -> Iterator[None]:
    """While the block runs, be connected to the cluster at `address`; None starts one on this machine.

    Raises RequestError if Ray is not installed, the cluster cannot be reached, none of its nodes is large
    enough, Ray would show a password, or other machines would need the SQLite file of this one.
    """
    if not has_ray():
        raise RequestError('--engine ray needs Ray; run: pip install "ballast-gru[ray]"')
    require_hidden_passwords(sys.argv)
    _connect(address)
    import ray

    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        require_store_reachable(url, [node["NodeManagerHostname"] for node in nodes])
        _require_capacity([node["Resources"] for node in nodes], needed, may_grow=address is not None)
        yield
    finally:
        ray.shutdown()


def has_ray() -> bool:
    """Whether Ray is installed; a mere folder named `ray` does not count."""
    found = find_spec("ray")
    return found is not None and found.origin is not None


def worker_capacity(nodes: Sequence[Mapping[str, float]], needed: WorkerResources) -> float:
    """How many workers fit on these nodes at the same time; a worker's share of a GPU is on one GPU."""
    by_cpu = [_fits(node.get("CPU", 0), needed.cpus) for node in nodes]
    by_gpu = [_fits(1, needed.gpus) * node.get("GPU", 0) if needed.gpus else math.inf for node in nodes]
    return sum(min(pair) for pair in zip(by_cpu, by_gpu, strict=True))


def _connect(address: str | None) -> None:
    """Join the cluster at `address`, or start one. RequestError if it cannot be reached."""
    options: dict[str, Any] = {"address": address}
    if address is None:
        os.environ.update({name: os.environ.get(name, value) for name, value in _PRIVATE.items()})
        options = {"address": "local", "include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    else:
        require_address_answers(address)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    import ray

    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError) as error:
        raise RequestError(
            f"no Ray cluster at {address}: {mask_passwords(str(error))}; one that asks for a token, as "
            f"those of "
            "`ray start` do, needs the same RAY_AUTH_MODE and RAY_AUTH_TOKEN here"
        ) from None
    finally:
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own handler would end this process at once


def require_address_answers(address: str) -> None:
    """RequestError if nothing answers at the address; Ray itself would try for two minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise RequestError(
            f"{address!r} is no address of a Ray cluster; write HOST:PORT, as in 10.0.0.5:6379, or auto"
        )
    try:
        socket.create_connection((host, int(port)), _CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise RequestError(
            f"no Ray cluster answers at {address} ({error}); start one with: ray start --head"
        ) from None


def require_hidden_passwords(arguments: Sequence[str]) -> None:
    """RequestError if the command line contains a password."""
    if any(mask_passwords(argument) != argument for argument in arguments):
        raise RequestError(
            "the command line holds a password, and Ray shows it in its list of jobs; "
            "give the store's URL in BALLAST_STORE instead"
        )


def require_store_reachable(url: str, machines: Sequence[str]) -> None:
    """RequestError if the store is a file of this machine and some of these hosts are other machines."""
    others = sorted(set(machines) - {socket.gethostname()})
    if is_sqlite(make_url(url)) and others:
        raise RequestError(
            f"{url} is a file of this machine, which other machines of the Ray cluster ({', '.join(others)}) "
            "cannot share; use a store in PostgreSQL, or leave --address out"
        )


def _require_capacity(
    nodes: Sequence[Mapping[str, float]], needed: WorkerResources, *, may_grow: bool
) -> None:
    """Log it if workers will have to wait for a node; RequestError if they would wait for ever."""
    capacity = worker_capacity(nodes, needed)
    if capacity >= needed.workers:
        return
    if capacity:
        log.info("%d of %d workers find a place on the Ray cluster; others wait", capacity, needed.workers)
    elif may_grow:
        log.warning("no worker with %s finds a place on the Ray cluster; they wait for a larger node", needed)
    else:
        raise RequestError(
            f"no worker with {needed} finds a place on this machine; ask for less, "
            "or name a larger Ray cluster with --address"
        )


def _fits(has: float, needs: float) -> float:
    return math.floor(has / needs + 1e-9) if needs else math.inf
