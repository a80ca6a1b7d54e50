"""Requests that lead nowhere: files without end, floods of keys, dates and columns that do not fit; one short
sentence each, in about a second.
"""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from trainer import bounded_reading

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Result, WriteStudy

MOST_CHARACTERS = 3_000


@pytest.fixture(autouse=True)
def _never_hangs() -> Iterator[None]:
    """End a test that waits for something that never comes."""

    def ring(_: int, __: FrameType | None) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _refused(result: "Result", *parts: str) -> None:
    told = "\n".join(result.told)
    assert result.code == 2, told
    assert [part for part in parts if part not in told] == [], told
    assert len(told) < MOST_CHARACTERS


@pytest.fixture
def endless(write_study: "WriteStudy") -> None:
    """Things that bear a file's name and are none, beside a study."""
    write_study()
    for ending in ("yaml", "csv", "parquet"):
        os.mkfifo(f"pipe.{ending}")
        Path(f"zero.{ending}").symlink_to("/dev/zero")
        Path(f"random.{ending}").symlink_to("/dev/random")
        Path(f"loop.{ending}").symlink_to(f"loop.{ending}")
        Path(f"folder.{ending}").mkdir()
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"socket.{ending}")


@pytest.mark.usefixtures("endless")
@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("pipe", "is a pipe"),
        ("zero", "is a device"),
        ("random", "is a device"),
        ("loop", "Too many levels of symbolic links"),
        ("folder", "is a folder"),
        ("socket", "cannot be read"),
    ],
)
def test_a_path_that_is_no_file_is_reported_by_every_command(
    ballast: "Ballast", kind: str, part: str
) -> None:
    for command in ("check", "run", "train", "verify"):
        _refused(ballast(command, f"{kind}.yaml"), f"{kind}.yaml", part)
    for option in ("--policy", "--warm-start"):
        _refused(ballast("check", "study.yaml", option, f"{kind}.yaml"), f"{kind}.yaml", part)
    for source in (f"{kind}.csv", f"{kind}.parquet"):
        _refused(ballast("check", "study.yaml", "--set", f"data.source={source}"), source, part)


