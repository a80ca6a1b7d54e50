"""Ctrl-C and SIGTERM: the first signal asks the running trial to end, the second ends the process."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ASKED = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether a stop was asked for; the trial's runner calls it as a function."""

    def __init__(self) -> None:
        self.asked = False
        self.on_stop: Callable[[], object] = _print_stop_message
        """Called at the first signal."""

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.asked

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.on_stop()


def _print_stop_message() -> None:
    # Not print: the signal may interrupt a print, and buffered streams are not reentrant.
    os.write(2, b"stopping: the running trial ends and will be tried again; once more to stop at once\n")


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catch the signals while the block runs, and restore their handlers after it.

    Python lets only the main thread catch signals: in another one nothing is caught and no stop is requested.
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
