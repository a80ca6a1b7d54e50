"""Bad configurations and tables end in a sentence or a result; `python -m benchmarks.fuzz` does it longer."""

import shutil
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from benchmarks.fuzz import KINDS, feed
from benchmarks.fuzzing.commands import Command, read_command
from benchmarks.fuzzing.configurations import CONFIGURATIONS, STUDIES, Configuration, read_configuration
from benchmarks.fuzzing.judge import Ending, ending_of
from benchmarks.fuzzing.pairs import KEYS, pairs
from benchmarks.fuzzing.tables import CSV, PARQUET, TABLES, TableFile, read_and_audit

some = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # shrinking 100,000 characters takes minutes; the bench prints what it finds
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@some
@given(CONFIGURATIONS)
def test_a_bad_configuration_ends_in_a_sentence(tmp_path: Path, configuration: Configuration) -> None:
    assert ending_of(lambda: read_configuration(configuration, tmp_path)).fault is None


@some
@given(TABLES)
def test_a_bad_table_ends_in_a_sentence(tmp_path: Path, table: TableFile) -> None:
    assert ending_of(lambda: read_and_audit(table, tmp_path)).fault is None


FOUND = {
    "an epoch time of 19 digits beyond 64 bits": TableFile("p.csv", CSV.replace(b"2001-01-01", b"9" * 19)),
    "a cell as long as the csv module lets through": TableFile(
        "p.csv", CSV.replace(b"100", b"x" * 130_000, 1)
    ),
    "a header without end": TableFile("p.csv", CSV.replace(b"Close", b"x" * 130_000, 1)),
    "text in Parquet that is no UTF-8": TableFile(
        "p.parquet", PARQUET.replace(b"2001-01-02", b"2001-\xff1-02")
    ),
}
"""What fuzzing found in tables; each was a traceback or a flood once."""


@pytest.mark.parametrize("what", FOUND)
def test_what_fuzzing_found_is_refused_in_a_sentence(tmp_path: Path, what: str) -> None:
    ending = ending_of(lambda: read_and_audit(FOUND[what], tmp_path))
    assert (ending.kind, ending.fault) == ("refused", None)


def test_a_long_value_is_told_short(tmp_path: Path) -> None:
    study = Configuration(STUDIES[0], sets=(f"study.seed={'9x' * 100_000}", f"{'k' * 100_000}=1"))
    assert ending_of(lambda: read_configuration(study, tmp_path)) == Ending("refused")


def test_the_judge_sees_tracebacks_floods_and_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def flood() -> None:
        raise OSError(2, "no such thing", "prices.csv")

    def hang() -> None:
        while True:
            pass

    monkeypatch.setattr("benchmarks.fuzzing.judge.PATIENCE_S", 0.05)
    monkeypatch.setattr("benchmarks.fuzzing.judge.LONGEST", 20)
    endings = [ending_of(work) for work in (lambda: None, lambda: [][1], flood, hang)]
    assert [ending.kind for ending in endings] == ["read", "fault", "fault", "fault"]
    told = [ending.fault or "" for ending in endings[1:]]
    assert [told[0].startswith("IndexError at"), "a sentence of more than" in told[1], "hang" in told[2]] == [
        True
    ] * 3


@pytest.mark.slow
@pytest.mark.parametrize(("name", "inputs"), [("pairs", 200), ("columns", 100), ("commands", 60)])
def test_pairs_of_settings_column_names_and_commands_end_in_a_sentence(name: str, inputs: int) -> None:
    tally = feed(KINDS[name], inputs, 0)
    assert tally.faults == {}
    assert sum(tally.endings.values()) == inputs


def test_the_series_of_a_seed_is_the_same_each_time_and_holds_every_pair_once() -> None:
    count = len(KEYS) * (len(KEYS) - 1) // 2
    one, again = (list(islice(pairs(Random(3)), count)) for _ in range(2))
    assert one == again
    keys = {frozenset(text.partition("=")[0] for text in pair.sets) for pair in one}
    assert len(keys) == count


def test_the_judge_sees_what_a_command_must_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def harm() -> None:
        Path("prices.csv").write_text("gone")

    def crash() -> None:
        raise KeyError("Date")

    ending_of(
        lambda: read_command(Command(("status",)), tmp_path / "first")
    )  # which makes the folder to copy
    for deed, told in ((harm, "prices.csv changed"), (crash, "KeyError")):
        monkeypatch.setattr("benchmarks.fuzzing.commands.main", deed)
        ending = ending_of(lambda: read_command(Command(("status",)), tmp_path))
        assert told in (ending.fault or "")
        shutil.rmtree(tmp_path / "home")


def test_the_bench_counts_every_input(tmp_path: Path) -> None:
    tally = feed(KINDS["tables"], 20, 0)
    assert sum(tally.endings.values()) == 20
