"""The peers' benchmark: what all are given, how losses and goals are judged, and two competitors at work."""

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from math import inf
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.peer_loops import ballast, judge, stopwatch
from benchmarks.peer_loops.catalogue import PEERS, Peer
from benchmarks.peer_loops.judge import Goal, Round, TrialCost
from benchmarks.peer_loops.stopwatch import CommandFailed, Measured, Samples
from benchmarks.peer_loops.work import FULL, Configuration, Trained, Work, heard, read, tell, write

SMALL, LARGE = Configuration(16, 1e-3), Configuration(64, 1e-3)
TINY = Work(
    configurations=(LARGE, SMALL),
    epochs=1,
    batch_size=32,
    seq_len=FULL.seq_len,
    data={**FULL.data, "split": {"fractions": {"train": 0.05, "validation": 0.05}}},
)


def one_round(search_wall: float, cpu: Mapping[Configuration, float], value: float = 0.5) -> Round:
    costs = tuple(TrialCost(each, value, seconds) for each, seconds in cpu.items())
    return Round(2 * search_wall, 3 * search_wall, search_wall, search_wall, 0.0, costs)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(TINY, tmp_path)
    return tmp_path


def test_there_are_four_configurations_of_each_size() -> None:
    sizes = [each.units for each in FULL.configurations]
    assert {units: sizes.count(units) for units in sizes} == {64: 4, 32: 4, 16: 4}
    assert len(set(FULL.configurations)) == 12
    assert (FULL.epochs, FULL.batch_size, FULL.seq_len, len(FULL.data["features"])) == (3, 32, 30, 5)


def test_what_is_written_is_what_competitors_read(folder: Path) -> None:
    work, rows = read(folder)
    assert asdict(work)["configurations"] == asdict(TINY)["configurations"]
    windows = rows.windows(rows.validation, work.seq_len)
    assert windows.shape == (len(rows.validation), 30, 5)
    last = int(rows.validation[-1])
    np.testing.assert_array_equal(windows[-1], rows.features[last - 29 : last + 1])


def test_ballast_is_given_the_same_configurations() -> None:
    study = ballast.study(FULL, seed=3)
    told = [
        (each["models.gru.hidden_size"], each["models.gru.learning_rate"])
        for each in study["study"]["enqueue"]
    ]
    assert told == [(each.units, each.learning_rate) for each in FULL.configurations]
    assert study["study"]["trials"] == 12
    assert study["study"]["pruner"] == "none"
    assert study["training"] == {"epochs": 3, "patience": 3}


def test_what_is_told_is_heard_whatever_was_printed_before(capsys: pytest.CaptureFixture[str]) -> None:
    trained = [Trained(16, 1e-3, (0.6, 0.5), 186, 7, 1.0, 2.0)]
    print("GPU available: False")
    tell(trained)
    assert heard(capsys.readouterr().out) == trained


def test_cpu_time_grows_evenly_between_readings_and_is_none_before_the_first() -> None:
    samples = Samples()
    for moment, cpu in ((10.0, 1.0), (12.0, 3.0)):
        samples.add(1, moment, cpu)
    samples.add(2, 11.0, 0.5)
    assert samples.between(10.5, 11.5, pid=1) == pytest.approx(1.0)
    assert samples.between(10.0, 99.0) == pytest.approx(2.5)
    assert samples.between(0.0, 99.0, pid=3) == 0.0


def test_a_trial_lasts_until_the_next_of_its_process() -> None:
    samples = Samples()
    for moment in (0.0, 10.0):
        samples.add(1, moment, moment)
    trained = [
        Trained(16, 1e-3, (0.6, 0.5, 0.7), 9, 1, 1.0, 4.0),
        Trained(64, 1e-3, (0.4,), 9, 1, 5.0, 7.0),
    ]
    found = peers.round_of(trained, Measured(12.0, 11.0, 0.0, "", samples))
    assert [(trial.configuration, trial.value) for trial in found.trials] == [(SMALL, 0.5), (LARGE, 0.4)]
    assert [trial.cpu for trial in found.trials] == pytest.approx([4.0, 2.0])
    assert (found.search_wall, found.search_cpu) == pytest.approx((6.0, 6.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": 32}, "not the configurations asked for"),
        ({"steps": 5}, "loop made 5 steps in 1 epochs of 16 units, not 6 in 1"),
        ({"losses": (0.5, 0.4)}, "loop made 6 steps in 2 epochs of 16 units, not 6 in 1"),
    ],
)
def test_other_work_than_was_asked_for_is_refused(change: Mapping[str, object], message: str) -> None:
    right = [Trained(each.units, each.learning_rate, (0.5,), 6, 1, 0.0, 1.0) for each in TINY.configurations]
    peers.check("loop", right, TINY, steps=6)
    wrong = [right[0], replace(right[1], **change)]  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=message):
        peers.check("loop", wrong, TINY, steps=6)


def test_losses_agree_within_the_scatter_of_seeds() -> None:
    reference = {SMALL: [0.50, 0.52, 0.48], LARGE: [0.40, 0.42, 0.38]}
    assert judge.noise(reference) == {1e-3: pytest.approx(0.02)}
    assert judge.distance({SMALL: [0.51], LARGE: [0.39]}, reference) < judge.LIMIT
    # 0.10 apart; one standard error is 0.02 · √(1 + 1/3)
    assert judge.distance({SMALL: [0.60], LARGE: [0.40]}, reference) == pytest.approx(4.33, abs=0.01)


