"""Rows of a panel by time: means that stay those of the rows, and targets' spans."""

import numpy as np
import pytest

from trainer.data.moments import moments_of

DAY = np.timedelta64(1, "D")


def days(*numbers: int) -> np.ndarray:
    return np.datetime64("2000-01-03", "ns") + np.array(numbers) * DAY


def test_the_rows_of_one_series_are_its_moments_bit_for_bit() -> None:
    values, times = np.random.default_rng(0).random((7, 2)), days(1, 2, 4, 5, 6, 9, 11)
    moments = moments_of(times, np.zeros(7, np.int64), 3)
    assert moments.means(values) is values
    assert (moments.horizon, len(moments.times)) == (3, 7)


def test_the_mean_over_moments_is_the_mean_over_rows() -> None:
    times, series = days(1, 2, 3, 2, 3, 4), np.array([0, 0, 0, 1, 1, 1])
    moments = moments_of(times, series, 1)
    values = np.array([1.0, 2.0, 3.0, 10.0, 20.0, 30.0])
    assert moments.means(values).tolist() == pytest.approx([4 / 6 * each for each in (1, 12, 23, 30)])
    assert moments.means(values).mean() == pytest.approx(values.mean())
    both = moments.means(np.stack([values, 2 * values], axis=1))
    np.testing.assert_allclose(both[:, 1], 2 * both[:, 0])


def test_moments_of_folds_stay_apart() -> None:
    times, series, folds = days(1, 2, 1, 2, 1, 1), np.array([0, 0, 1, 1, 0, 1]), np.array([0, 0, 0, 0, 1, 1])
    moments = moments_of(times, series, 1, folds)
    assert moments.folds.tolist() == [0, 0, 1]
    assert moments.times.tolist() == days(1, 2, 1).tolist()
    assert moments.means(np.arange(6.0)).tolist() == [1.0, 2.0, 4.5]


def test_a_target_spans_more_moments_if_series_trade_at_different_times() -> None:
    together = moments_of(np.tile(days(*range(50)), 2), np.repeat([0, 1], 50), 5)
    apart = moments_of(days(*range(0, 100, 2), *range(1, 100, 2)), np.repeat([0, 1], 50), 5)
    assert (together.horizon, apart.horizon) == (5, 10)


def test_one_long_gap_of_one_series_does_not_decide_the_span() -> None:
    times = np.concatenate([days(*range(100)), days(*range(10), *range(90, 100))])
    assert moments_of(times, np.repeat([0, 1], [100, 20]), 1).horizon == 1
