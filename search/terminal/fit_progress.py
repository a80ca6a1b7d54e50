"""Shows which of several fits runs, in one line of a terminal that is redrawn and vanishes at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.text import Text

from search.terminal.console import redraw_in_place
from search.terminal.result_tables import can_redraw, console
from search.terminal.text import say
from search.text import duration

if TYPE_CHECKING:
    from search.selection.candidates import Candidate
    from trainer.training.result import RefitResult


class FitProgress:
    """`training 2 of 5, 14 s so far`. Other threads may draw it while one reports fits."""

    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total = what, total
        self._done, self._began = 0, time.monotonic()

    def passed(self) -> None:
        """Count a fit that has ended."""
        self._done += 1

    def passed_of(self, done: int, total: int) -> None:
        """Take over the number of fits that have ended, and how many there are."""
        self._done, self._total = done, total

    def line(self) -> str:
        """The line as it is drawn now; empty before the number of fits is known."""
        if self._total is None:
            return ""
        number = min(self._done + 1, self._total)
        return f"{self._what} {number} of {self._total}, {duration(time.monotonic() - self._began)} so far"


@contextmanager
def fit_progress(what: str, total: int | None, *, shown: bool = True) -> Iterator[FitProgress]:
    """Draw the progress of `total` fits while the block runs, if `shown` and standard output is a terminal.

    Lines that the block prints appear above it. A `total` of None is one that the first report tells.
    """
    progress, screen = FitProgress(what, total), console()
    if not (shown and can_redraw(screen)):
        yield progress
        return
    with redraw_in_place(screen, lambda: Text(progress.line(), style="dim"), per_second=4, transient=True):
        yield progress


@contextmanager
def shown_trainings(
    total: int, *, shown: bool
) -> Iterator[Callable[["Candidate", "RefitResult"], None] | None]:
    """A callback for the trainings of a verification or a refit: each prints a line when it ends, with the
    progress of all `total` below on a terminal. None unless `shown`.
    """
    if not shown:
        yield None
        return
    with fit_progress("training", total) as progress:

        def ended(candidate: "Candidate", refit: "RefitResult") -> None:
            progress.passed()
            say(f"{candidate.name}, seed {refit.seed}: {refit.outcome}")

        yield ended
