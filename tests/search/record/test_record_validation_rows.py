"""Validation rows of a panel by moment: what statistics see of rows, series and folds."""

import numpy as np
import pytest

from search.record.validation_rows import ValidationRows
from search.selection.statistics.interval import skill_interval
from search.selection.statistics.market_timing import market_timing
from trainer.losses import MSE

DAYS = 300


def rows_of(
    target: np.ndarray, times: np.ndarray, series: np.ndarray | None, folds: np.ndarray | None = None
) -> ValidationRows:
    ones = np.ones(len(target))
    return ValidationRows(
        times=np.datetime64("2010-01-01", "ns") + times * np.timedelta64(1, "D"),
        folds=np.zeros(len(target), np.int64) if folds is None else folds,
        target=target,
        baselines={"zero": 0 * ones},
        unit_mean=0 * ones,
        unit_std=ones,
        baseline="zero",
        horizon=1,
        kind="return",
        loss=MSE,
        series=series,
        series_names=() if series is None else ("A", "B", "C", "D"),
    )


def test_a_panel_of_copies_is_worth_one_of_them() -> None:
    random = np.random.default_rng(0)
    target, forecast = random.standard_normal((2, DAYS))
    alone = rows_of(target, np.arange(DAYS), None)
    copies = rows_of(np.tile(target, 4), np.tile(np.arange(DAYS), 4), np.repeat(np.arange(4), DAYS))
    own, theirs = alone.losses(forecast), copies.losses(np.tile(forecast, 4))
    np.testing.assert_allclose(own, theirs)
    right = skill_interval(theirs, copies.baseline_losses, draws=400)
    assert right.low == pytest.approx(skill_interval(own, alone.baseline_losses, draws=400).low)
    # What counting rows would say: an interval half as wide.
    counted = copies.row_losses(np.tile(forecast, 4)), copies.row_losses(copies.baselines["zero"])
    naive = skill_interval(*counted, draws=400)
    assert naive.high - naive.low < 0.6 * (right.high - right.low)


def test_the_rows_of_one_series_are_taken_as_they_are() -> None:
    target = np.random.default_rng(0).standard_normal(DAYS)
    alone = rows_of(target, np.arange(DAYS), None)
    assert (alone.losses(np.zeros(DAYS)) == alone.row_losses(np.zeros(DAYS))).all()
    assert alone.losses(np.zeros((3, DAYS))).shape == (3, DAYS)
    assert alone.moments.horizon == 1


def test_folds_stay_apart_until_they_are_averaged_by_time() -> None:
    times, series = np.array([1, 2, 1, 2, 2, 3, 2, 3]), np.array([0, 0, 1, 1, 0, 0, 1, 1])
    rows = rows_of(np.sqrt(np.arange(8.0)), times, series, np.repeat([0, 1], 4))
    losses = rows.losses(np.zeros(8))
    assert losses == pytest.approx([1, 2, 5, 6])
    assert rows.moments.folds.tolist() == [0, 0, 1, 1]
    assert rows.by_time(losses) == pytest.approx([1, 3.5, 6])
    assert rows.by_time(losses).shape == (3,)
    assert rows.distinct_rows.means(rows.target**2) == pytest.approx([0, 2.5, 5, 2, 4.5, 7])


def test_a_row_of_a_late_series_counts_as_much_as_any_other() -> None:
    times, series = np.array([*range(DAYS), *range(100, DAYS)]), np.repeat([0, 1], [DAYS, DAYS - 100])
    rows = rows_of(np.random.default_rng(1).standard_normal(len(times)), times, series)
    assert rows.baseline_losses.mean() == pytest.approx(np.square(rows.target).mean())


def test_positions_of_a_panel_are_judged_by_moment() -> None:
    random = np.random.default_rng(2)
    target, held = random.standard_normal(DAYS), np.sign(random.standard_normal((DAYS, 3)))
    alone = market_timing(held, np.ones(DAYS), target, 0)
    copies = rows_of(np.tile(target, 4), np.tile(np.arange(DAYS), 4), np.repeat(np.arange(4), DAYS))
    found = market_timing(
        np.tile(held, (4, 1)), np.ones(4 * DAYS), copies.target, 0, 1, copies.distinct_rows.moments.means
    )
    assert (found.rows, found.differing) == (alone.rows, alone.differing)
    assert found.sharpe == pytest.approx(alone.sharpe)
    assert found.probability == pytest.approx(alone.probability)
