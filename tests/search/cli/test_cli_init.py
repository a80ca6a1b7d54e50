"""`ballast init`: from a downloaded table to a running study in two commands."""

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.search.api.init_tables import SHAPES, bars, write_table

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast

ROOT = Path(__file__).parents[3]


def test_the_last_line_is_the_next_command(ballast: "Ballast") -> None:
    write_table("prices.csv", bars().to_csv())
    done = ballast("init", "prices.csv")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "ballast run prices.yaml"
    assert "the volatility of the next day, from 400 rows of prices.csv" in done.out
    again = ballast("init", "prices.csv")
    assert again.code == 2
    assert "prices.yaml exists" in again.err


def test_a_study_that_cannot_run_yet_says_why_and_how_to_check_it(ballast: "Ballast") -> None:
    write_table("prices.csv", bars().to_csv() + bars().iloc[-1:].to_csv(header=False))
    done = ballast("init", "prices.csv", "-o", "mine.yaml")
    assert done.code == 1
    assert "occurs before in the table" in done.out
    assert done.out.splitlines()[-1] == "ballast check mine.yaml"


def test_without_a_terminal_a_question_is_an_error_that_names_the_option(ballast: "Ballast") -> None:
    write_table("two.csv", bars()[["Open", "Close"]].set_axis(["A", "B"], axis=1).to_csv())
    done = ballast("init", "two.csv")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "give --target A" in done.err
    write_table("long.csv", SHAPES["long"][1]())
    assert ballast("init", "long.csv", "--symbol", "BBB").code == 0
    wrong = ballast("init", "long.csv", "--csv", "sep=;", "--force")
    assert "--csv sep is not known; there are separator, decimal" in wrong.err


@pytest.mark.slow
def test_on_a_terminal_the_column_is_asked_until_it_is_one(ballast: "Ballast") -> None:
    write_table("two.csv", bars()[["Open", "Close"]].set_axis(["A", "B"], axis=1).to_csv())
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "search.cli", "init", "two.csv"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, b"C\nB\n")
    out, _ = process.communicate(timeout=120)
    os.close(ours)
    assert process.returncode == 0
    assert out.decode().splitlines()[-1] == "ballast run two.yaml"
    assert "column: B" in Path("two.yaml").read_text()


@pytest.mark.slow
def test_a_file_of_yfinance_runs_in_two_commands(ballast: "Ballast") -> None:
    name, content, _ = SHAPES["yfinance"]
    write_table(name, content())
    first = ballast("init", name)
    assert first.code == 0, first.err
    verb = shlex.split(first.out.splitlines()[-1])
    assert verb[:2] == ["ballast", "run"]
    done = ballast(*verb[1:], "--set", "study.trials=2", "--set", "training.epochs=2")
    assert done.code == 0, done.err
    assert "2 of 2 trials" in done.out
