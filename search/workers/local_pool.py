"""Starts several workers of one study on this machine, and ends them when this process ends.

Each worker is a process `ballast worker NAME` with one training thread. It gets the store's URL, which may
hold a password, in the environment, because any user of the machine can read a command line.
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
_MAX_QUICK_DEATHS = 3


def run_local_workers(
    study: OpenStudy,
    devices: Sequence[str | None],
    progress: Progress,
    should_stop: Callable[[], bool],
    *,
    proxy: str | None = None,
) -> RunEnd:
    """Run one worker process for each of `devices` (None: the study's) until the study ends.

    AnswerIsNo, with the message of the last worker, if every worker failed.
    """
    timeout = study.resolved.file.study.timeout
    deadline = None if timeout is None else time.monotonic() + timeout
    # The data is audited, and the workers read it as it is stored here.
    store_study_folds(study.resolved, study.data, study.files, study.key)
    slots = [_WorkerSlot(study, index, device, proxy, deadline) for index, device in enumerate(devices)]
    return run_pool(study, _LocalPool(slots), progress, should_stop)


@dataclass
class _WorkerSlot:
    """One worker of the pool: the process that runs now, and how the last one ended."""

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

    def start_worker(self) -> None:
        """Start a worker."""
        command = child_process.command("worker", "--json", "--attached", str(os.getpid()))
        command += ["--wait"]  # if the store is away: this process waits for it too
        command += [] if self.device is None else ["--device", self.device]
        command += [] if self.proxy is None else ["--proxy", self.proxy]
        if self.deadline is not None:
            command += ["--time-left", str(max(0.0, self.deadline - time.monotonic()))]
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("a") as log_file:
            self.process = subprocess.Popen(
                [*command, "--", self.study.name],
                env=child_process.environment(BALLAST_STORE=self.study.store.url),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
                start_new_session=True,  # Ctrl-C goes to this process, which passes it on
            )
        self.started = time.monotonic()

    def poll(self, stopping: bool) -> bool:
        """Whether the worker is running; one that was killed is replaced."""
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
        if self.quick_deaths == _MAX_QUICK_DEATHS:
            self.failure = (
                f"{_MAX_QUICK_DEATHS} workers in a row were killed by {name} as soon as they had begun"
            )
            log.warning("worker %d: %s", self.index, self.failure)
            return False
        log.warning("worker %d was killed by %s; another takes its place", self.index, name)
        self.start_worker()
        return True


@dataclass
class _LocalPool:
    """A `WorkerPool` whose workers are processes of this machine."""

    slots: Sequence[_WorkerSlot]
    stopping: bool = field(default=False, init=False)

    def __enter__(self) -> "_LocalPool":
        for slot in self.slots:
            slot.start_worker()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for slot in self.slots:
            if slot.process is not None:
                slot.process.kill()
                slot.process.communicate()

    def is_at_work(self) -> bool:
        """Whether any worker is running; one that was killed is replaced."""
        at_work = [
            slot.poll(self.stopping) for slot in self.slots
        ]  # polls every slot, not only up to the first
        return any(at_work)

    def stop(self) -> None:
        """Ask every worker to end its trial."""
        self.stopping = True
        for slot in self.slots:
            if slot.process is not None:
                slot.process.terminate()

    def end(self) -> RunEnd | None:
        """The end reported by the worker that saw the study last."""
        ends = [slot.end for slot in self.slots if slot.end is not None]
        return max(ends, key=lambda end: end.done, default=None)

    def failure(self) -> str:
        """The message of the worker that failed last, and the path of its log."""
        failed = [slot for slot in self.slots if slot.failure is not None]
        return f"{failed[-1].failure}; see {failed[-1].log_path}" if failed else "nothing"


def _last_words(path: Path) -> str:
    lines = [line.removeprefix("ballast: ") for line in path.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line.strip()), "nothing")
