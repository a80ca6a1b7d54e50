"""Who runs a trial: a name that no other process ever has, and whether its owner is still alive."""

import os
import socket
from pathlib import Path

WORKER = "worker"
"""The user attribute that says who runs a trial."""


def this_worker() -> str:
    """`host:pid:start-token` of this process."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_start_token(pid)}"


def is_dead(worker: str) -> bool:
    """Whether `worker` ran on this machine and is gone; False for another machine: nothing is known of it."""
    host, pid, token = worker.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    return _start_token(int(pid)) != token


def _start_token(pid: int) -> str:
    """What tells a process from a later one with the same id; empty for a process that is gone."""
    try:
        # proc(5): state is field 3, the start in ticks since boot 22; field 2 may hold blanks and brackets.
        state, *others = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # A zombie (Z) is a process that has ended and that its parent has not asked after yet.
        return "" if state in "ZX" else others[18]
    except OSError:
        return "alive" if _runs(pid) else ""


def _runs(pid: int) -> bool:
    """For systems without /proc."""
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
