"""Leads the workers of a study wherever they run: follows them, passes on a stop, and tells how it ended."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from search.errors import AnswerIsNo
from search.process_identity import is_dead, this_worker
from search.study.studies import OpenStudy
from search.workers.loop import RunEnd, report_study_start
from search.workers.progress import Progress
from search.workers.record_follower import RecordFollower
from search.workers.recovery import recover_trials
from storage import query

_LOOK_S = 0.5


class WorkerPool(Protocol):
    """The workers that one process has sent out; after the block, however it is left, nobody is at work."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def is_at_work(self) -> bool:
        """Whether anybody is; one that was killed is replaced."""

    def stop(self) -> None:
        """Ask every worker to end its trial; called once."""

    def end(self) -> RunEnd | None:
        """What the worker that saw the study last says of it; None if none came to say anything."""

    def failure(self) -> str:
        """What the last one that failed says of it."""


def run_pool(
    study: OpenStudy, crew: WorkerPool, progress: Progress, should_stop: Callable[[], bool]
) -> RunEnd:
    """Send the crew out, and follow it until the study ends; AnswerIsNo if every worker failed."""
    report_study_start(study, progress)
    follower, stopped = RecordFollower(study, progress), False
    with crew:
        while crew.is_at_work():
            if should_stop() and not stopped:
                stopped = True
                crew.stop()
            time.sleep(_LOOK_S)
            follower.look()
    recover_trials(study.books, this_worker(), is_dead)
    follower.look()
    end = crew.end()
    if end is None and not stopped:
        raise AnswerIsNo(f"every worker failed, the last with: {crew.failure()}")
    return end or _interrupted(study)


def _interrupted(study: OpenStudy) -> RunEnd:
    """The end of a study whose workers were stopped before they had begun."""
    done = query.count_conclusive(study.store, study.name)
    return RunEnd(done, query.study(study.store, study.name).wanted, "it was interrupted", interrupted=True)
