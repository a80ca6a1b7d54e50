"""What the rows of a panel are worth: as much as their correlation leaves."""

import numpy as np
import pytest

from trainer.rivals.effective_rows import effective_rows


def days(*numbers: int) -> np.ndarray:
    return np.datetime64("2000-01-03", "ns") + np.array(numbers) * np.timedelta64(1, "D")


def panel(
    correlation: float, series: int, length: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors, times and series of a balanced panel, series after series."""
    random = np.random.default_rng(seed)
    common = np.sqrt(correlation) * random.standard_normal(length)
    errors = common + np.sqrt(1 - correlation) * random.standard_normal((series, length))
    times = np.tile(days(*range(length)), series)
    return errors.ravel(), times, np.repeat(np.arange(series), length)


@pytest.mark.parametrize(
    ("correlation", "low", "high"), [(0.0, 6_000, 10_000), (0.5, 900, 1_100), (1.0, 499, 501)]
)
def test_rows_are_worth_what_their_correlation_leaves(correlation: float, low: float, high: float) -> None:
    found = effective_rows(*panel(correlation, 20, 500), horizon=1)
    assert (found.series, found.rows, found.times) == (20, 10_000, 500)
    assert low < found.uncorrelated < high


def test_series_relative_to_the_cross_section_may_still_move_in_groups() -> None:
    errors, times, series = panel(0.0, 20, 500)
    factor = np.outer(np.repeat([1.0, -1.0], 10), np.random.default_rng(1).standard_normal(500))
    assert effective_rows(errors + factor.ravel(), times, series, 1).uncorrelated < 1_100


def test_a_short_volatile_series_does_not_decide_what_the_others_are_worth() -> None:
    errors, times, series = panel(0.0, 20, 500)
    more = np.concatenate([errors, [9.0, -9.0]]), np.concatenate([times, days(0, 1)])
    assert effective_rows(*more, np.concatenate([series, [20, 20]]), 1).uncorrelated > 5_000


def test_overlapping_targets_count_once() -> None:
    found = effective_rows(*panel(1.0, 4, 300), horizon=5)
    assert found.independent == pytest.approx(60, rel=0.01)
    assert found.text == "1,200 rows of 4 series at 300 times, worth about 60 independent rows"
