"""The end of a command: as Python ends a program, but without deleting its modules."""

import os
import pstats
import subprocess
import sys
from pathlib import Path

import pytest

from search.cli.fast_exit import exit_code

LEAVES = """
import atexit, sys, threading, time
from search.cli.fast_exit import leave

def write_late():
    time.sleep(0.2)
    print("the thread has ended")

class Module:
    def __del__(self):
        print("a module was deleted")

kept = Module()
atexit.register(print, "the exit hook has run")
threading.Thread(target=write_late).start()
leave(3)
"""


def test_threads_end_and_exit_hooks_run_before_the_process_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines() == ["the thread has ended", "the exit hook has run"]
    assert (ended.returncode, ended.stderr) == (3, "")


def test_a_stream_that_cannot_be_flushed_ends_with_the_code_of_python() -> None:
    code = "import sys; from search.cli.fast_exit import leave; sys.stdout.write('x'); leave(0)"
    with Path("/dev/full").open("w") as full:
        buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        ended = subprocess.run([sys.executable, "-c", code], stdout=full, check=False, env=buffered)
    assert ended.returncode == 120


def test_a_profiler_still_writes_its_result(tmp_path: Path) -> None:
    result = tmp_path / "profile"
    command = [sys.executable, "-m", "cProfile", "-o", str(result), "-m", "search.cli", "--version"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert pstats.Stats(str(result)).total_calls > 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(("code", "number"), [(None, 0), (0, 0), (2, 2), (130, 130), (-1, 255), (True, 1)])
def test_the_exit_code_is_that_of_python(code: object, number: int) -> None:
    assert exit_code(code) == number


def test_a_text_is_printed_and_the_exit_code_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("what went wrong") == 1
    assert capsys.readouterr().err == "what went wrong\n"
