"""The weights of the training rows: by time, from a column, or none."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.trainer.panel_fixtures import PANEL, SPLITS, config_of
from trainer.config import DataConfig
from trainer.data.source import Table, number_columns
from trainer.data.weights import forgetting_weights
from trainer.data.windows import Dataset, prepare_folds, prepare_refit
from trainer.errors import DataError

NAMED = replace(PANEL, series_names=("AAA", "BBB"))


def with_column(values: Any) -> Table:
    return replace(NAMED, frame=NAMED.frame.assign(cap=values))


def prepared(weights: str, table: Table = NAMED, split: str = "holdout") -> tuple[Dataset, ...]:
    return prepare_folds(config_of(SPLITS[split]).model_copy(update={"weights": weights}), table)


def test_without_the_key_there_are_no_weights() -> None:
    assert prepared("none")[0].weights is None
    assert number_columns(config_of()) == ("close",)


@pytest.mark.parametrize("split", SPLITS)
def test_all_dates_count_the_same_however_many_series_have_a_row(split: str) -> None:
    for data in prepared("equal_per_time", split=split):
        assert data.weights is not None
        sums: Counter[int] = Counter()
        for time, weight in zip(data.times[data.train].tolist(), data.weights[data.train], strict=True):
            sums[time] += weight
        shares = np.array(list(sums.values()))
        np.testing.assert_allclose(shares, shares[0], rtol=1e-6)
        assert data.weights[data.train].mean() == pytest.approx(1, rel=1e-6)


def test_a_column_gives_the_weights_up_to_a_factor() -> None:
    cap = np.random.default_rng(1).uniform(0, 1e300, len(NAMED.frame))
    (data,) = prepared("cap", with_column(cap))
    assert data.weights is not None
    assert data.positions is not None
    own = cap[data.positions[data.train] - 2]
    np.testing.assert_allclose(
        data.weights[data.train], own / own.max() / (own / own.max()).mean(), rtol=1e-6
    )
    others = np.setdiff1d(np.arange(len(data.target)), data.train)
    assert not data.weights[others].any()


def test_a_refit_weighs_all_its_training_rows() -> None:
    config = config_of().model_copy(update={"weights": "equal_per_time"})
    data = prepare_refit(config, NAMED)
    assert data.weights is not None
    assert (data.weights[data.train] > 0).all()
    assert data.weights[data.train].mean() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(("value", "told"), [(np.nan, "NaN or empty"), (np.inf, "inf"), (-1.0, "-1")])
def test_a_bad_weight_of_a_training_row_is_named_with_its_place(value: float, told: str) -> None:
    cap = np.ones(len(NAMED.frame))
    (data,) = prepared("cap", with_column(cap))
    assert data.positions is not None
    row = int(data.train[-1])
    line = int(data.positions[row])
    cap[line - 2] = value
    with pytest.raises(DataError) as raised:
        prepared("cap", with_column(cap))
    assert str(raised.value) == (
        f"made.csv, line {line}, series BBB: data.weights: column cap is {told} at {data.when(row)}; "
        "a weight is a number from 0 on; correct the cell, or set data.weights to another column"
    )


def test_a_bad_weight_of_a_held_out_row_has_no_effect() -> None:
    cap = np.ones(len(NAMED.frame))
    (data,) = prepared("cap", with_column(cap))
    assert data.positions is not None
    cap[data.positions[data.validation] - 2] = np.nan
    (other,) = prepared("cap", with_column(cap))
    assert data.weights is not None
    assert other.weights is not None
    assert np.array_equal(data.weights, other.weights)


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(DataError, match=r"column cap is 0 in all \d+ training rows; a weight is"):
        prepared("cap", with_column(np.zeros(len(NAMED.frame))))


def test_the_column_of_the_weights_is_read(settings: Callable[..., DataConfig]) -> None:
    assert number_columns(settings(weights="Volume"))[-1] == "Volume"
    assert number_columns(settings(weights="Close")) == number_columns(settings())


def test_times_are_no_weights(settings: Callable[..., DataConfig]) -> None:
    with pytest.raises(ValidationError, match="weights 'Date' is a column of times, of series or of where"):
        settings(weights="Date")


def test_a_series_alone_keeps_its_weights() -> None:
    (data,) = prepared("equal_per_time")
    assert data.weights is not None
    for first, alone in data.each_series():
        assert alone.weights is not None
        np.testing.assert_array_equal(alone.weights, data.weights[first : first + len(alone.target)])


@pytest.mark.parametrize("weights", [None, np.array([1, 1, 3, 1, 1, 0], np.float32)], ids=["alone", "on top"])
def test_a_row_counts_half_for_every_half_life_of_dates_before_the_last_training_row(
    weights: np.ndarray | None,
) -> None:
    days = np.array([0, 1, 1, 3, 9, 10], "datetime64[D]").astype("datetime64[ns]")
    train = np.array([0, 1, 2, 3, 4])  # four dates, of which one has two rows
    found = forgetting_weights(weights, days, train, 2.0)
    assert found is not None
    expected = 0.5 ** (np.array([3, 2, 2, 1, 0]) / 2) * (1 if weights is None else weights[train])
    np.testing.assert_allclose(found, [*(expected / expected.mean()), 0], rtol=1e-6)
    assert forgetting_weights(weights, days, train, None) is weights
