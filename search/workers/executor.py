"""Where the workers of `ballast run` run: in this process, in others of this machine, or on a Ray cluster."""

import itertools
import math
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from search.errors import RequestError

if TYPE_CHECKING:
    from search.signals import StopRequest
    from search.study.studies import OpenStudy
    from search.workers.loop import RunEnd
    from search.workers.progress import Progress
    from search.workers.ray_cluster import WorkerResources

ExecutorKind = Literal["processes", "ray"]
MAX_WORKERS = 1024


@dataclass(frozen=True)
class ExecutorOptions:
    """The options of `ballast run` that decide where its workers run; None for one that is not given."""

    engine: ExecutorKind
    workers: int | None
    devices: str | None
    address: str | None
    cpus: float | None
    gpus: float | None
    proxy: str | None


class Executor(Protocol):
    """Runs the trials of a study: in processes of this machine, or on Ray."""

    @property
    def devices(self) -> tuple[str | None, ...]:
        """What this machine must have; None: the study's own device."""

    def ready(self, url: str) -> AbstractContextManager[None]:
        """While the block runs, workers of the store at `url` can be started."""

    def run(self, study: "OpenStudy", progress: "Progress", stop: "StopRequest") -> "RunEnd":
        """Run the study's trials to the end."""


def make_executor(options: ExecutorOptions) -> Executor:
    """RequestError for an option out of its range, or without an effect on this engine."""
    _require_ranges(options)
    return _ray_executor(options) if options.engine == "ray" else _local_executor(options)


def _require_ranges(options: ExecutorOptions) -> None:
    if options.engine not in get_args(ExecutorKind):
        raise RequestError(f"--engine {options.engine!r} is unknown; there are processes and ray")
    for name, value, low, high in (
        ("workers", options.workers, 1, MAX_WORKERS),
        ("cpus", options.cpus, 0, math.inf),
        ("gpus", options.gpus, 0, 1),
    ):
        is_number = isinstance(value, int | float)
        if value is not None and not (is_number and low <= value <= high):
            raise RequestError(f"--{name} {value!r} is out of range; it goes from {low} to {high}")


@dataclass(frozen=True)
class _LocalExecutor:
    """Runs a worker for each device: a single one in this process, several in processes of their own."""

    devices: tuple[str | None, ...]
    proxy: str | None

    def ready(self, url: str) -> AbstractContextManager[None]:
        return nullcontext()

    def run(self, study: "OpenStudy", progress: "Progress", stop: "StopRequest") -> "RunEnd":
        from search.workers.local_pool import run_local_workers
        from search.workers.loop import run_worker as run_trials

        if len(self.devices) == 1:
            return run_trials(study, progress, stop, device=self.devices[0])
        return run_local_workers(study, self.devices, progress, stop, proxy=self.proxy)


@dataclass(frozen=True)
class _RayExecutor:
    """Runs workers that Ray places; each finds out there which devices it has."""

    demand: "WorkerResources"
    address: str | None
    proxy: str | None
    devices: tuple[str | None, ...] = ()

    def ready(self, url: str) -> AbstractContextManager[None]:
        from search.workers.ray_cluster import ray_cluster

        return ray_cluster(self.address, url, self.demand)

    def run(self, study: "OpenStudy", progress: "Progress", stop: "StopRequest") -> "RunEnd":
        from search.workers.ray_pool import run_on_ray

        return run_on_ray(study, self.demand, progress, stop, proxy=self.proxy)


def _local_executor(options: ExecutorOptions) -> _LocalExecutor:
    for option in ("address", "cpus", "gpus"):
        value = getattr(options, option)
        if value is not None:
            raise RequestError(f"--{option} {value} is for workers on Ray; add --engine ray, or leave it out")
    return _LocalExecutor(_worker_devices(options.workers, options.devices), options.proxy)


def _worker_devices(workers: int | None, devices: str | None) -> tuple[str | None, ...]:
    """A device for each worker, in turn; without a number, as many workers as devices."""
    named: list[str | None] = [None] if devices is None else [part.strip() for part in devices.split(",")]
    if "" in named:
        raise RequestError(f"--devices {devices!r} names an empty device; write them as in --devices cpu,cpu")
    return tuple(itertools.islice(itertools.cycle(named), workers or len(named)))


def _ray_executor(options: ExecutorOptions) -> _RayExecutor:
    from search.workers.ray_cluster import WorkerResources

    if options.devices is not None:
        raise RequestError(
            f"--devices {options.devices} names devices of this machine; on Ray, ask for them with --gpus"
        )
    cpus = 1.0 if options.cpus is None else options.cpus
    demand = WorkerResources(options.workers or 1, cpus, options.gpus or 0.0)
    return _RayExecutor(demand, options.address or os.environ.get("RAY_ADDRESS"), options.proxy)
