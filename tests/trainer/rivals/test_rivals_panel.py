"""Rivals that are fitted on all series together divide their rows by time, and never within a target."""

import numpy as np
import pytest

from tests.trainer.panel_fixtures import HORIZON, LONG, PANEL, config_of, panel_of
from trainer.data.panel import ONE_SERIES, rows_since_start, starts_among
from trainer.data.windows import prepare_last_fold
from trainer.losses import MSE
from trainer.rivals.baselines import forecast
from trainer.rivals.boosted import Boosted
from trainer.rivals.flat_windows import latest_rows
from trainer.rivals.forecaster import Forecaster
from trainer.rivals.linear import Linear
from trainer.rivals.regressors import forward_steps


def test_each_block_is_forecast_from_targets_that_were_known_before_it() -> None:
    data = prepare_last_fold(config_of(), PANEL)
    rows = np.arange(len(data.target))
    steps = list(forward_steps(data.times, data.series_starts, HORIZON))
    assert len(steps) == 3
    number = rows_since_start(data.series_starts, len(rows))
    for earlier, held in steps:
        ends = earlier + HORIZON
        assert (number[ends] >= HORIZON).all()  # within its series
        assert data.times[ends].max() < data.times[held].min()
        assert set(np.searchsorted(data.series_starts, held, "right")) == {1, 2}


def test_one_series_is_divided_as_its_rows_are_numbered() -> None:
    steps = forward_steps(np.arange(10), ONE_SERIES, 2)
    assert [(earlier.tolist(), held.tolist()) for earlier, held in steps] == [
        ([0, 1], [4, 5]),
        ([0, 1, 2, 3], [6, 7]),
        ([0, 1, 2, 3, 4, 5], [8, 9]),
    ]


@pytest.mark.parametrize("rival", [Linear(), Boosted()], ids=lambda rival: rival.name)
def test_a_series_beside_a_copy_of_itself_is_forecast_as_alone(rival: Forecaster) -> None:
    if rival.name == "boosted":
        pytest.importorskip("lightgbm")
    alone, twice = (prepare_last_fold(config_of(), table) for table in (LONG, panel_of(LONG, LONG)))
    expected = forecast(rival, alone, alone.test, MSE)
    told = forecast(rival, twice, twice.test, MSE)
    assert len(told) == 2 * len(expected)
    np.testing.assert_allclose(told[: len(expected)], told[len(expected) :], atol=1e-12)
    if rival.name == "linear":
        np.testing.assert_allclose(told[: len(expected)], expected, atol=1e-6)


def test_the_newest_rows_of_all_series_are_kept_where_memory_is_short() -> None:
    data = prepare_last_fold(config_of(), PANEL)
    kept = latest_rows(data, data.train, 500_000)  # 50 rows of so many regressors fit
    assert len(kept) == 50
    left = np.setdiff1d(data.train, kept)
    assert data.times[left].max() <= data.times[kept].min()
    assert (np.diff(starts_among(data.series_starts, kept)) > 0).all()
