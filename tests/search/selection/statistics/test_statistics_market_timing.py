"""What a position earns beyond one that needs no forecast: drift is no timing, and timing is found."""

import numpy as np
import pytest
from numpy.typing import NDArray

from search.selection.statistics.market_timing import market_timing
from search.selection.statistics.sharpe import deflated_sharpe, sharpe_ratio

ROWS = 1000
DRIFT = 0.1
"""In standard deviations of a row: what a stock index earns in two weeks."""

Floats = NDArray[np.float64]


def drifting(seed: int) -> tuple[Floats, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(ROWS) + DRIFT, rng


def test_always_being_long_is_certified_against_nothing_and_has_nothing_to_tell_against_its_benchmark() -> (
    None
):
    target, _ = drifting(0)
    long = np.ones((ROWS, 10))
    assert deflated_sharpe(target, np.full(10, sharpe_ratio(target))).probability > 0.95  # the fault
    found = market_timing(long, np.ones(ROWS), target, 0)
    assert (found.differing, found.trials, found.probability) == (0, 0, None)


def test_positions_without_information_are_seldom_certified_where_returns_drift() -> None:
    """Mostly long, as forecasts of a drifting return are; the best of ten by what it earns."""
    certified, against_nothing = 0, 0
    for seed in range(300):
        target, rng = drifting(seed)
        positions = np.where(rng.random((ROWS, 10)) < 0.9, 1.0, -1.0)
        earned = positions * target[:, None]
        best = int(earned.mean(axis=0).argmax())
        certified += (market_timing(positions, np.ones(ROWS), target, best).probability or 0.0) >= 0.95
        ratios = np.array([sharpe_ratio(each) for each in earned.T])
        against_nothing += deflated_sharpe(earned[:, best], ratios).probability >= 0.95
    assert certified <= 15  # 5 %
    assert against_nothing > 150


def test_a_position_that_knows_when_to_be_short_is_found() -> None:
    target, rng = drifting(1)
    positions = np.where(rng.random((ROWS, 10)) < 0.9, 1.0, -1.0)
    positions[:, 3] = np.sign(target + 1.5 * rng.standard_normal(ROWS))
    found = market_timing(positions, np.ones(ROWS), target, 3)
    assert found.probability is not None
    assert found.probability > 0.99
    assert found.sharpe is not None
    assert found.sharpe > 0


def test_a_few_lucky_rows_have_nothing_to_tell() -> None:
    target, _ = drifting(2)
    position = np.ones((ROWS, 1))
    position[np.argsort(target)[:19]] = -1.0  # short on the nineteen worst rows
    assert market_timing(position, np.ones(ROWS), target, 0).probability is None
    position[np.argsort(target)[:20]] = -1.0
    assert market_timing(position, np.ones(ROWS), target, 0).probability is not None


def test_only_differing_rows_count() -> None:
    target, rng = drifting(3)
    position = np.where(rng.random((ROWS, 1)) < 0.1, -1.0, 1.0)
    shorts = position[:, 0] < 0
    found = market_timing(position, np.ones(ROWS), target, 0)
    assert (found.differing, found.rows, found.trials) == (shorts.sum(), ROWS, 1)
    assert found.sharpe == pytest.approx(sharpe_ratio(-2 * target[shorts]))
    assert found.expected_maximum == 0


def test_without_information_the_luck_of_trials_is_that_of_the_published_ratio() -> None:
    target, rng = drifting(4)
    positions = np.sign(rng.standard_normal((ROWS, 400)))
    out_of_market = market_timing(positions, np.zeros(ROWS), target, 2)
    earned = positions * target[:, None]
    plain = deflated_sharpe(earned[:, 2], np.array([sharpe_ratio(each) for each in earned.T]))
    assert out_of_market.sharpe == pytest.approx(plain.sharpe)
    # a variance of 400 ratios errs by 7 %, its root by half of that
    assert out_of_market.expected_maximum == pytest.approx(plain.expected_maximum, rel=0.14)


def test_trials_that_are_copies_of_each_other_count_as_one() -> None:
    target, rng = drifting(6)
    positions = np.repeat(np.sign(rng.standard_normal((ROWS, 1))), 50, axis=1)
    assert market_timing(positions, np.ones(ROWS), target, 0).expected_maximum == pytest.approx(0, abs=1e-6)


def test_several_trials_that_know_something_do_not_hide_each_other() -> None:
    target, rng = drifting(7)
    positions = np.sign(rng.standard_normal((ROWS, 10)))
    positions[:, :5] = np.sign(target[:, None] + 2 * rng.standard_normal((ROWS, 5)))
    found = market_timing(positions, np.ones(ROWS), target, 0)
    assert found.probability is not None
    assert found.probability > 0.95


def test_overlapping_returns_are_counted_once() -> None:
    target, rng = drifting(5)
    positions = np.sign(rng.standard_normal((ROWS, 2)))
    every_fifth = market_timing(positions[::5], np.ones(ROWS // 5), target[::5], 1)
    assert market_timing(positions, np.ones(ROWS), target, 1, horizon=5) == every_fifth
    assert every_fifth.rows == ROWS // 5


def test_other_shapes_and_horizons_are_refused() -> None:
    with pytest.raises(ValueError, match=r"positions have shape \(9,\), benchmark \(9,\)"):
        market_timing(np.ones(9), np.ones(9), np.ones(9), 0)
    with pytest.raises(ValueError, match=r"horizon is 0; give 1 or more rows"):
        market_timing(np.ones((9, 1)), np.ones(9), np.ones(9), 0, horizon=0)
