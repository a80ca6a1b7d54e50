"""Starts several workers of one study on this machine, and lets none outlive it.

Each is `ballast worker NAME`, a process with one training thread. The store's URL, which may hold a password,
goes to it in the environment: a command line can be read by everybody.
"""

import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from search import child_process
from search.data.study_data import store_study_folds
from search.study.studies import OpenStudy
from search.workers.loop import RunEnd
from search.workers.pool import run_pool
from search.workers.progress import Progress

log = logging.getLogger("ballast.workers")

_QUICK_DEATH_S = 20.0
_QUICK_DEATHS = 3


def run_local_workers(
    study: OpenStudy,
    devices: Sequence[str | None],
    progress: Progress,
    should_stop: Callable[[], bool],
    *,
    proxy: str | None = None,
) -> RunEnd:
    """Run one worker process for each of `devices` (None: the study's) until the study ends.

    AnswerIsNo if every worker failed, with what the last one said.
    """
    timeout = study.resolved.file.study.timeout
    deadline = None if timeout is None else time.monotonic() + timeout
    store_study_folds(
        study.resolved, study.data, study.files, study.key
    )  # and audited: none of them has to do it again
    posts = [_WorkerSlot(study, index, device, proxy, deadline) for index, device in enumerate(devices)]
    return run_pool(study, _LocalPool(posts), progress, should_stop)


@dataclass
class _WorkerSlot:
    """One worker's place: whoever holds it now, and how the last one left it."""

    study: OpenStudy
    index: int
    device: str | None
    proxy: str | None
    deadline: float | None
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    quick_deaths: int = 0
    end: RunEnd | None = None
    failure: str | None = None

    @property
    def log_path(self) -> Path:
        return self.study.files.worker_log(self.index)

    def fill(self) -> None:
        """Start a worker."""
        command = child_process.command("worker", "--json", "--attached", str(os.getpid()))
        command += ["--wait"]  # for a store that is away: it was there, and this process waits for it too
        command += [] if self.device is None else ["--device", self.device]
        command += [] if self.proxy is None else ["--proxy", self.proxy]
        if self.deadline is not None:
            command += ["--time-left", str(max(0.0, self.deadline - time.monotonic()))]
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("a") as said:
            self.process = subprocess.Popen(
                [*command, "--", self.study.name],
                env=child_process.environment(BALLAST_STORE=self.study.store.url),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                start_new_session=True,  # Ctrl-C is for this process, which passes it on
            )
        self.started = time.monotonic()

    def look(self, stopping: bool) -> bool:
        """Whether somebody is at work here; a worker that was killed is replaced."""
        if self.process is None or self.process.poll() is None:
            return self.process is not None
        code, out = self.process.returncode, self.process.communicate()[0]
        self.process = None
        if code < 0 and not stopping:
            return self._replace(-code)
        if code in (0, 130) and out.strip():
            self.end = RunEnd(**json.loads(out))
        elif code > 0:
            self.failure = _last_words(self.log_path)
            log.warning("worker %d gave up: %s", self.index, self.failure)
        return False

    def _replace(self, number: int) -> bool:
        quick = time.monotonic() - self.started < _QUICK_DEATH_S
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        name = signal.Signals(number).name
        if self.quick_deaths == _QUICK_DEATHS:
            self.failure = f"{_QUICK_DEATHS} workers in a row were killed by {name} as soon as they had begun"
            log.warning("worker %d: %s", self.index, self.failure)
            return False
        log.warning("worker %d was killed by %s; another takes its place", self.index, name)
        self.fill()
        return True


@dataclass
class _LocalPool:
    """The crew of `search.workers.pool.run_pool` whose workers are processes of this machine."""

    posts: Sequence[_WorkerSlot]
    stopping: bool = field(default=False, init=False)

    def __enter__(self) -> "_LocalPool":
        for post in self.posts:
            post.fill()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for post in self.posts:
            if post.process is not None:
                post.process.kill()
                post.process.communicate()

    def is_at_work(self) -> bool:
        """Whether anybody is; a worker that was killed is replaced."""
        at_work = [post.look(self.stopping) for post in self.posts]  # every post, not up to the first
        return any(at_work)

    def stop(self) -> None:
        """Ask every worker to end its trial."""
        self.stopping = True
        for post in self.posts:
            if post.process is not None:
                post.process.terminate()

    def end(self) -> RunEnd | None:
        """What the worker that saw the study last says of it."""
        ends = [post.end for post in self.posts if post.end is not None]
        return max(ends, key=lambda end: end.done, default=None)

    def failure(self) -> str:
        """What the last one that failed says of it, and where it says more."""
        failed = [post for post in self.posts if post.failure is not None]
        return f"{failed[-1].failure}; see {failed[-1].log_path}" if failed else "nothing"


def _last_words(path: Path) -> str:
    lines = [line.removeprefix("ballast: ") for line in path.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line.strip()), "nothing")
