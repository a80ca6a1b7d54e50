"""What an input may end in: a result, or a sentence for people; not a traceback, not a hang, not a flood."""

import faulthandler
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from search.failures import explain_failure

PATIENCE_S = 5.0
LONGEST = 2_000
"""Characters of one problem: more is no sentence that a person reads."""


class Hang(BaseException):
    """The time is up; no `except Exception` on the way may catch it."""


class Fault(Exception):
    """What was read ended well, and left or told something that it must not; its text says what."""


@dataclass(frozen=True)
class Ending:
    """How one input ended: `read`, `refused` with a sentence, or `fault`, and then which."""

    kind: Literal["read", "refused", "fault"]
    fault: str | None = None


def ending_of(work: Callable[[], None], patience: float | None = None) -> Ending:
    """Do a piece of work and say how it ended. Warnings are errors, and so is more time than `patience`, in
    seconds; None: PATIENCE_S.
    """
    patience = PATIENCE_S if patience is None else patience
    try:
        with _watched(patience), warnings.catch_warnings():
            warnings.simplefilter("error")
            work()
    except Hang as hang:
        return Ending("fault", f"hang of more than {patience:g} s in {hang}")
    except Exception as error:
        fault = _fault(error)
        return Ending("refused" if fault is None else "fault", fault)
    return Ending("read")


@contextmanager
def _watched(patience: float) -> Iterator[None]:
    """Raise Hang when the time is up; code that no signal reaches ends the process, its stack on stderr."""

    def ring(_: int, frame: FrameType | None) -> None:
        raise Hang("?" if frame is None else f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, patience)
    faulthandler.dump_traceback_later(4 * patience, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def _fault(error: Exception) -> str | None:
    if isinstance(error, Fault):
        return str(error)
    sentence, _ = explain_failure(error)
    if sentence is None:
        stack = traceback.extract_tb(error.__traceback__)
        ours = next(frame for frame in reversed(stack) if "site-packages" not in frame.filename)
        return f"{type(error).__name__} at {_short(ours.filename)}:{ours.lineno}: {str(error)[:120]!r}"
    longest = max(map(len, sentence.splitlines() or [""]))
    return None if 0 < longest <= LONGEST else f"a sentence of more than {LONGEST} characters"


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])
