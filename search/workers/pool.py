"""Runs a pool of workers on any machines: follows them in the record, passes on a stop, returns the end.

`local_pool.py` has processes on this machine, `ray_pool.py` tasks on a Ray cluster.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from search.data.study_data import max_epochs
from search.errors import AnswerIsNo
from search.process_identity import is_dead, this_worker
from search.record import row_mapping
from search.study.studies import OpenStudy
from search.verdict import Judgement
from search.workers.loop import RunEnd, report_study_start
from search.workers.progress import Progress, TrialEnd
from search.workers.recovery import recover_trials
from storage import query, tables

_POLL_S = 0.5


class WorkerPool(Protocol):
    """The workers that one process starts: entering the block starts them, leaving it ends them."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def is_at_work(self) -> bool:
        """Whether any worker is running; one that was killed is replaced."""

    def stop(self) -> None:
        """Ask every worker to end its trial; called once."""

    def end(self) -> RunEnd | None:
        """The end reported by the worker that saw the study last; None if no worker reported one."""

    def failure(self) -> str:
        """The message of the worker that failed last."""


def run_pool(
    study: OpenStudy, pool: WorkerPool, progress: Progress, should_stop: Callable[[], bool]
) -> RunEnd:
    """Start the pool and follow it until the study ends; AnswerIsNo if every worker failed."""
    report_study_start(study, progress)
    follower, stopped = RecordFollower(study, progress), False
    with pool:
        while pool.is_at_work():
            if should_stop() and not stopped:
                stopped = True
                pool.stop()
            time.sleep(_POLL_S)
            follower.poll()
    recover_trials(study.backend, this_worker(), is_dead)
    follower.poll()
    end = pool.end()
    if end is None and not stopped:
        raise AnswerIsNo(f"every worker failed, the last with: {pool.failure()}")
    return end or _interrupted(study)


def _interrupted(study: OpenStudy) -> RunEnd:
    """The end of a study whose workers were stopped before they had begun."""
    done = query.count_conclusive(study.store, study.name)
    return RunEnd(done, query.study(study.store, study.name).wanted, "it was interrupted", interrupted=True)


class RecordFollower:
    """Reports to `progress`, from the record, what other processes do.

    Each trial is reported once as begun, once for each epoch, once for each finding of the guard, and once
    as ended.
    """

    def __init__(self, study: OpenStudy, progress: Progress) -> None:
        self._study, self._progress = study, progress
        self._max_epochs = max_epochs(study.resolved)
        self._reported_epochs: dict[int, int] = {}
        """How many epochs were reported of each running trial, by number."""
        self._reported_findings: dict[int, int] = {}
        recorded = {row.number for row in query.trials(study.store, study.name)}
        self._next = max(recorded, default=-1) + 1
        self._missing = set(range(self._next)) - recorded
        """Numbers below `_next` that are not on record yet: workers record their trials in any order."""

    def poll(self) -> None:
        """Report what has happened since the last call."""
        numbers = self._reported_epochs.keys() | self._missing
        for row in query.trials_from(self._study.store, self._study.name, self._next, numbers):
            if row.number >= self._next or row.number in self._missing:
                self._begin(row.number)
            if row.number in self._reported_epochs:
                self._follow(row)
        self._follow_findings()

    def _follow_findings(self) -> None:
        """Report what the guard has found since the last call in the trials that still run."""
        for number, found in query.findings_of_running_trials(self._study.store, self._study.name).items():
            if number in self._reported_findings:
                for one in found[self._reported_findings[number] :]:
                    self._progress.finding_made(one)
                self._reported_findings[number] = len(found)

    def _begin(self, number: int) -> None:
        self._missing |= set(range(self._next, number))
        self._missing.discard(number)
        self._next = max(self._next, number + 1)
        self._reported_epochs[number] = self._reported_findings[number] = 0
        self._progress.trial_began(number, self._max_epochs)

    def _follow(self, row: tables.Trial) -> None:
        if row.verdict is not None:
            del self._reported_epochs[row.number], self._reported_findings[row.number]
            judgement = Judgement(row.verdict, tuple(row.reasons), row.message or "")
            self._progress.trial_ended(TrialEnd(row.number, judgement, row.value, row.skill, row.started_at))
            return
        epochs = query.epochs(self._study.store, self._study.name, row.number)
        for epoch in epochs[self._reported_epochs[row.number] :]:
            self._progress.epoch_passed(row.number, row_mapping.epoch_report_of(epoch))
        self._reported_epochs[row.number] = max(self._reported_epochs[row.number], len(epochs))
