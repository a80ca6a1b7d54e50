"""Leads the workers of a study wherever they run: follows them, passes on a stop, and tells how it ended."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from search.following import Follower
from search.progress import Progress
from search.recovery import recover
from search.runner import RunEnd, begin
from search.study import OpenStudy
from search.worker import is_dead, this_worker

_LOOK_S = 0.5


class Crew(Protocol):
    """The workers that one process has sent out; after the block, however it is left, nobody is at work."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def is_at_work(self) -> bool:
        """Whether anybody is; one that was killed is replaced."""

    def stop(self) -> None:
        """Ask every worker, once, to end its trial."""

    def end(self) -> RunEnd:
        """How the study stands after the last of them; AnswerIsNo if every one failed."""


def lead(study: OpenStudy, crew: Crew, progress: Progress, should_stop: Callable[[], bool]) -> RunEnd:
    """Send the crew out, and follow it until the study ends."""
    begin(study, progress)
    follower = Follower(study, progress)
    with crew:
        while crew.is_at_work():
            if should_stop():
                crew.stop()
            time.sleep(_LOOK_S)
            follower.look()
    recover(study.books, this_worker(), is_dead)
    follower.look()
    return crew.end()
