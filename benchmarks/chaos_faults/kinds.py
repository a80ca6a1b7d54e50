"""The kinds of faults: what strikes, how often of 200 times, and on which stores it can."""

import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chaos_faults import injections as blows
from benchmarks.chaos_faults import moments
from benchmarks.chaos_faults.audit import Findings, audit
from benchmarks.chaos_faults.faulty_worker import Moment
from benchmarks.chaos_faults.moments import Step, steps
from benchmarks.chaos_faults.study import FEW, Scene, Undisturbed, set_scene
from benchmarks.chaos_faults.workers import (
    LOOK_S,
    ChaosWorkers,
    crew_of,
    require_before,
    require_end,
)
from benchmarks.chaos_faults.writers import EXPORTING, SAVING, Writer, strike
from benchmarks.postgres import PostgresServer

_CREW = 2
_STUDY_S = 120.0
_FAULTS_A_STUDY = 10
_STUDIES_A_KIND = 40


@dataclass(frozen=True)
class Kind:
    """One kind of fault: killed at one of `moments`, or struck by `blow` at random moments."""

    name: str
    weight: int
    """How many of 200."""
    moments: tuple[Moment, ...] = ()
    blow: blows.Blow | None = None
    only_on: str | None = None
    space: dict[str, Any] | None = field(default=None, hash=False)
    locked_s: float | None = None
    alone: bool = False
    """Whether nobody else may settle first what the next worker is to die over."""
    elsewhere: bool = False
    on_small_disk: bool = False
    other_clock: bool = False
    led: bool = False
    """Whether the workers are those of a `run --workers`."""
    writer: Writer | None = None
    """The command that is killed while it writes, when the study has ended."""
    own_kernels: bool = False
    """Whether the study's workers keep their compiled kernels in its folder."""

    def why_not(self, store: str) -> str | None:
        """Why this kind cannot strike here; None where it can."""
        if self.only_on not in (None, store):
            return f"only {self.only_on} knows it"
        if self.other_clock and blows.faketime() is None:
            return "libfaketime is not installed"
        return None


KINDS = (
    Kind("killed at random", 30, blow=blows.kill),
    Kind("killed in ask", 24, moments.ASK),
    Kind("killed while taking one from the queue", 8, moments.TAKING, alone=True),
    Kind("killed in training", 24, moments.TRAINING),
    Kind("killed while a trial ends", 20, moments.ENDING),
    Kind("killed while queueing again", 12, moments.QUEUEING),
    Kind("killed in recovery", 24, moments.RECOVERY, alone=True),
    Kind("killed in a copy", 6, moments.COPY, space=FEW, alone=True),
    Kind("killed while keeping the folds", 3, moments.KEEPING, alone=True, led=True),
    Kind("killed while exporting", 8, writer=EXPORTING),
    Kind("killed while saving a model", 10, writer=SAVING),
    Kind("compiled kernels are damaged", 4, blow=blows.damage_kernels, own_kernels=True),
    Kind("SIGTERM", 8, blow=blows.terminate),
    Kind("SIGINT once", 8, blow=blows.interrupt),
    Kind("SIGINT twice", 8, blow=blows.interrupt_twice),
    Kind("run --workers killed", 3, blow=blows.kill_leader, led=True),
    Kind("another worker's machine asleep", 6, blow=blows.pause, elsewhere=True),
    Kind("the clock jumps", 8, blow=blows.jump, other_clock=True),
    Kind("the disk is full", 5, blow=blows.fill_disk, only_on="sqlite", on_small_disk=True),
    Kind("locked for a second", 6, blow=blows.lock, only_on="sqlite"),
    Kind("locked past the busy timeout", 6, blow=blows.lock, only_on="sqlite", locked_s=blows.LOCKED_S),
    Kind("locked for 20 s", 1, blow=blows.lock_for_long, only_on="sqlite"),
    Kind("the server stops", 6, blow=blows.stop_server, only_on="postgresql"),
    Kind("the server crashes", 6, blow=blows.crash_server, only_on="postgresql"),
    Kind("all connections cut", 10, blow=blows.cut, only_on="postgresql"),
    Kind("the server takes no writes", 6, blow=blows.read_only, only_on="postgresql"),
    Kind("statements time out", 6, blow=blows.time_out_statements, only_on="postgresql"),
    Kind("dead-lock", 5, blow=blows.deadlock, only_on="postgresql"),
)


