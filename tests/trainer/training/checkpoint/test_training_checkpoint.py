"""A trial that was killed goes on from its last epoch, to the same bits as one that was left alone."""

from __future__ import annotations

import logging
import math
import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from benchmarks.faults import tamper
from tests.trainer.training.checkpoint.interrupted_trial import (
    BASELINE,
    EPOCHS,
    KILLED_IN,
    STEPS,
    bits,
    halted,
    in_batch,
    market,
    settings,
    trial,
)
from trainer.config import TrialConfig
from trainer.data.windows import Dataset
from trainer.rivals.skill import Baseline
from trainer.training.batches import Batch
from trainer.training.checkpoint import checkpoint_identity
from trainer.training.learner import Learner
from trainer.training.result import Action, EpochReport, FindingKind, Outcome, TrialResult

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import LearnerPatches


def work(path: Path, parent: Connection, dies: bool) -> None:
    """What the process of a trial does: reports where it is and waits to be killed, or tells its result."""

    def wait() -> bool:
        parent.send("in the middle of epoch 3")
        return bool(parent.recv())  # nothing is ever sent: this ends by a kill, or with the parent

    stop = in_batch(KILLED_IN * STEPS + 2, wait) if dies else lambda: False
    result = trial(market(), path, should_stop=stop)
    parent.send((bits(result), result.resumed_from))


