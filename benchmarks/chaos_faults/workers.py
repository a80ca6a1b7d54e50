"""The workers of one study: started, struck, and replaced when they have been killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.chaos_faults.faulty_worker import WARM, Moment, Order, obey, written
from benchmarks.chaos_faults.study import Scene

_DEADLINE_S = 180.0
"""For a study that takes seconds: what has not ended by then hangs."""
LOOK_S = 0.02


@cache
def context() -> ForkServerContext:
    """Processes that are forked from a clean one in which everything is imported."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(
        ["benchmarks.chaos_faults.faulty_worker", "benchmarks.chaos_faults.injections", *WARM]
    )
    return made


class Spawned:
    """A worker started as a program, for what must be there from a process's first moment."""

    def __init__(self, order: Order, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.chaos_faults.faulty_worker", written(order)],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
        )
        self.pid = self._process.pid

    @property
    def exitcode(self) -> int | None:
        """None while it runs; negative: the signal that killed it."""
        return self._process.poll()

    def join(self) -> None:
        """Wait for its end."""
        self._process.wait()


class Forked:
    """A worker forked from the server."""

    def __init__(self, order: Order) -> None:
        self._process = context().Process(target=obey, args=(order,))
        self._process.start()
        assert self._process.pid is not None, "it has been started"
        self.pid = self._process.pid

    @property
    def exitcode(self) -> int | None:
        """None while it runs; negative: the signal that killed it."""
        return self._process.exitcode

    def join(self) -> None:
        """Wait for its end."""
        self._process.join()


@dataclass
class Member:
    """One worker, and the moment it is to die in."""

    process: Forked | Spawned
    dies: Moment | None = None

    def strike(self, number: signal.Signals) -> bool:
        """Send a signal; whether it was still there."""
        if self.process.exitcode is not None:
            return False
        os.kill(self.process.pid, number)
        return True


@dataclass
class ChaosWorkers:
    """Whoever is at work on a scene; nobody is after the block."""

    scene: Scene
    order: Order
    environment: Mapping[str, str] | None = None
    """Of workers that are started as programs; None: they are forked."""
    elsewhere: bool = False
    """Whether each takes itself for the only one on its machine."""
    members: list[Member] = field(default_factory=list)
    hired: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, trace: TracebackType | None) -> None:
        for member in self.members:
            if member.strike(signal.SIGKILL):
                member.process.join()

    def hire(self, dies: Moment | None = None, asked: Moment | None = None) -> Member:
        """Start one more worker."""
        self.hired += 1
        machine = f"machine-{self.hired}" if self.elsewhere else None
        other_clock = "FAKETIME_TIMESTAMP_FILE" in (self.environment or {})
        order = replace(self.order, dies=dies, asked=asked, machine=machine, other_clock=other_clock)
        process = Forked(order) if self.environment is None else Spawned(order, self.environment)
        self.members.append(Member(process, dies))
        return self.members[-1]

    def ended(self) -> list[Member]:
        """Those that have ended since the last look."""
        gone = [member for member in self.members if member.process.exitcode is not None]
        self.members = [member for member in self.members if member not in gone]
        return gone

    def replace_the_killed(self) -> None:
        """One that was killed, or asked to stop, is followed by another, as by a supervisor."""
        for member in self.ended():
            if require_end(member, self.scene) != 0:
                self.hire()

    def finish(self, within_s: float = _DEADLINE_S) -> None:
        """Let whoever is at work bring the study to its end."""
        deadline = time.monotonic() + within_s
        while self.members:
            self.replace_the_killed()
            require_before(deadline, self.scene)
            time.sleep(LOOK_S)


def crew_of(scene: Scene, *, locked_s: float | None = None, command: tuple[str, ...] = ()) -> Order:
    """What each worker of a scene is started with; one that starts while the store is away waits for it."""
    waiting = ("worker", scene.name, "--wait")
    return Order(command or waiting, scene.url, log_of(scene.folder), locked_s=locked_s)


def log_of(folder: Path) -> Path:
    """Where all workers of a scene say what they say: not on their disk, which may be full."""
    return folder.with_name(f"{folder.name}.log")


def require_end(member: Member, scene: Scene) -> int:
    """How a worker ended: 0, 130, or by a signal; RuntimeError for anything else, with what it said."""
    code = member.process.exitcode
    if code is None or (code > 0 and code != 130):
        raise RuntimeError(f"a worker gave up with {code} instead of waiting: {last_words(scene)}")
    return code


def require_before(deadline: float, scene: Scene) -> None:
    """RuntimeError where a study takes too long."""
    if time.monotonic() > deadline:
        raise RuntimeError(f"the study in {scene.folder} does not end: {last_words(scene)}")


def last_words(scene: Scene) -> str:
    """The end of what the workers said."""
    log = log_of(scene.folder)
    return "\n" + "\n".join(log.read_text(errors="replace").splitlines()[-25:]) if log.exists() else "nothing"
