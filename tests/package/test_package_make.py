"""`make demo` ends with the answer of `verify`, whatever it is."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def demo(folder: Path, verify_code: int) -> subprocess.CompletedProcess[str]:
    """Make the demo with a `ballast` that says what it was asked for; its `verify` ends with this code."""
    command = folder / "ballast"
    command.write_text(f'#!/bin/sh\necho "asked: $*"\n[ "$1" != verify ] || exit {verify_code}\n')
    command.chmod(0o755)
    words = [
        "make",
        "--silent",
        "-f",
        str(ROOT / "Makefile"),
        "-o",
        ".venv/installed",
        "demo",
        f"BIN={folder}",
    ]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("answer", [0, 1])
def test_an_answer_of_verify_ends_the_demo_and_is_no_failure_of_it(answer: int, tmp_path: Path) -> None:
    done = demo(tmp_path, answer)
    assert done.returncode == 0, done.stderr
    asked = [line.split()[1] for line in done.stdout.splitlines()]
    assert asked == ["run", "export", "verify"]


def test_a_demo_that_could_not_be_verified_fails(tmp_path: Path) -> None:
    assert demo(tmp_path, 2).returncode != 0
