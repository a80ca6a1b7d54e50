"""Runs a command and looks at it from outside: wall and CPU time of it and of every process that it starts.

The CPU time of each process of the tree is read every 50 ms, which costs the command nothing and one core
about one per cent, so that it can be told afterwards for any two moments, by the same clock for everybody.
"""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

_EVERY_S = 0.05
_LOOK_FOR_CHILDREN_S = 0.25
_GONE_S = 30.0
"""How long the processes of a command may outlive it: Ray's do, by seconds."""


class CommandFailed(RuntimeError):
    """A command ended with an error; the message is the end of what it said."""


@dataclass
class Samples:
    """CPU seconds of each process so far, at moments in seconds since 1970."""

    _seen: dict[int, tuple[list[float], list[float]]] = field(default_factory=dict)

    def add(self, pid: int, moment: float, cpu: float) -> None:
        """Add one reading."""
        moments, readings = self._seen.setdefault(pid, ([], []))
        moments.append(moment)
        readings.append(cpu)

    def between(self, began: float, ended: float, pid: int | None = None) -> float:
        """CPU seconds of one process, or of all of them; between readings it is taken to grow evenly."""
        pids = self._seen if pid is None else [pid]
        return sum(self._at(ended, each) - self._at(began, each) for each in pids)

    def _at(self, moment: float, pid: int) -> float:
        moments, readings = self._seen.get(pid, ([0.0], [0.0]))
        return float(np.interp(moment, moments, readings, left=0.0))


@dataclass(frozen=True)
class Measured:
    """What a command took, in seconds, and what it printed."""

    wall: float
    cpu: float
    """User and system time of every process of the tree."""
    others: float
    """Cores that were busy with anything else meanwhile, on average."""
    printed: str
    samples: Samples


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Measured:
    """Run a command in `folder` to its end, and wait for what it leaves behind.

    The system accounts the CPU time of every process that its parent has waited for. Ray's actors are waited
    for by nobody, so that what was sampled counts where it is more. Raises CommandFailed.
    """
    busy, began = _busy(), time.time()
    with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err)
        watch = _Watch(process.pid)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            watch.ended.set()
    wall = time.time() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.join()
    if process.returncode != 0:
        raise CommandFailed((folder / "stderr").read_text()[-2000:])
    sampled = watch.samples.between(began, time.time())
    cpu = max(usage.ru_utime + usage.ru_stime, sampled)
    return Measured(
        wall=wall,
        cpu=cpu,
        others=max(0.0, (_busy() - busy - cpu) / (time.time() - began)),
        printed=(folder / "stdout").read_text(),
        samples=watch.samples,
    )


class _Watch(threading.Thread):
    """Samples a process and its descendants until it has ended and they are gone."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.samples, self.ended = Samples(), threading.Event()
        self._root = psutil.Process(pid)
        self._known = {self._root.pid: self._root}

    def run(self) -> None:
        looked = 0.0
        while not self.ended.wait(_EVERY_S):
            if time.monotonic() - looked >= _LOOK_FOR_CHILDREN_S:
                looked = time.monotonic()
                with suppress(psutil.NoSuchProcess):
                    self._known.update({each.pid: each for each in self._root.children(recursive=True)})
            for process in list(self._known.values()):
                self._read(process)
        psutil.wait_procs(list(self._known.values()), timeout=_GONE_S)

    def _read(self, process: psutil.Process) -> None:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            del self._known[process.pid]
            return
        self.samples.add(process.pid, time.time(), times.user + times.system)


def _busy() -> float:
    """CPU seconds that this machine has worked since it started, or that its host took away from it."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + getattr(times, "steal", 0.0))