@dataclass
class Outcome:
    """What a kind has done, and what came of it."""

    kind: Kind
    faults: int
    findings: Findings


@dataclass
class ChaosSetup:
    """Where studies are set up, one folder each."""

    folder: Path
    server: PostgresServer | None
    random: np.random.Generator
    undisturbed: Undisturbed
    wanted: int = 8
    """Trials of each study."""

    def __post_init__(self) -> None:
        self._numbers = count()

    def inflict(self, kind: Kind, faults: int) -> Outcome:
        """Strike as often as asked, in as many studies as that takes; each is audited at its end.

        Raises RuntimeError where a worker gives up, a study does not end, or the kind cannot be inflicted.
        """
        outcome = Outcome(kind, 0, Findings())
        for _ in range(_STUDIES_A_KIND):
            if outcome.faults == faults:
                return outcome
            with self._place(kind) as place:
                scene = set_scene(place, self.server, wanted=self.wanted, space=kind.space)
                most = min(faults - outcome.faults, _FAULTS_A_STUDY)
                struck, found = self._one_study(kind, scene, most)
                outcome.faults += struck
                outcome.findings.add(found)
                outcome.findings.add(audit(scene, self.undisturbed))
        raise RuntimeError(f"{kind.name}: {outcome.faults} of {faults} faults in {_STUDIES_A_KIND} studies")

    def _place(self, kind: Kind) -> AbstractContextManager[Path]:
        place = self.folder / f"{self.folder.name}-{next(self._numbers)}"
        place.mkdir()
        return blows.small_disk(place) if kind.on_small_disk else nullcontext(place)

    def _one_study(self, kind: Kind, scene: Scene, most: int) -> tuple[int, Findings]:
        """How often it was struck, and what was wrong with its files; the study itself is audited later."""
        if kind.writer is not None:
            return strike(kind.writer, scene, most, self.random)
        return self._worked_on(kind, scene, most), Findings()

    def _worked_on(self, kind: Kind, scene: Scene, most: int) -> int:
        led = ("run", str(scene.file), "--workers", str(_CREW), "--json")
        order = crew_of(scene, locked_s=kind.locked_s, command=led if kind.led else ())
        environment = blows.clock_of(scene.folder) if kind.other_clock else None
        if kind.own_kernels:
            environment = blows.kernels_of(scene.folder)
        with ChaosWorkers(scene, order, environment, kind.elsewhere) as crew:
            if kind.blow is None:
                if not kind.alone:
                    crew.hire()
                struck = doomed(crew, self._steps(kind), most)
            else:
                struck = self._beaten(crew, kind, kind.blow, most)
            crew.finish()
        return struck

    def _beaten(self, crew: ChaosWorkers, kind: Kind, blow: blows.Blow, most: int) -> int:
        """Strike from outside, a moment after the other; how often it was felt."""
        struck, deadline = 0, time.monotonic() + _STUDY_S
        for _ in range(1 if kind.led else _CREW):
            crew.hire()
        while crew.members and struck < most:
            time.sleep(float(self.random.uniform(0.0, 0.5)))
            struck += blow(crew, self.random)
            crew.replace_the_killed()
            require_before(deadline, crew.scene)
        return struck

    def _steps(self, kind: Kind) -> Iterator[Step]:
        while True:
            yield from steps(kind.moments, self.random)


def doomed(crew: ChaosWorkers, steps: Iterator[Step], most: int) -> int:
    """Let one worker after the other die at its moment, in company of whoever is there; how many did.

    The last is followed by one that lives.
    """
    struck, deadline = 0, time.monotonic() + _STUDY_S
    step = next(steps)
    crew.hire(step.dies, step.asked)
    while crew.members:
        for member in crew.ended():
            if require_end(member, crew.scene) == 0:
                continue
            struck += step.counts and member.process.exitcode == -signal.SIGKILL
            if struck == most:
                crew.hire()
                return struck
            step = next(steps)
            crew.hire(step.dies, step.asked)
        require_before(deadline, crew.scene)
        time.sleep(LOOK_S)
    return struck
