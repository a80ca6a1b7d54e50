"""Features and target standardised by all series together, or each by its own."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainer.panel_fixtures import config_of, one, panel_of, with_names
from trainer.config import DataConfig
from trainer.data.arrays import Rows
from trainer.data.split import MIN_TRAIN
from trainer.data.windows import Dataset, prepare_last_fold

QUIET, LOUD, LATE = one(1, "2000-01-03", 640), one(2, "2000-01-03", 640), one(3, "2001-04-10", 380)
LOUD = replace(LOUD, frame=LOUD.frame**3)  # three times the returns
PANEL = with_names(panel_of(QUIET, LOUD, LATE))


def prepared(scale: str) -> Dataset:
    config = config_of().model_copy(update={"scale": scale})
    return prepare_last_fold(DataConfig.model_validate(config.model_dump()), PANEL)


def fitting_rows(data: Dataset, number: int) -> Rows:
    rows: Rows = data.fitting[data.series_numbers[data.fitting] == number]
    return rows


def test_each_series_has_mean_0_and_spread_1_in_its_own_training_rows() -> None:
    data = prepared("series")
    for number in (0, 1):
        rows = fitting_rows(data, number)
        assert data.target[rows].mean() == pytest.approx(0, abs=1e-5)
        assert data.target[rows].std() == pytest.approx(1, abs=1e-5)
        mean, std = data.scaler.target_moments(np.array([number]))
        alone = prepare_last_fold(config_of(), (QUIET, LOUD)[number])
        expected = alone.scaler.target_mean, alone.scaler.target_std
        assert (mean[0], std[0]) == pytest.approx(expected, rel=1e-12)


def test_series_of_one_scale_are_told_apart_when_they_are_pooled() -> None:
    data = prepared("pooled")
    quiet, loud = (data.target[fitting_rows(data, number)].std() for number in (0, 1))
    assert loud > 2 * quiet


def test_a_series_with_few_training_rows_has_the_pooled_moments() -> None:
    data, pooled = prepared("series"), prepared("pooled")
    assert 0 < len(fitting_rows(data, 2)) < MIN_TRAIN
    rows = np.flatnonzero(data.series_numbers == 2)
    np.testing.assert_array_equal(data.features[rows], pooled.features[rows])
    np.testing.assert_array_equal(data.target[rows], pooled.target[rows])


def test_the_data_of_one_series_have_its_own_scaler() -> None:
    data = prepared("series")
    assert data.scaler.series is not None
    for (_, own), mean in zip(data.each_series(), data.scaler.series.target_mean, strict=True):
        assert own.scaler.series is None
        assert own.scaler.target_mean == mean
