"""Faults that come from outside: signals, a store that is away, locked or full, a clock, a long sleep.

Each strikes a study that is at work, and answers whether it did: a worker may have ended a moment before.
"""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psycopg

from benchmarks.chaos_faults.study import Scene
from benchmarks.chaos_faults.workers import ChaosWorkers, Member, context, log_of

Blow = Callable[[ChaosWorkers, np.random.Generator], bool]

_POLL_S = 0.02
_AWAY_S = 0.5
_TRIAL_S = 0.3
_BEFORE_WORK = 1 / 8
LOCKED_S = 0.2
"""The busy timeout of workers that are locked out for longer than that."""
_LOCK_S, _LONG_LOCK_S = 1.0, 20.0
_DISK = "8m"
_PATIENCE_S = 10.0
_TRIAL_BEGINS_S = _TRIAL_ENDS_S = 3.0
_ORPHANS_S = 60.0
"""A worker that has just begun imports PyTorch before it looks whether its starter lives."""
_FAKETIME = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


def _at_work(crew: ChaosWorkers, random: np.random.Generator) -> Member | None:
    """Somebody who has a trial, at whatever moment of it this is; None if nobody gets one."""
    _comes(lambda: bool(_busy(crew)), _TRIAL_BEGINS_S)
    busy = _busy(crew)
    time.sleep(float(random.uniform(0.0, _TRIAL_S)))
    return busy[random.integers(len(busy))] if busy else None


def _busy(crew: ChaosWorkers) -> list[Member]:
    names = entered(crew.scene, busy=True)
    return [member for member in crew.members if any(f":{member.process.pid}:" in name for name in names)]


def entered(scene: Scene, *, busy: bool = False) -> list[str]:
    """The names of the study's workers, or of those with a trial, by a connection that is nobody else's."""
    asked = "SELECT worker FROM ballast_workers" + (" WHERE busy" if busy else "")
    if scene.on_sqlite:
        with sqlite3.connect(scene.database) as file:
            return [name for (name,) in file.execute(asked)]
    with psycopg.connect(scene.url) as connection:
        return [name for (name,) in connection.execute(asked).fetchall()]