def of_a_process(path: Path, *, dies: bool) -> tuple[Any, int | None]:
    """The first thing that a new process says of its trial, and how it ended."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(path, there, dies))
    process.start()
    there.close()
    try:
        said = here.recv()
    finally:
        if dies:
            process.kill()
        process.join()
        here.close()
    return said, process.exitcode


@contextmanager
def broken_output(learner: Learner, batch: Batch) -> Iterator[None]:
    """The forecasts of one step are NaN."""
    with tamper.output(learner, lambda out: out * math.nan):
        yield


@pytest.mark.slow
def test_a_trial_whose_process_was_killed_gives_the_same_bits_in_a_new_process(
    path: Path, unbroken: TrialResult
) -> None:
    assert of_a_process(path, dies=True) == ("in the middle of epoch 3", -signal.SIGKILL)
    (told, resumed_from), exitcode = of_a_process(path, dies=False)
    assert (resumed_from, exitcode) == (KILLED_IN - 1, 0)
    assert told == bits(unbroken)


def test_the_trial_of_these_tests_has_skips_in_every_epoch_and_learns(unbroken: TrialResult) -> None:
    assert [report.skipped_steps for report in unbroken.epochs] == [1] * EPOCHS
    assert {finding.kind for finding in unbroken.findings} == {FindingKind.NONFINITE_TARGET}
    assert math.isnan(unbroken.findings[0].value)
    assert unbroken.outcome is Outcome.FINISHED
    assert unbroken.epochs[-1].validation_loss < unbroken.epochs[0].validation_loss


def test_writing_checkpoints_changes_no_bit(data: Dataset, path: Path, unbroken: TrialResult) -> None:
    watched = trial(data, path)
    assert bits(watched) == bits(unbroken)
    assert watched.resumed_from is None


def test_a_trial_that_is_killed_again_and_again_gives_the_same_bits(
    data: Dataset, path: Path, unbroken: TrialResult
) -> None:
    came_from = []
    for restored in range(EPOCHS):
        result = trial(data, path, should_stop=in_batch(restored + STEPS + 1, lambda: True))
        came_from.append(result.resumed_from)
    assert came_from == [None, 0, 1, 2, 3, 4]
    assert bits(result) == bits(unbroken)


def test_a_trial_that_had_all_its_epochs_trains_no_more_and_tells_them_again(
    data: Dataset, path: Path, unbroken: TrialResult
) -> None:
    trial(data, path)
    told: list[EpochReport] = []
    a_batch = in_batch(EPOCHS, lambda: pytest.fail("a batch was trained"))
    again = trial(data, path, on_epoch=told.append, should_stop=a_batch)
    assert bits(again) == bits(unbroken)
    assert tuple(told) == again.epochs
    assert again.resumed_from == EPOCHS - 1


def test_patience_counts_the_restored_epochs(data: Dataset, path: Path) -> None:
    overfits = settings(gru={"learning_rate": 1e-2}, training={"epochs": 60, "patience": 2})
    whole = trial(data, config=overfits)
    assert len(whole.epochs) < 60
    batches = (len(whole.epochs) - 1) * STEPS
    trial(data, path, config=overfits, should_stop=in_batch(batches, lambda: True))
    assert bits(trial(data, path, config=overfits)) == bits(whole)


def test_the_best_epoch_may_lie_before_the_checkpoint(data: Dataset, path: Path) -> None:
    worse = settings(gru={"learning_rate": 1e-2, "dropout": 0.5}, training={"epochs": 30, "patience": 30})
    whole = trial(data, config=worse)
    assert whole.best_epoch is not None
    batches = (whole.best_epoch + 2) * STEPS + 1
    trial(data, path, config=worse, should_stop=in_batch(batches, lambda: True))
    resumed = trial(data, path, config=worse)
    assert resumed.resumed_from == whole.best_epoch + 1
    assert bits(resumed) == bits(whole)


AN_EPOCH_LATER = (STEPS + 1, STEPS + 2, STEPS + 3)
CUT_OFF_BY_AN_EPOCH = (STEPS - 2, STEPS - 1)
"""The third in a row is the broken target, in the first batch of epoch 1."""


@pytest.mark.parametrize(
    ("steps", "rewinds"), [(AN_EPOCH_LATER, 1), (CUT_OFF_BY_AN_EPOCH, 1), ((2 * STEPS + 3,), 0)], ids=str
)
def test_skips_cuts_and_rewinds_before_the_checkpoint_are_remembered(
    steps: tuple[int, ...], rewinds: int, data: Dataset, path: Path, lab: LearnerPatches
) -> None:
    lab.faults = dict.fromkeys(steps, broken_output)
    whole = trial(data)
    lab.states.clear()
    halted(data, path)
    lab.faults = {}
    resumed = trial(data, path)
    assert resumed.resumed_from == KILLED_IN - 1
    assert bits(resumed) == bits(whole)
    actions = [finding.action for finding in resumed.findings]
    assert actions.count(Action.REWIND) == rewinds


@pytest.mark.parametrize("first", [KILLED_IN * STEPS - 2, KILLED_IN * STEPS])
def test_bad_steps_on_both_sides_of_a_checkpoint_rewind_as_if_it_were_not_there(
    first: int, data: Dataset, path: Path, lab: LearnerPatches
) -> None:
    lab.faults = dict.fromkeys(range(first, first + 3), broken_output)
    whole = trial(data)
    assert Action.REWIND in [finding.action for finding in whole.findings]
    lab.states.clear()
    halted(data, path)
    del lab.states[KILLED_IN * STEPS :]
    resumed = trial(data, path)
    assert resumed.resumed_from == KILLED_IN - 1
    assert bits(resumed) == bits(whole)


def test_a_rewind_before_the_checkpoint_is_the_only_one_that_the_trial_has(
    data: Dataset, path: Path, lab: LearnerPatches
) -> None:
    afterwards = range(KILLED_IN * STEPS, KILLED_IN * STEPS + 3)
    lab.faults = dict.fromkeys((*AN_EPOCH_LATER, *afterwards), broken_output)
    whole = trial(data)
    assert whole.outcome is Outcome.UNSTABLE
    lab.states.clear()
    halted(data, path)
    del lab.states[KILLED_IN * STEPS :]
    assert bits(trial(data, path)) == bits(whole)


def test_restored_epochs_are_told_first_to_last_before_training_goes_on(data: Dataset, path: Path) -> None:
    first: list[EpochReport] = []
    halted(data, path, on_epoch=first.append)
    told: list[EpochReport] = []
    trial(data, path, on_epoch=told.append, should_stop=in_batch(KILLED_IN, lambda: told != first))
    assert told[:KILLED_IN] == first
    assert [report.epoch for report in told] == list(range(EPOCHS))


def test_on_epoch_may_stop_at_a_restored_epoch_and_is_told_all_of_them(data: Dataset, path: Path) -> None:
    halted(data, path)
    told: list[int] = []

    def stop_at_first(report: EpochReport) -> bool:
        told.append(report.epoch)
        return report.epoch == 0

    result = trial(data, path, on_epoch=stop_at_first)
    assert result.outcome is Outcome.STOPPED
    assert [report.epoch for report in result.epochs] == told == [0, 1, 2]


def test_a_stop_is_heeded_while_restored_epochs_are_told_and_loses_none_of_them(
    data: Dataset, path: Path, unbroken: TrialResult
) -> None:
    halted(data, path)
    told: list[EpochReport] = []
    result = trial(data, path, on_epoch=told.append, should_stop=in_batch(1, lambda: True))
    assert (result.outcome, [report.epoch for report in told]) == (Outcome.INTERRUPTED, [0])
    assert bits(trial(data, path)) == bits(unbroken)


def test_an_epoch_is_saved_before_it_is_told(data: Dataset, path: Path, unbroken: TrialResult) -> None:
    def store_is_gone(report: EpochReport) -> bool:
        raise ConnectionError(report.epoch)

    with pytest.raises(ConnectionError):
        trial(data, path, on_epoch=store_is_gone)
    resumed = trial(data, path)
    assert resumed.resumed_from == 0
    assert bits(resumed) == bits(unbroken)


OTHERS: dict[str, dict[str, Any]] = {
    "seed": {"seed": 4},
    "setting": {"config": settings(gru={"learning_rate": 6e-3})},
    "guard": {"config": settings(output_limit=9.0)},
    "kernel": {"config": settings(training={"kernel": "torch"})},
    "ceiling": {"ceiling": 0.8},
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_checkpoint_of_another_trial_is_ignored(
    name: str, data: Dataset, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    halted(data, path)
    result = trial(data, path, **OTHERS[name])
    assert result.resumed_from is None
    assert bits(result) == bits(trial(data, **OTHERS[name]))
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        f"checkpoint {path} is ignored: it is of another configuration, seed, table or version of torch, "
        "numba or scipy"
    ]


def test_other_rows_another_torch_and_another_baseline_are_another_identity(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(config: TrialConfig, data: Dataset, baseline: Baseline = BASELINE) -> str:
        return checkpoint_identity(config, [data], baseline=baseline, ceiling=0.3, seeds=(0,))

    mine = of(settings(), data)
    others = {
        of(settings(), replace(data, sha256="other")),
        of(settings(), data, Baseline("har", 1.0)),
        of(settings(), data, Baseline("made up", 1.1)),
    }
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    others.add(of(settings(), data))
    monkeypatch.undo()
    monkeypatch.setattr("trainer.training.checkpoint.version", lambda package: f"another {package}")
    others.add(of(settings(), data))
    assert len(others - {mine}) == 5


def test_a_time_limit_a_moved_file_and_the_last_digits_of_a_baseline_are_not(data: Dataset) -> None:
    def of(config: TrialConfig, baseline: Baseline = BASELINE) -> str:
        return checkpoint_identity(config, [data], baseline=baseline, ceiling=0.3, seeds=(0,))

    moved = settings().model_copy(update={"data": settings().data.model_copy(update={"source": "x.csv"})})
    same = {
        of(moved),
        of(settings(training={"max_seconds": 9.0})),
        of(settings(), Baseline("made up", 1 + 1e-12)),
    }
    assert same == {of(settings())}


def test_the_log_says_where_a_trial_goes_on_what_was_found_and_each_epoch(
    data: Dataset, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    halted(data, path)
    caplog.set_level(logging.DEBUG, "ballast.trainer")
    result = trial(data, path)
    assert caplog.messages[0] == "resumed after epoch 2"
    assert sum(message.startswith("epoch 3: validation loss ") for message in caplog.messages) == 1
    found = result.findings[KILLED_IN]
    assert f"epoch 3, step {found.step}: {found.message}; skip_and_cut" in caplog.messages
