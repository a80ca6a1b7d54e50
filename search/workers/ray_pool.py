"""Places the workers of a study on a Ray cluster. Ray decides where; the shared store stays the truth.

A worker is one task of Ray's, in a process of its own. It knows what `ballast worker` knows, and does the
same; one that dies with its node is started on another, and its trial is taken over as any other is.

What Ray shows to whoever reaches its dashboard or its logs are the names of tasks, their environments and the
command line of the process that leads. So the store's URL, which may hold a password, travels as an argument.
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
"""Of one worker, by Ray: machines that are rented by the minute come and go, and one that dies as soon as it
has begun, which takes it about five seconds, does not do so for ever."""


def run_on_ray(
    study: OpenStudy,
    demand: WorkerResources,
    progress: Progress,
    should_stop: Callable[[], bool],
    *,
    proxy: str | None = None,
) -> RunEnd:
    """Run workers on the connected cluster until the study ends; AnswerIsNo if every one failed."""
    place = JoinTarget(_absolute(study.store.url), study.name, device=demand.device, proxy=proxy)
    return run_pool(study, _RayPool(study, place, demand), progress, should_stop)


def ray_task_of(home: str, current: str) -> "Callable[[dict[str, Any]], RunEnd | str]":
    """What Ray is to run: `run_ray_worker`, after `current`, the folder of this process, has left the
    worker's path.

    Ray puts it first, and a file in it may have the name of a package of ours, which lie in `home`. A nested
    function reaches the worker as code; any other, and a `JoinTarget`, would need our packages to be
    imported.
    """

    def task(told: "dict[str, Any]") -> "RunEnd | str":
        sys.path[:] = [entry for entry in sys.path if entry != current or entry == home]
        from search.workers.join import JoinTarget
        from search.workers.ray_pool import run_ray_worker

        return run_ray_worker(JoinTarget(**told))

    return task


def run_ray_worker(place: JoinTarget) -> RunEnd | str:
    """Be one worker, in a process that Ray has started: how the study ended, or why this worker gave up."""
    from search.failures import explain_failure
    from search.signals import stop_request
    from search.workers.progress import LogProgress, set_run_log_level

    told = logging.StreamHandler()
    told.setFormatter(PlainFormatter("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[told], level=logging.WARNING)
    set_run_log_level(verbose=False)
    try:
        with stop_request() as stop:
            return join_and_work(place, LogProgress(), stop, wait=True)
    except Exception as error:
        sentence, _ = explain_failure(error)
        if sentence is None:
            raise
        return sentence


@dataclass
class _RayPool:
    """The tasks of one study's workers."""

    study: OpenStudy
    place: JoinTarget
    demand: WorkerResources
    _tasks: list[Any] = field(default_factory=list, init=False)
    _ends: list[RunEnd] = field(default_factory=list, init=False)
    _failure: str = field(default="nothing", init=False)

    def __enter__(self) -> "_RayPool":
        import ray

        # One worker a process (max_calls): what a trial leaves in one, on its GPU above all, ends with it.
        task = ray.remote(
            num_cpus=self.demand.cpus,
            num_gpus=self.demand.gpus,
            scheduling_strategy="SPREAD",
            max_calls=1,
            max_retries=_RESTARTS,
        )(ray_task_of(child_process.HOME, os.getcwd())).options(name="ballast worker")
        self._tasks = [task.remote(vars(self.place)) for _ in range(self.demand.workers)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        for task in self._tasks:
            ray.cancel(task, force=True)

    def is_at_work(self) -> bool:
        """Whether any task is under way, or waits for its place."""
        import ray

        ready, self._tasks = ray.wait(self._tasks, num_returns=len(self._tasks), timeout=0)
        for task in ready:
            self._take_note(task)
        return bool(self._tasks)

    def stop(self) -> None:
        """Ray hands a worker a Ctrl-C; one that waits for its place never begins."""
        import ray

        for task in self._tasks:
            ray.cancel(task)

    def end(self) -> RunEnd | None:
        """What the worker that saw the study last says of it."""
        return max(self._ends, key=lambda end: end.done, default=None)

    def failure(self) -> str:
        """What the last one that failed says of it."""
        return self._failure

    def _take_note(self, task: Any) -> None:
        import ray

        try:
            left = ray.get(task)
        except ray.exceptions.TaskCancelledError:
            return
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            told = f"{type(cause).__name__}: {cause}".splitlines()[0]
            left = f"{mask_passwords(told)}; Ray's logs have more"
        if isinstance(left, RunEnd):
            self._ends.append(left)
        else:
            self._failure = left
            log.warning("a worker gave up: %s", left)


def _absolute(url: str) -> str:
    """The same store for a process that begins in another folder."""
    address = make_url(url)
    if not is_sqlite(address):
        return url
    absolute = address.set(database=str(sqlite_file(address).absolute()))
    return absolute.render_as_string(hide_password=False)