def kill(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """SIGKILL at whatever moment of its work this is; for one in eight before that, while it starts."""
    anybody = crew.members[random.integers(len(crew.members))]
    member = anybody if random.random() < _BEFORE_WORK else _at_work(crew, random)
    return member is not None and _struck(member, signal.SIGKILL)


def terminate(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """SIGTERM once."""
    member = _at_work(crew, random)
    return member is not None and _struck(member, signal.SIGTERM)


def interrupt(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """SIGINT once."""
    member = _at_work(crew, random)
    return member is not None and _struck(member, signal.SIGINT)


def interrupt_twice(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """SIGINT, and once more at once: the second does not wait for the end of anything."""
    member = _at_work(crew, random)
    if member is None or not member.strike(signal.SIGINT):
        return False
    time.sleep(float(random.uniform(0.0, 0.02)))
    return _struck(member, signal.SIGINT)


def _struck(member: Member, number: signal.Signals) -> bool:
    """Whether a signal ended a worker, and not the study before it."""
    if not member.strike(number):
        return False
    member.process.join()
    return member.process.exitcode in (-number, 130)


def stop_server(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """PostgreSQL is stopped (fast: whoever is in a transaction is cut) and started."""
    return _without_server(crew, kill=False)


def crash_server(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """PostgreSQL is killed, all its processes at once, and has to recover from its log."""
    return _without_server(crew, kill=True)


def _without_server(crew: ChaosWorkers, *, kill: bool) -> bool:
    server = crew.scene.server
    assert server is not None, "there is a server"
    server.stop(kill=kill)
    time.sleep(_AWAY_S)
    server.start()
    return bool(crew.members)


def cut(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """Every connection is cut."""
    server = crew.scene.server
    assert server is not None, "there is a server"
    return server.cut(crew.scene.folder.name) > 0


def read_only(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """The server refuses to write for a while, as a standby does until it has been promoted."""
    return _with_setting(crew, "default_transaction_read_only", "on")


def time_out_statements(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """The server ends every statement that takes longer than a millisecond, for a while."""
    return _with_setting(crew, "statement_timeout", "1ms")


def _with_setting(crew: ChaosWorkers, name: str, value: str) -> bool:
    server = crew.scene.server
    assert server is not None, "there is a server"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        try:
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            connection.execute("SELECT pg_reload_conf()")
            time.sleep(_AWAY_S)
        finally:
            connection.execute(f"ALTER SYSTEM RESET {name}")
            connection.execute("SELECT pg_reload_conf()")
    return bool(crew.members)


def deadlock(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """Hold the study's row until a worker asks for it, with its trial's row in its hand; then ask for that.

    PostgreSQL ends the transaction that first looks for a dead-lock, after a second: the worker's.
    """
    with psycopg.connect(crew.scene.url) as ours, psycopg.connect(crew.scene.url, autocommit=True) as watch:
        if not watch.execute("SELECT 1 FROM ballast_trials WHERE verdict IS NULL").fetchall():
            return False
        before = _deadlocks(watch)
        ours.execute("SET deadlock_timeout = '1min'")
        ours.execute("SELECT 1 FROM ballast_studies FOR UPDATE")
        blocked = (
            "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)) "
            "AND query LIKE 'INSERT INTO ballast_artifacts%%'"  # of the end of a trial
        )
        if not _comes(
            lambda: bool(watch.execute(blocked, [ours.info.backend_pid]).fetchall()), _TRIAL_ENDS_S
        ):
            return False
        ours.execute("SELECT 1 FROM ballast_trials WHERE verdict IS NULL FOR UPDATE")
        ours.rollback()
        return _comes(lambda: _deadlocks(watch) > before)


def _deadlocks(connection: "psycopg.Connection[tuple[int, ...]]") -> int:
    counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    row = connection.execute(counted).fetchone()
    assert row is not None, "a database is in its own statistics"
    return row[0]


def lock(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """Another process holds SQLite's write lock for a second."""
    return _locked(crew, _LOCK_S)


def lock_for_long(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """Another process holds SQLite's write lock for 20 seconds."""
    return _locked(crew, _LONG_LOCK_S)


def _locked(crew: ChaosWorkers, seconds: float) -> bool:
    holder = context().Process(target=hold_lock, args=(crew.scene.database, seconds))
    holder.start()
    holder.join()
    return holder.exitcode == 0 and bool(crew.members)


def hold_lock(database: Path, seconds: float) -> None:
    """To be run in a process of its own."""
    file = sqlite3.connect(database, isolation_level=None, timeout=_PATIENCE_S)
    file.execute("BEGIN EXCLUSIVE")
    time.sleep(seconds)
    file.execute("ROLLBACK")


def fill_disk(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """The file system of store, checkpoints and logs is full until a write to the store has failed."""
    said, ballast = log_of(crew.scene.folder), crew.scene.folder / "filling"
    before = _refusals(said)
    try:
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return _comes(lambda: _refusals(said) > before)
    finally:
        ballast.unlink()


def _refusals(log: Path) -> int:
    return log.read_text(errors="replace").count("the disk is full") if log.exists() else 0


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder on a file system of 8 MiB; OSError where none can be mounted."""
    place = folder / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "ballast-chaos", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        raise OSError(mounted.stderr.strip())
    try:
        yield place
    finally:
        # Lazily: connections of this process may wait for the garbage collector with the store in their hand.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def faketime() -> Path | None:
    """The library that gives a process another clock; None where it is not installed."""
    return next((Path(path) for path in _FAKETIME if Path(path).exists()), None)


def clock_of(folder: Path) -> dict[str, str]:
    """The environment of workers whose clock is changed by a file of the folder."""
    (folder / "clock").write_text("+0")
    return {
        "LD_PRELOAD": str(faketime()),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # no operating system lets that one jump
    }


def jump(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """The clock of all workers jumps by up to a day, forward or back."""
    (crew.scene.folder / "clock").write_text(f"{random.integers(-86_400, 86_400):+d}")
    return bool(entered(crew.scene))


def kernels_of(folder: Path) -> dict[str, str]:
    """The environment of workers that keep their compiled kernels in the folder."""
    return {"NUMBA_CACHE_DIR": str(folder / "kernels")}


def damage_kernels(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """One bit of each compiled kernel is flipped, and a worker is killed: another begins with them."""
    kept = sorted((crew.scene.folder / "kernels").rglob("*.kernel"))
    for path in kept:
        content = bytearray(path.read_bytes())
        content[random.integers(len(content))] ^= 1 << int(random.integers(8))
        path.write_bytes(content)
    member = _at_work(crew, random)
    return bool(kept) and member is not None and _struck(member, signal.SIGKILL)


def pause(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """A worker stands still until others, who see nothing but its heartbeat, have taken its trial over."""
    member = _at_work(crew, random)
    if member is None or not member.strike(signal.SIGSTOP):
        return False
    mine = f":{member.process.pid}:"
    gone = _comes(lambda: not any(mine in name for name in entered(crew.scene)))
    member.strike(signal.SIGCONT)
    return gone


def kill_leader(crew: ChaosWorkers, random: np.random.Generator) -> bool:
    """The `run --workers` process is killed; whoever works for it has to end by itself."""
    _comes(lambda: bool(entered(crew.scene)))
    followers = [int(name.rsplit(":", 2)[1]) for name in entered(crew.scene)]
    leader = crew.members[0]
    time.sleep(float(random.uniform(0.0, 0.5)))
    if not followers or not _struck(leader, signal.SIGKILL):
        return False
    if not _comes(lambda: not any(_runs(pid) for pid in followers), _ORPHANS_S):
        raise RuntimeError(f"the workers {followers} outlive the process that started them")
    return True


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _comes(what: Callable[[], bool], within: float = _PATIENCE_S) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + within
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
