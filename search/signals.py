"""Ctrl-C and SIGTERM: the first asks the running trial to end, the second ends the process."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ASKED = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether somebody asked for a stop; handed to the runner as a function."""

    def __init__(self) -> None:
        self.asked = False
        self.tell: Callable[[], object] = _tell
        """Told when somebody asks."""

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.asked

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.tell()


def _tell() -> None:
    # Not print: a signal may come in the middle of one, and buffered streams cannot be entered twice.
    os.write(2, b"stopping: the running trial ends and will be tried again; once more to stop at once\n")


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catch the signals while the block runs, and restore their handlers after it.

    Python lets only the main thread catch signals: in another one nothing is caught, and nobody asks.
    """
    request = StopRequest()
    is_main = threading.current_thread() is threading.main_thread()
    before: dict[signal.Signals, Any] = {
        number: signal.signal(number, request._handle) for number in (_ASKED if is_main else ())
    }
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
