"""How large the last errors were: known in time, forgotten slowly, series by series."""

from typing import Any

import numpy as np
import pytest

from tests.trainer.panel_fixtures import config_of
from trainer.config import DataConfig
from trainer.inference.error_sizes import absolute_errors, knows_past_targets, recent_sizes, rows_behind

ONE = np.array([0])


def errors_of(rows: int, seed: int = 0) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.abs(np.random.default_rng(seed).standard_normal(rows))


@pytest.mark.parametrize("horizon", [1, 3, 25])
def test_a_size_is_the_weighted_mean_of_the_errors_that_are_known_at_its_row(horizon: int) -> None:
    errors, span = errors_of(1400), rows_behind(horizon)
    errors[[3, 1100]] = np.nan
    found = recent_sizes(errors, ONE, horizon)
    decay = 0.97 ** (100 / span)
    for row in (700, 1101, 1399):
        known = [back for back in range(span) if row - horizon - back >= 0]
        kept = [back for back in known if np.isfinite(errors[row - horizon - back])]
        if len(kept) < span / 2:
            assert np.isnan(found[row])
            continue
        weights = [decay**back for back in kept]
        values = [errors[row - horizon - back] for back in kept]
        assert found[row] == pytest.approx(np.average(values, weights=weights))


def test_it_begins_once_half_of_the_rows_looked_back_on_have_an_error() -> None:
    found = recent_sizes(errors_of(200), ONE, 2)
    assert np.flatnonzero(np.isfinite(found))[0] == 100 + 2 - 1
    assert np.isnan(recent_sizes(np.zeros(200), ONE, 1)).all()
    assert recent_sizes(np.zeros(0), ONE, 1).shape == (0,)


def test_later_errors_and_other_series_change_nothing() -> None:
    errors, starts = errors_of(500), np.array([0, 240])
    later = np.where(np.arange(500) > 200, 99.0, errors)
    before, after = recent_sizes(errors, starts, 3), recent_sizes(later, starts, 3)
    np.testing.assert_array_equal(before[:204], after[:204])
    np.testing.assert_array_equal(before[:240], recent_sizes(errors[:240], ONE, 3))
    np.testing.assert_array_equal(before[240:], recent_sizes(errors[240:], ONE, 3))


def test_errors_of_clipped_targets_are_known_where_there_is_a_target() -> None:
    target = np.array([0.0, 0.5, -0.5, np.nan])
    found = absolute_errors(target, 0.1, np.array([1, 2, 3]), np.array([0.05, 0.0, 0.0]))
    np.testing.assert_allclose(found, [np.nan, 0.05, 0.1, np.nan])


@pytest.mark.parametrize(
    ("target", "known"),
    [
        ({"column": "close", "transform": "log_return", "kind": "return"}, True),
        ({"of": "size", "transform": "rolling_mean", "window": 3, "kind": "volatility"}, True),
        ({"column": "close", "already_shifted": False, "kind": "other"}, True),
        ({"column": "close", "already_shifted": True, "kind": "other"}, False),
        ({"column": "vix", "transform": "log_return", "kind": "return"}, False),
    ],
)
def test_past_targets_are_known_if_features_read_their_columns(target: dict[str, Any], known: bool) -> None:
    config = config_of().model_dump(mode="json") | {"target": {"horizon": 1, **target}}
    assert knows_past_targets(DataConfig.model_validate(config)) is known
