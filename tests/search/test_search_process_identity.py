"""Whose trial it is, and whether its worker still lives."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from search import process_identity as worker
from search.process_identity import is_dead, this_worker

SAY_WHO = "from search.process_identity import this_worker; print(this_worker(), flush=True); input()"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """Another process, which says its worker name on its first line and then waits."""
    with subprocess.Popen(
        [sys.executable, "-c", SAY_WHO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(worker.__file__).parents[1],
    ) as process:
        yield process
        if process.poll() is None:
            process.kill()


def name_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_this_process_is_alive_and_keeps_its_name() -> None:
    assert not is_dead(this_worker())
    assert this_worker() == this_worker()


def test_a_running_child_is_alive_and_a_finished_one_is_dead(child: subprocess.Popen[str]) -> None:
    name = name_of(child)
    assert name != this_worker()
    assert not is_dead(name)
    child.communicate("\n")
    assert child.returncode == 0
    assert is_dead(name)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_killed_child_is_dead_before_its_parent_waits_for_it(child: subprocess.Popen[str]) -> None:
    name = name_of(child)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(name)


def test_a_later_process_with_the_same_id_does_not_keep_the_dead_one_alive() -> None:
    host, pid, token = this_worker().rsplit(":", 2)
    assert is_dead(f"{host}:{pid}:{int(token) - 1}")


def test_nothing_is_known_of_a_worker_on_another_machine() -> None:
    host, pid, token = this_worker().rsplit(":", 2)
    assert not is_dead(f"not-{host}:{pid}:{token}")
    assert not is_dead("elsewhere:999999999:0")


def test_a_process_id_that_is_not_in_use_is_dead() -> None:
    host = this_worker().rsplit(":", 2)[0]
    assert is_dead(f"{host}:999999999:{time.monotonic_ns()}")


@pytest.mark.parametrize("name", ["", "somebody", "a:b", "a:b:c", "a:1:2:3"])
def test_a_name_that_no_worker_has_is_not_taken_for_a_dead_process(name: str) -> None:
    assert not is_dead(name)
    machine = this_worker().split(":")[0]
    assert not is_dead(f"{machine}:{name}")
