"""Streams that are closed, full or never read, and too little memory: no traceback, and nothing lost."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.failures import explain_failure
from search.memory import memory_shortage

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

pytestmark = pytest.mark.slow


@pytest.fixture
def study(write_study: "WriteStudy", ballast: "Ballast") -> str:
    """A study with one trial in `ballast.db`; the path of its file."""
    path = write_study(training={"epochs": 1}).name
    assert ballast("run", path, "--trials", 1).code == 0
    return path


def _shell(
    line: str, limit: Callable[[], None] | None = None, script: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash in which `ballast` is the command."""
    command = f'ballast() {{ {sys.executable} -m search.cli "$@"; }}; {line}'
    arguments = ["bash", "-o", "pipefail", "-c", command]
    if script is not None:
        Path(script).write_text(f"exec {sys.executable} -m search.cli status\n")
        arguments = ["bash", "-c", line]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        arguments, capture_output=True, text=True, env=environment, preexec_fn=limit, timeout=300, check=False
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    "command", ["run study.yaml --trials 2", "status", "trials small", "explain small --json"]
)
def test_a_closed_stream_is_as_good_as_none(
    study: str, ballast: "Ballast", command: str, closed: str
) -> None:
    told = _shell(f"ballast {command} {closed}")
    assert told.returncode == 0, told.stderr
    assert "Traceback" not in told.stderr
    checked = ballast("db", "check")
    assert checked.code == 0, checked.out
    assert len(ballast("trials", "small", "--json").json) == (2 if "run" in command else 1)


def test_a_stderr_that_a_shell_put_its_script_on_is_no_traceback(study: str) -> None:
    told = _shell("bash ./script 2>&-; echo $?", script="script")
    assert told.stdout.endswith("0\n"), told.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize(
    "command", ["status", "run study.yaml --trials 2", "report small -o r.html", "--help"]
)
def test_a_full_output_is_one_sentence_and_exit_code_2(study: str, ballast: "Ballast", command: str) -> None:
    told = _shell(f"ballast {command} >/dev/full")
    assert told.returncode == 2
    assert "the output: No space left on device" in told.stderr
    assert "Traceback" not in told.stderr
    assert ballast("run", study, "--trials", 3).code == 0
    assert ballast("db", "check").code == 0


@pytest.mark.parametrize(
    "command", ["status", "trials small", "explain small --json", "run study.yaml --trials 2"]
)
def test_a_reader_that_leaves_is_no_traceback_and_loses_nothing(
    study: str, ballast: "Ballast", command: str
) -> None:
    told = _shell(f"ballast {command} | head -c 1")
    assert told.returncode in (0, 1)
    assert "Traceback" not in told.stderr
    assert "Exception ignored" not in told.stderr
    assert ballast("run", study, "--trials", 3).code == 0
    assert ballast("db", "check").code == 0


@pytest.mark.parametrize("megabytes", [300, 1_300, 1_400, 1_900])
def test_too_little_memory_is_one_sentence_that_names_the_limit(
    study: str, ballast: "Ballast", megabytes: int
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    told = _shell("ballast run study.yaml --trials 2", limit)
    assert "Traceback" not in told.stderr
    assert told.returncode == 2, told.stderr
    assert f"too little memory: this process may have {megabytes * 2**20 / 1e9:.1f} GB" in told.stderr
    assert ballast("run", study, "--trials", 2).code == 0
    assert ballast("db", "check").code == 0


def test_help_needs_no_memory_and_check_says_what_run_would(study: str) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2_000 << 20, 2_000 << 20))

    assert "Usage: ballast run" in _shell("ballast run --help", limit).stdout
    told = _shell(f"ballast check {study}", limit)
    assert (told.returncode, told.stdout) == (2, "")
    assert "too little memory" in told.stderr


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."),
        ImportError("libx.so: failed to map segment from shared object"),
    ],
)
def test_each_way_of_saying_that_memory_is_short_is_known(error: Exception) -> None:
    assert memory_shortage(error) is not None
    wrapped = RuntimeError("it failed")
    wrapped.__cause__ = error
    assert explain_failure(wrapped)[0] == memory_shortage(error)


def test_an_error_of_another_kind_is_no_shortage_of_memory() -> None:
    assert memory_shortage(RuntimeError("it failed")) is None