def test_a_study_may_come_through_a_pipe_that_somebody_writes_to(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    text = write_study().read_text()
    os.mkfifo("pipe.json")
    writer = threading.Thread(target=lambda: Path("pipe.json").write_text(text), daemon=True)
    writer.start()
    told = ballast("check", "pipe.json")
    writer.join(timeout=10)
    assert told.code == 0, told.err


def test_a_pipe_without_end_is_read_up_to_the_bound_of_a_study(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    write_study()
    os.mkfifo("pipe.yaml")

    def write() -> None:
        try:
            with Path("pipe.yaml").open("wb") as pipe:
                while True:
                    pipe.write(b"a" * 65_536)
        except BrokenPipeError:
            pass

    threading.Thread(target=write, daemon=True).start()
    _refused(ballast("check", "pipe.yaml"), "pipe.yaml", "more than 1000000 bytes")


def test_a_pipe_that_stays_silent_is_not_waited_for(
    write_study: "WriteStudy", ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study()
    os.mkfifo("pipe.yaml")
    monkeypatch.setattr(bounded_reading, "SILENCE", 0.05)
    silent = os.open("pipe.yaml", os.O_RDWR)
    _refused(ballast("check", "pipe.yaml"), "pipe.yaml", "was silent")
    os.close(silent)


def test_standard_input_is_named(ballast: "Ballast") -> None:
    _refused(ballast("check", "-"), "standard input is called /dev/stdin")


def test_a_source_larger_than_the_memory_is_not_read(write_study: "WriteStudy", ballast: "Ballast") -> None:
    write_study()
    with Path("huge.csv").open("wb") as file:
        file.truncate(1 << 43)  # all holes: it takes no space on the disk
    _refused(ballast("check", "study.yaml", "--set", "data.source=huge.csv"), "has 8796.1 GB", "of memory")


@pytest.mark.parametrize("option", ["-o", "--data"])
def test_a_link_that_leads_back_to_itself_is_a_sentence(ballast: "Ballast", option: str) -> None:
    Path("loop.csv").symlink_to("loop.csv")
    names = {"-o": "new.csv", "--data": "prices.csv", option: "loop.csv"}
    _refused(ballast("predict", "model", "--data", names["--data"], "-o", names["-o"]), "loop.csv", "link")


FLOODS: dict[str, dict[str, Any]] = {
    "unknown keys": {f"unknown_{number}": 1 for number in range(12_000)},
    "unknown keys of a section": {"data": {f"unknown_{number}": 1 for number in range(12_000)}},
    "choices": {"space": {"models.gru.hidden_size": {"choices": list(range(1, 50_001))}}},
    "features": {"data": {"features": [{"name": f"f{n}", "column": "Close"} for n in range(8_000)]}},
    "configurations": {"study": {"enqueue": [{"training.epochs": 1}] * 15_000}},
}


@pytest.mark.slow
@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_is_one_short_sentence(write_study: "WriteStudy", ballast: "Ballast", what: str) -> None:
    told = ballast("check", write_study(**FLOODS[what]).name)
    _refused(told, "study.yaml:1: more than 20,000 keys and values", "is it the right file?")
    assert len(told.told) == 1


@pytest.mark.slow
def test_of_many_problems_the_first_are_reported_and_the_rest_is_counted(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    unknown: dict[str, Any] = {f"unknown_{number}": 1 for number in range(5_000)}
    told = ballast("check", write_study(**unknown).name)
    _refused(told, "unknown key unknown_0", "and 4,980 more problems; mend these first")
    assert len(told.told) == 21


def test_of_many_missing_columns_the_first_are_reported_and_the_rest_is_counted(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    columns = [f"c{number}" for number in range(2_000)]
    _refused(ballast("check", write_study(data={"features": columns}).name), "column 'c0' is missing")


@pytest.mark.parametrize(
    ("train", "validation", "part"),
    [
        ("2001-08-01T00:00+09:00", "2001-12-01", "both with an offset"),
        ("2001-08-01", "2001-12-01T00:00Z", "both with an offset"),
        ("2001-08-01", "2001-08-01T12:00", "is not before"),
        ("2001-08-01T00:00Z", "9999-12-31T23:59-05:00", "outside the years 1 to 9999"),
        ("0001-01-01T00:00+09:00", "2001-12-01T00:00Z", "outside the years 1 to 9999"),
        (20010801, "2001-12-01", "text, in quotes"),
        ("996624000", "2001-12-01", "is not a date"),
    ],
)
def test_dates_that_do_not_go_together_are_a_sentence(
    write_study: "WriteStudy", ballast: "Ballast", train: object, validation: str, part: str
) -> None:
    split = {"fractions": None, "train_until": train, "validation_until": validation}
    _refused(ballast("check", write_study(data={"split": split}).name), "study.yaml:", part)


@pytest.mark.parametrize(
    "series",
    [
        {"column": "Date"},
        {"column": "Date", "transform": "log_return"},
        {"transform": "log_parkinson", "high": "Date", "low": "Low"},
        {"transform": "log_parkinson", "high": "High", "low": "Date"},
    ],
)
def test_the_column_of_times_is_no_feature_and_no_target(
    write_study: "WriteStudy", ballast: "Ballast", series: dict[str, str]
) -> None:
    told = "reads 'Date', the column of times"
    _refused(ballast("check", write_study(data={"features": [{"name": "x", **series}]}).name), "'x'", told)
    target = {"kind": "volatility", **series}
    _refused(ballast("check", write_study(data={"target": target}).name), "the target", told)


def test_names_of_a_shell_and_of_no_encoding_are_sentences(
    write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    write_study()
    for name in ("a\x00b.yaml", "x" * 300, "\udcff.yaml", "a\nb.yaml"):
        _refused(ballast("check", name))
        _refused(ballast("check", "study.yaml", "--set", f"data.source={json.dumps(name)}"))


@pytest.mark.slow
def test_numbers_that_no_store_holds_are_a_sentence(write_study: "WriteStudy", ballast: "Ballast") -> None:
    path = write_study(training={"epochs": 1}).name
    assert ballast("run", path, "--trials", 1).code == 0
    for number in (2**31, 2**63, 10**30):
        _refused(ballast("explain", "small", "--trial", number), f"no trial {number}")
        _refused(ballast("export", "small", "-o", "x.yaml", "--trial", number), f"no trial {number}")
    _refused(ballast("run", path, "--workers", 10**9), "--workers")
    _refused(ballast("proxy", "--port", -1), "--port")
