"""Runs the workers of a study on a Ray cluster. Ray decides on which nodes; all state is in the shared store.

A worker is one Ray task in a process of its own, and does what `ballast worker` does. If it dies with its
node, Ray starts it on another, and its trial is taken over like that of any dead worker.

Anyone who can open Ray's dashboard or logs sees the names of tasks, their environments and the command line
of this process. So the store's URL, which may hold a password, is passed as an argument of the task.
"""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from sqlalchemy import make_url

from search import child_process
from search.study.studies import OpenStudy
from search.workers.join import JoinTarget, join_and_work
from search.workers.loop import RunEnd
from search.workers.pool import run_pool
from search.workers.progress import Progress
from search.workers.ray_cluster import WorkerResources
from storage.commands import mask_passwords
from storage.urls import is_sqlite, sqlite_file
from trainer.text import PlainFormatter

log = logging.getLogger("ballast.workers")

_RESTARTS = 20
"""How often Ray restarts one worker. Rented machines come and go, so some restarts are normal; the limit ends
a worker that always dies at its start, which takes about five seconds each time."""


def run_on_ray(
    study: OpenStudy,
    needed: WorkerResources,
    progress: Progress,
    should_stop: Callable[[], bool],
    *,
    proxy: str | None = None,
) -> RunEnd:
    """Run workers on the connected cluster until the study ends; AnswerIsNo if every one failed."""
    target = JoinTarget(_absolute_url(study.store.url), study.name, device=needed.device, proxy=proxy)
    return run_pool(study, _RayPool(study, target, needed), progress, should_stop)


def ray_task_of(home: str, current: str) -> "Callable[[dict[str, Any]], RunEnd | str]":
    """The function that Ray runs: `run_ray_worker`, with `current`, this process's folder, removed from the
    path.

    Ray puts `current` first on the worker's path, and a file in it may have the name of one of Ballast's
    packages, which are in `home`. Ray sends a nested function as code; for any other function, or for a
    `JoinTarget`, the worker would have to import Ballast's packages first.
    """

    def task(target: "dict[str, Any]") -> "RunEnd | str":
        sys.path[:] = [entry for entry in sys.path if entry != current or entry == home]
        from search.workers.join import JoinTarget
        from search.workers.ray_pool import run_ray_worker

        return run_ray_worker(JoinTarget(**target))

    return task


def run_ray_worker(target: JoinTarget) -> RunEnd | str:
    """Be one worker in a process that Ray started; returns how the study ended, or why the worker failed."""
    from search.failures import explain_failure
    from search.signals import stop_request
    from search.workers.progress import LogProgress, set_run_log_level

    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    set_run_log_level(verbose=False)
    try:
        with stop_request() as stop:
            return join_and_work(target, LogProgress(), stop, wait=True)
    except Exception as error:
        sentence, _ = explain_failure(error)
        if sentence is None:
            raise
        return sentence


@dataclass
class _RayPool:
    """A `WorkerPool` whose workers are tasks on the connected Ray cluster."""

    study: OpenStudy
    target: JoinTarget
    needed: WorkerResources
    _tasks: list[Any] = field(default_factory=list, init=False)
    _ends: list[RunEnd] = field(default_factory=list, init=False)
    _failure: str = field(default="nothing", init=False)

    def __enter__(self) -> "_RayPool":
        import ray

        # One worker per process (max_calls=1): memory that a trial leaves behind, above all on a GPU, ends
        # with it.
        task = ray.remote(
            num_cpus=self.needed.cpus,
            num_gpus=self.needed.gpus,
            scheduling_strategy="SPREAD",
            max_calls=1,
            max_retries=_RESTARTS,
        )(ray_task_of(child_process.HOME, os.getcwd())).options(name="ballast worker")
        self._tasks = [task.remote(vars(self.target)) for _ in range(self.needed.workers)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        for task in self._tasks:
            ray.cancel(task, force=True)

    def is_at_work(self) -> bool:
        """Whether any task is running or waits for a node."""
        import ray

        ready, self._tasks = ray.wait(self._tasks, num_returns=len(self._tasks), timeout=0)
        for task in ready:
            self._collect(task)
        return bool(self._tasks)

    def stop(self) -> None:
        """Ask every worker to end its trial, with a Ctrl-C from Ray. A waiting task never starts."""
        import ray

        for task in self._tasks:
            ray.cancel(task)

    def end(self) -> RunEnd | None:
        """The end reported by the worker that saw the study last."""
        return max(self._ends, key=lambda end: end.done, default=None)

    def failure(self) -> str:
        """The message of the worker that failed last."""
        return self._failure

    def _collect(self, task: Any) -> None:
        import ray

        try:
            outcome = ray.get(task)
        except ray.exceptions.TaskCancelledError:
            return
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            message = f"{type(cause).__name__}: {cause}".splitlines()[0]
            outcome = f"{mask_passwords(message)}; Ray's logs have more"
        if isinstance(outcome, RunEnd):
            self._ends.append(outcome)
        else:
            self._failure = outcome
            log.warning("a worker gave up: %s", outcome)


def _absolute_url(url: str) -> str:
    """The URL of the same store for a process in another folder: the path of an SQLite file made absolute."""
    address = make_url(url)
    if not is_sqlite(address):
        return url
    absolute = address.set(database=str(sqlite_file(address).absolute()))
    return absolute.render_as_string(hide_password=False)