def test_a_competitor_may_scatter_more_but_not_wildly() -> None:
    reference = {SMALL: [0.50, 0.52, 0.48]}
    calm = judge.distance({SMALL: [0.60, 0.61, 0.59]}, reference)
    # Twice the scatter: one standard error is 0.02 · √(2² / 3 + 1 / 3)
    wider = judge.distance({SMALL: [0.60, 0.64, 0.56]}, reference)
    assert [calm, wider] == pytest.approx([6.12, 3.87], abs=0.01)
    wild = judge.distance({SMALL: [1.0, 2.0, 0.0]}, reference)
    assert wild == pytest.approx(0.5 / (0.02 * (3 + 1 / 3) ** 0.5))


def test_losses_of_other_configurations_never_agree() -> None:
    assert judge.distance({SMALL: [0.5]}, {SMALL: [0.5, 0.6], LARGE: [0.5, 0.6]}) == inf


def test_a_goal_of_cpu_time_is_judged_by_the_median_trial_of_its_size() -> None:
    other = Configuration(16, 2e-3)
    third = Configuration(16, 4e-3)
    slow = one_round(9.0, {SMALL: 9.0, other: 3.0, third: 3.0, LARGE: 1.0})
    quick = one_round(9.0, {SMALL: 1.0, other: 1.0, third: 1.0, LARGE: 1.0})
    rounds = {"expert": [slow], "ballast": [quick]}
    assert Goal("ballast", "expert", 3.0, units=16).reached(rounds) == pytest.approx(3.0)
    assert "CPU time per trial of 64 units: 1.00, MISSED" in Goal("ballast", "expert", 2.0, units=64).told(
        rounds
    )


def test_a_goal_of_trials_per_hour_is_the_median_of_paired_rounds() -> None:
    rounds = {
        "lightning": [one_round(wall, {SMALL: 1.0}) for wall in (60.0, 200.0, 80.0)],
        "ballast": [one_round(wall, {SMALL: 1.0}) for wall in (10.0, 20.0, 10.0)],
    }
    goal = Goal("ballast", "lightning", 6.0)
    assert goal.reached(rounds) == pytest.approx(8.0)
    assert goal.told(rounds).endswith("in trials per hour: 8.00, met")


def test_a_goal_is_not_judged_without_the_other() -> None:
    goal = Goal("ballast", "autogru", 10.0)
    assert goal.reached({"ballast": [one_round(1.0, {SMALL: 1.0})]}) is None
    assert "not judged" in goal.told({})


def test_the_table_has_ratios_to_the_expert() -> None:
    rounds = {
        "expert": [one_round(20.0, {SMALL: 1.0, LARGE: 4.0})],
        "ballast": [one_round(5.0, {SMALL: 0.25, LARGE: 2.0})],
    }
    head, _, line = judge.table(rounds, {"ballast": 1.25}).splitlines()
    assert "CPU/16" in head
    assert " ".join(line.split()) == "ballast 10.0 15.0 5.0 0.25 5.0 0.25 0.250 2.000 1440 720 0.00 1.2 se"


def test_losses_that_differ_make_the_comparison_void(capsys: pytest.CaptureFixture[str]) -> None:
    rounds = {"ballast": [one_round(1.0, {SMALL: 1.0, LARGE: 1.0})]}
    reference = {SMALL: [0.5, 0.6], LARGE: [0.5, 0.6]}
    assert peers.told(rounds, {"ballast": 3.9}, reference)
    assert not peers.told(rounds, {"ballast": 4.1}, reference)
    assert "void: the losses of ballast differ by 4.1 standard errors" in capsys.readouterr().out


def test_a_missed_goal_is_told_and_decides(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("ballast, 1 worker", "ballast, 2 workers")
    rounds = {name: [one_round(1.0, {SMALL: 1.0, LARGE: 1.0})] for name in names}
    assert not peers.told(rounds, {}, {SMALL: [0.5, 0.6]})
    assert "ballast, 2 workers 1.75 times better than ballast, 1 worker in trials per hour: 1.00, MISSED" in (
        capsys.readouterr().out
    )


def test_a_competitor_says_which_of_its_packages_are_missing() -> None:
    assert Peer("x", "x", needs=("numpy", "no_such_package")).missing() == ["no_such_package"]


def test_names_of_competitors_are_their_own() -> None:
    names = {peer.name for peer in PEERS}
    assert len(names) == len(PEERS)
    assert {name for goal in judge.GOALS for name in (goal.who, goal.than)} <= names


def test_the_time_of_children_is_counted(tmp_path: Path) -> None:
    work = "import time\nwhile time.process_time() < 0.6: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}]); print('done')"
    measured = stopwatch.measure([sys.executable, "-c", parent], tmp_path, os.environ)
    assert measured.printed == "done\n"
    assert measured.cpu >= 0.6
    assert measured.samples.between(0.0, inf) <= measured.cpu


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no rows"):
        stopwatch.measure([sys.executable, "-c", "raise SystemExit('no rows')"], tmp_path, os.environ)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["expert", "ballast, 1 worker", "ballast, 2 workers"])
def test_a_competitor_does_the_work(name: str, folder: Path) -> None:
    (peer,) = (each for each in PEERS if each.name == name)
    done = peers.run(peer, folder, seed=0)
    assert {trial.configuration for trial in done.trials} == set(TINY.configurations)
    assert all(0.2 < trial.value < 2.0 and trial.cpu > 0 for trial in done.trials)
    assert 0 < done.search_wall < done.wall
    assert 0 < done.search_cpu < done.cpu
