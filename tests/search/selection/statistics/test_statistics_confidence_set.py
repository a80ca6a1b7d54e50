"""The model confidence set keeps what may be the best and drops what is not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from search.selection.statistics.confidence_set import confidence_set


def equals(n: int, names: str, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Losses of equally good forecasts of one target."""
    rng = np.random.default_rng(seed)
    target = rng.standard_normal(n)
    return {name: (target - 0.3 * rng.standard_normal(n)) ** 2 for name in names}


def test_equal_forecasts_stay_and_a_bad_one_goes() -> None:
    losses = equals(500, "abc")
    losses["bad"] = losses["a"] + np.random.default_rng(9).exponential(size=500)
    result = confidence_set(losses)
    assert set(result.included) == {"a", "b", "c"}
    assert result.p_values["bad"] < 0.01
    assert max(result.p_values.values()) == 1


def test_the_best_stays_in_the_set_as_often_as_it_says() -> None:
    kept = 0
    for seed in range(60):
        losses = equals(150, "abcd", seed)
        kept += "b" in confidence_set(losses, size=0.1, seed=seed, draws=200).included
    # at least 54 are expected; four binomial errors of 2.3 each below
    assert kept >= 45


def test_the_set_begins_with_the_best_p_value() -> None:
    losses = equals(300, "abcde", seed=3)
    result = confidence_set(losses, size=0.01)
    p_values = [result.p_values[name] for name in result.included]
    assert p_values == sorted(p_values, reverse=True)


def test_identical_losses_share_one_place() -> None:
    losses = equals(200, "ab")
    losses["again"] = losses["a"].copy()
    result = confidence_set(losses)
    assert result.p_values["again"] == result.p_values["a"]


def test_a_single_forecast_is_the_set() -> None:
    losses = equals(50, "a")
    assert confidence_set(losses).included == ("a",)
    assert confidence_set({"a": losses["a"], "same": losses["a"]}).p_values == {"a": 1.0, "same": 1.0}


def test_the_order_of_names_and_a_repetition_change_nothing() -> None:
    losses = equals(200, "abcd", seed=5)
    turned = {name: losses[name] for name in "dbca"}
    assert confidence_set(losses, seed=4).p_values == confidence_set(turned, seed=4).p_values


def test_what_cannot_be_compared_is_refused() -> None:
    losses = equals(50, "ab")
    with pytest.raises(ValueError, match=r"there are 0 series of losses; give 1 to 100"):
        confidence_set({})
    with pytest.raises(ValueError, match=r"the losses have shapes \[\(49,\), \(50,\)\]"):
        confidence_set({"a": losses["a"], "short": losses["b"][1:]})
    with pytest.raises(ValueError, match=r"losses of 'short' has 5 rows, which is too few"):
        confidence_set({"short": losses["a"][:5]})
    with pytest.raises(ValueError, match=r"size is 0; give a share between 0 and 1"):
        confidence_set(losses, size=0)
    with pytest.raises(ValueError, match=r"horizon is 20 with 50 rows"):
        confidence_set(losses, horizon=20)
