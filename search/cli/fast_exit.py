"""Ends the process without taking its modules apart.

At its end the interpreter deletes every object of some 3,000 modules. For a command that has loaded torch
this takes about a second of CPU, and frees nothing that the system would not free.
"""

import atexit
import os
import sys
import threading

FEWEST_ALLOCATIONS = 50_000
"""New containers between two garbage collections. With Python's default, 700, collections during imports
take a second of CPU of a run, and find nothing."""


def exit_code(code: object) -> int:
    """The exit code that Python makes of the argument of `sys.exit`; a text is printed to stderr."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def is_observed() -> bool:
    """Whether a profiler, a debugger or `python -i` waits for the end of the program."""
    observers = (sys.getprofile(), sys.gettrace())
    return any(observer is not None for observer in observers) or bool(sys.flags.interactive)


def leave(code: object) -> None:
    """End the process as Python would, up to where it deletes its modules: wait for the threads that are no
    daemons, run the exit hooks, flush, end with `code`. Returns only if somebody observes the process.
    """
    if is_observed():
        return
    number = exit_code(code)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except OSError:
        number = number or 120  # Python's own code for a stream that it cannot flush
    os._exit(number)
