"""The benchmark of panels without anything to find: its panels are what it says, and both counts are told."""

import numpy as np
import pytest

from benchmarks.panel_null import FORECASTS, claims, null_panel


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_targets_of_a_day_correlate_as_asked_and_no_forecast_knows_them(correlation: float) -> None:
    panel = null_panel(correlation, 1, seed=3)
    days, at = np.unique(panel.times, return_inverse=True)
    table = np.full((len(days), panel.series.max() + 1), np.nan)
    table[at, panel.series] = np.sign(panel.target)
    signs = [
        np.nanmean(table[:, first] * table[:, second])
        for first in range(table.shape[1])
        for second in range(first)
    ]
    # The correlation of the signs of normal numbers is 2/π · arcsin of their own.
    assert np.mean(signs) == pytest.approx(2 / np.pi * np.arcsin(correlation), abs=0.1)
    assert panel.forecasts.shape == (len(panel.target), FORECASTS)
    together = [np.corrcoef(each, panel.target)[0, 1] for each in panel.forecasts.T]
    assert abs(np.mean(together)) < 0.05


def test_rows_of_a_correlated_panel_are_worth_less_than_their_number_and_more_than_nothing() -> None:
    found = claims(null_panel(0.7, 5, seed=0), seed=0)
    assert found.times == 300
    assert 300 / 6 <= found.worth < found.rows / 5
