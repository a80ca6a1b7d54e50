"""Who runs a trial: a name that no other process ever has, and whether that process still runs here."""

import os
import socket
from hashlib import sha256
from pathlib import Path

WORKER = "worker"
"""The user attribute that says who runs a trial."""


def this_worker() -> str:
    """`machine:pid:start-token` of this process."""
    pid = os.getpid()
    return f"{host_identity()}:{pid}:{_start_token(pid)}"


def host_identity() -> str:
    """The host's name with what tells it from others of that name, and from other containers: process ids
    mean something only within one running kernel and one namespace.
    """
    boot = _text(Path("/proc/sys/kernel/random/boot_id"))
    namespace = os.stat("/proc/self/ns/pid").st_ino if boot else 0
    return f"{socket.gethostname()}-{sha256(f'{boot}{namespace}'.encode()).hexdigest()[:8]}"


def is_dead(worker: str) -> bool:
    """Whether `worker` ran on this machine and is gone; False for another machine: nothing is known of it."""
    machine, _, process = worker.partition(":")
    pid, _, token = process.partition(":")
    return machine == host_identity() and pid.isdecimal() and _start_token(int(pid)) not in (token, _HIDDEN)


_HIDDEN = "hidden"


def _start_token(pid: int) -> str:
    """What tells a process from a later one with the same id; empty for a process that is gone, and `hidden`
    where the system does not tell, as one without /proc, or to other users.
    """
    try:
        # proc(5): state is field 3, the start in ticks since boot 22; field 2 may hold blanks and brackets.
        state, *others = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # A zombie (Z) is a process that has ended and that its parent has not asked after yet.
        return "" if state in "ZX" else others[18]
    except OSError:
        return _HIDDEN if _runs(pid) else ""


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
