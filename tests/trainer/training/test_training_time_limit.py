"""A trial that has trained for training.max_seconds ends at its next batch and keeps its best epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trainer.data.windows import Dataset
from trainer.rivals.skill import Baseline
from trainer.training.loop import fit
from trainer.training.result import EpochReport, Outcome

if TYPE_CHECKING:
    from tests.trainer.fit_fixtures import Fit, MakeConfig

STEPS = 5
"""Updates of an epoch: 160 rows in batches of 32."""


class Clock:
    """Advances by a second each time it is read. Real seconds would make tests of time, not of the limit."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("trainer.training.loop", "trainer.training.training_state"):
        monkeypatch.setattr(f"{module}.perf_counter", clock)
    return clock


def batches_counted() -> tuple[list[int], Callable[[], bool]]:
    """A list that grows with each batch, and the `should_stop` that fills it."""
    seen: list[int] = []

    def should_stop() -> bool:
        seen.append(len(seen))
        return False

    return seen, should_stop


def test_a_limit_that_is_over_at_once_leaves_a_trial_without_a_value(
    settings_of: MakeConfig, run_fit: Fit
) -> None:
    result = run_fit(settings_of(training={"max_seconds": 1e-9}))
    assert result.outcome is Outcome.TIMED_OUT
    assert (result.value, result.skill, result.best_epoch, result.weights) == (None, None, None, None)
    assert (result.epochs, result.findings) == ((), ())
    assert result.seconds > 1e-9


@pytest.mark.usefixtures("clock")
def test_the_trial_ends_at_the_first_batch_after_its_limit_and_keeps_the_value_of_its_best_epoch(
    settings_of: MakeConfig, run_fit: Fit
) -> None:
    # A clock reading each at the start of the epoch and of the report, one before each batch, two at the end.
    an_epoch = STEPS + 2
    seen, should_stop = batches_counted()
    limited = settings_of(training={"epochs": 9, "max_seconds": 2 * an_epoch + 3})
    result = run_fit(limited, should_stop=should_stop)
    assert result.outcome is Outcome.TIMED_OUT
    assert len(seen) == 2 * STEPS + 4
    assert [report.epoch for report in result.epochs] == [0, 1]
    assert result.value == min(report.validation_loss for report in result.epochs)
    assert result.weights is not None
    assert result.seconds > 2 * an_epoch + 3


def test_what_on_epoch_takes_is_not_time_trained(settings_of: MakeConfig, run_fit: Fit, clock: Clock) -> None:
    def waits_for_the_store(report: EpochReport) -> bool:
        clock.now += 1e6
        return False

    result = run_fit(settings_of(training={"max_seconds": 1e3}), on_epoch=waits_for_the_store)
    assert result.outcome is Outcome.FINISHED
    assert result.seconds < 1e3


def test_a_limit_that_is_not_reached_changes_no_bit(settings_of: MakeConfig, run_fit: Fit) -> None:
    free, limited = run_fit(settings_of()), run_fit(settings_of(training={"max_seconds": 1e6}))
    assert (limited.outcome, limited.value) == (Outcome.FINISHED, free.value)


def test_a_signal_comes_before_the_limit(settings_of: MakeConfig, run_fit: Fit) -> None:
    result = run_fit(settings_of(training={"max_seconds": 1e-9}), should_stop=lambda: True)
    assert result.outcome is Outcome.INTERRUPTED


def test_a_trial_that_is_frozen_within_its_limit_is_unstable_and_not_timed_out(
    settings_of: MakeConfig, run_fit: Fit
) -> None:
    still = settings_of(gru={"learning_rate": 1e-9}, training={"max_seconds": 1e6})
    assert run_fit(still).outcome is Outcome.UNSTABLE


def test_the_seconds_of_restored_epochs_count(
    settings_of: MakeConfig, market: Dataset, naive: Baseline, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint"
    told: list[EpochReport] = []

    def two_epochs(report: EpochReport) -> bool:
        told.append(report)
        return len(told) == 2

    free = settings_of(training={"epochs": 9})
    fit(free, market, baseline=naive, ceiling=0.9, seed=0, on_epoch=two_epochs, checkpoint=path)
    spent = sum(report.seconds for report in told)
    limited = settings_of(training={"epochs": 9, "max_seconds": spent})
    result = fit(limited, market, baseline=naive, ceiling=0.9, seed=0, checkpoint=path)
    assert (result.outcome, result.resumed_from) == (Outcome.TIMED_OUT, 1)
    assert result.epochs == tuple(told)
    assert result.value == min(report.validation_loss for report in told)
    assert result.seconds > spent
