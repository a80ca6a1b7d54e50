"""The model against the strongest of several rivals, on series whose truth is known."""

import numpy as np
import pytest

from search.selection.statistics.interval import SkillInterval
from search.selection.statistics.rival_comparison import (
    RivalComparison,
    RivalVerdict,
    compare_with_strongest_rival,
)

ROWS = 400


def errors(seed: int, *slips: float) -> list[np.ndarray]:
    """Squared errors (ROWS,) of forecasts of one target that miss the best one by noise of these sizes."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(ROWS)
    return [(noise + slip * rng.standard_normal(ROWS)) ** 2 for slip in slips]


def interval_of(answer: RivalComparison) -> SkillInterval:
    assert answer.interval is not None
    return answer.interval


def test_a_model_that_is_better_than_every_rival_gets_a_yes() -> None:
    model, near, far = errors(0, 0.0, 1.0, 2.0)
    answer = compare_with_strongest_rival(model, {"far": far, "near": near})
    assert (answer.name, answer.verdict) == ("near", RivalVerdict.YES)
    assert interval_of(answer).low > 0
    assert answer.skill == pytest.approx(1 - model.mean() / near.mean())
    assert answer.loss == pytest.approx(near.mean())
    assert "beats every rival" in answer.reason


def test_a_model_that_is_worse_than_one_rival_gets_a_no() -> None:
    model, weak, strong = errors(1, 1.0, 2.0, 0.0)
    answer = compare_with_strongest_rival(model, {"weak": weak, "strong": strong})
    assert (answer.name, answer.verdict) == ("strong", RivalVerdict.NO)
    assert "strong forecasts better than the model" in answer.reason


def test_equally_good_forecasts_cannot_be_told_apart() -> None:
    model, one, other = errors(2, 0.3, 0.3, 0.3)
    answer = compare_with_strongest_rival(model, {"one": one, "other": other})
    assert answer.verdict is RivalVerdict.CANNOT_TELL
    assert interval_of(answer).low < 0 < interval_of(answer).high


def test_a_copy_of_the_model_cannot_be_told_from_it() -> None:
    (model,) = errors(3, 0.3)
    answer = compare_with_strongest_rival(model, {"copy": model.copy()})
    assert answer.verdict is RivalVerdict.CANNOT_TELL
    assert answer.skill == 0


def test_each_further_rival_raises_the_level_of_the_interval() -> None:
    model, *rivals = errors(4, 0.3, 0.2, 0.9, 0.9, 0.9)
    alone = compare_with_strongest_rival(model, {"best": rivals[0]})
    among = compare_with_strongest_rival(
        model, {"best": rivals[0], "b": rivals[1], "c": rivals[2], "d": rivals[3]}
    )
    assert interval_of(alone).level == pytest.approx(0.95)
    assert interval_of(among).level == pytest.approx(1 - 0.05 / 4)
    assert interval_of(among).low < interval_of(alone).low < interval_of(alone).high < interval_of(among).high


def test_a_rival_with_wilder_losses_than_the_strongest_may_still_stand_in_the_way_of_a_yes() -> None:
    model, near, _ = errors(5, 0.0, 1.0, 1.0)
    wild = model.copy()
    wild[7] += ROWS * (near.mean() - model.mean()) * 1.2  # worse by one row alone
    answer = compare_with_strongest_rival(model, {"near": near, "wild": wild})
    assert answer.name == "near"
    assert interval_of(answer).low > 0
    assert answer.verdict is RivalVerdict.CANNOT_TELL
    assert "not sure that the model beats wild" in answer.reason


def test_the_horizon_reaches_both_the_interval_and_the_tests() -> None:
    model, rival = errors(6, 0.0, 1.0)
    daily, overlapping = (compare_with_strongest_rival(model, {"it": rival}, horizon=h) for h in (1, 22))
    assert interval_of(overlapping).block >= 22
    assert overlapping.comparisons["it"].statistic != daily.comparisons["it"].statistic


def test_no_rival_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        compare_with_strongest_rival(np.ones(ROWS), {})


def test_over_a_rival_that_makes_no_error_the_answer_is_no_with_a_reason() -> None:
    (model,) = errors(9, 0.3)
    answer = compare_with_strongest_rival(model, {"exact": np.zeros(ROWS), "other": model + 1})
    assert (answer.name, answer.verdict) == ("exact", RivalVerdict.NO)
    assert (answer.skill, answer.interval) == (None, None)
    assert answer.reason == f"exact makes no error on {ROWS} test rows, and the model does"
    both = compare_with_strongest_rival(np.zeros(ROWS), {"exact": np.zeros(ROWS)})
    assert both.verdict is RivalVerdict.CANNOT_TELL


def test_a_rival_that_errs_in_one_row_has_no_interval() -> None:
    (model,) = errors(10, 0.3)
    once = np.zeros(ROWS)
    once[7] = 1.0
    answer = compare_with_strongest_rival(model, {"once": once})
    assert (answer.interval, answer.verdict) == (None, RivalVerdict.CANNOT_TELL)
    assert "it has no interval" in answer.reason
