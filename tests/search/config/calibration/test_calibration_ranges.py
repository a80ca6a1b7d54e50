"""From outcomes of a grid to a safe range, and from ranges to a box that is safe as a whole."""

from collections.abc import Callable
from typing import Any

import pytest

from search.config.calibration.outcomes import Point, Run, RunOutcome
from search.config.calibration.plan import METHODS, KeyPlan
from search.config.calibration.ranges import (
    MeasuredRange,
    corners,
    measured_range,
    next_values,
    shrunk_ranges,
)
from search.config.safe_ranges import SafeRange

RATE, CLIP = "models.gru.learning_rate", "training.max_grad_norm"
SIZE, DROPOUT, BATCH = "models.gru.hidden_size", "models.gru.dropout", "models.gru.batch_size"


def plan(key: str, own: Any, low: Any = None, high: Any = None, grid: tuple[Any, ...] = ()) -> KeyPlan:
    safe = SafeRange(key, low, high, None, {}, "it is said so", "a paper", "policy.yaml:1")
    return KeyPlan(key, own, grid or tuple(sorted({*METHODS[key].values, own})), METHODS[key], safe)


def points(key: KeyPlan, is_stable: Callable[[Any], bool]) -> list[Point]:
    """The points of the grid; those that are not stable are frozen below the own value and diverge above."""

    def outcome(value: Any) -> RunOutcome:
        if is_stable(value):
            return RunOutcome.LEARNS
        return RunOutcome.FROZEN if value < key.own else RunOutcome.DIVERGES

    return [Point(value, [Run(0, outcome(value), "the guard said so")]) for value in key.grid]


def measured(key: KeyPlan, is_stable: Callable[[Any], bool] = lambda value: True) -> MeasuredRange:
    return measured_range(key, points(key, is_stable))


def test_the_range_is_the_unbroken_stable_span_around_the_own_value_with_a_margin() -> None:
    key = plan(RATE, 1e-3, 1e-8, 1e-2)
    found = measured(key, lambda rate: 1e-6 <= rate <= 0.1)
    assert (found.low, found.high) == (2e-6, 0.05)
    told = found.why()
    assert "up to 1e-07 training is frozen (the guard said so)" in told
    assert "from 1 training diverges (the guard said so)" in told
    assert "1e-06 to 0.1 learns" in told


def test_a_stable_value_beyond_a_gap_does_not_count() -> None:
    found = measured(plan(RATE, 1e-3, 1e-8, 1e-2), lambda rate: rate in (1e-3, 1e-2, 1.0))
    assert (found.low, found.high) == (1e-3, 5e-3)


def test_the_own_value_stays_inside_whatever_the_margin() -> None:
    found = measured(plan(RATE, 1e-3, 1e-8, 1e-2), lambda rate: rate == 1e-3)
    assert (found.low, found.high) == (1e-3, 1e-3)


def test_where_nothing_fails_the_last_value_is_the_end_and_an_end_the_policy_lacks_stays_open() -> None:
    found = measured(plan(CLIP, 1.0, high=1.0))
    assert (found.low, found.high) == (None, 100.0)
    assert found.why() == "every value that was tried is stable; 0.01 to 100 learns"


def test_an_end_that_the_policy_lacks_is_set_where_something_fails() -> None:
    found = measured(plan(CLIP, 1.0, high=1.0), lambda clip: clip >= 0.1)
    assert (found.low, found.high) == (0.2, 100.0)


def test_a_whole_number_keeps_its_type_and_a_linear_scale_has_no_margin() -> None:
    size = measured(plan(SIZE, 32, high=128, grid=(8, 16, 32, 64, 128)), lambda size: size < 128)
    assert size.high == 32
    assert isinstance(size.high, int)
    assert "not widened, because it is said so" in size.why()
    dropout = measured(plan(DROPOUT, 0.0, high=0.5, grid=(0.0, 0.25, 0.5)), lambda share: share < 0.5)
    assert (dropout.low, dropout.high) == (None, 0.25)


def test_the_gap_at_each_end_is_halved_on_the_scale_of_the_key() -> None:
    key = plan(RATE, 1e-3, 1e-8, 1e-2)
    assert next_values(key, points(key, lambda rate: 1e-6 <= rate <= 0.1)) == (3.2e-7, 0.32)
    assert next_values(key, points(key, lambda rate: True)) == ()
    size = plan(BATCH, 12, low=16, grid=(11, 12))
    assert next_values(size, points(size, lambda batch: batch == 12)) == ()  # no whole number between
    dropout = plan(DROPOUT, 0.0, high=0.5, grid=(0.0, 0.25, 0.5))
    assert next_values(dropout, points(dropout, lambda share: share == 0)) == ()


def test_learning_rate_and_clip_are_tried_at_all_their_ends_and_all_keys_at_the_risky_ones() -> None:
    rate = measured(plan(RATE, 1e-3, 1e-8, 1e-2), lambda rate: 1e-6 <= rate <= 0.1)
    clip = measured(plan(CLIP, 1.0, high=1.0))
    batch = measured(plan(BATCH, 64, low=16))
    assert corners([rate]) == ()
    assert corners([rate, batch]) == ({RATE: 0.05, BATCH: 8},)
    assert corners([rate, clip, batch]) == (
        {RATE: 2e-6, CLIP: 0.01},
        {RATE: 2e-6, CLIP: 100.0},
        {RATE: 0.05, CLIP: 0.01},
        {RATE: 0.05, CLIP: 100.0},
        {RATE: 0.05, CLIP: 100.0, BATCH: 8},
    )


def test_what_the_policy_did_not_allow_gives_way_first_then_the_learning_rate_then_all() -> None:
    rate = measured(plan(RATE, 1e-3, 1e-8, 1e-2), lambda rate: 1e-6 <= rate <= 0.1)
    ranges: tuple[MeasuredRange, ...] = (
        rate,
        measured(plan(CLIP, 1.0, high=3.0)),
        measured(plan(BATCH, 64, low=16)),
    )
    highs = []
    for failures in range(1, 8):
        ranges = shrunk_ranges(ranges, corners(ranges)[-1], failures)
        highs.append((ranges[0].high, ranges[1].high, ranges[2].low))
    assert highs[:3] == [(0.05, 17.0, 11), (0.05, 3.0, 16), (0.0071, 3.0, 16)]
    assert highs[5][1:] == (3.0, 16)  # the learning rate alone, four times
    assert highs[6][1:] == (1.7, 32)
    assert all("stable together" in each.why() for each in ranges)


@pytest.mark.parametrize("rate", [1e-7, 1e-3, 0.03, 5.0])
@pytest.mark.parametrize("clip", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("limit", [1.0, 1.5, 30.0, 1e6])
def test_a_box_shrinks_until_its_corners_are_stable(rate: float, clip: float, limit: float) -> None:
    """The limit is one on the product of all keys, which the own values meet."""
    ranges: tuple[MeasuredRange, ...] = (
        measured(plan(RATE, rate, 1e-8, 5.0)),
        measured(plan(CLIP, clip, high=100.0)),
        measured(plan(SIZE, 32, high=128, grid=(8, 16, 32, 64, 128))),
    )
    for failures in range(1, 60):
        bad = [
            corner
            for corner in corners(ranges)
            if corner[RATE] * corner[CLIP] * corner.get(SIZE, 32) > limit * rate * clip * 32
        ]
        if not bad:
            break
        ranges = shrunk_ranges(ranges, bad[0], failures)
    assert not bad
    for each in ranges:
        assert each.low is None or each.low <= each.plan.own
        assert each.plan.own <= each.high
