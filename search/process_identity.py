"""A unique name for the process that runs a trial, and whether that process still runs on this machine."""

import os
import socket
from hashlib import sha256
from pathlib import Path

WORKER = "worker"
"""The user attribute of a trial with the name of its process."""


def this_worker() -> str:
    """`machine:pid:start-token` of this process."""
    pid = os.getpid()
    return f"{host_identity()}:{pid}:{_start_token(pid)}"


def host_identity() -> str:
    """The host's name, and a hash of the running kernel and its process namespace.

    Process ids are unique only within these; two hosts or containers may share a name.
    """
    boot = _text(Path("/proc/sys/kernel/random/boot_id"))
    namespace = os.stat("/proc/self/ns/pid").st_ino if boot else 0
    return f"{socket.gethostname()}-{sha256(f'{boot}{namespace}'.encode()).hexdigest()[:8]}"


def is_dead(worker: str) -> bool:
    """Whether `worker` ran on this machine and has ended; False for other machines, which are unknown."""
    machine, _, process = worker.partition(":")
    pid, _, token = process.partition(":")
    return machine == host_identity() and pid.isdecimal() and _start_token(int(pid)) not in (token, _HIDDEN)


_HIDDEN = "hidden"


def _start_token(pid: int) -> str:
    """The start time of a process, which differs from a later process with the same id.

    Empty for a process that has ended; `hidden` if the system does not show it (no /proc, another user).
    """
    try:
        # proc(5): state is field 3, the start in ticks since boot 22; field 2 may have blanks, brackets.
        state, *others = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # A zombie (Z) has ended, but its parent has not read its exit status yet.
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
