"""Naive forecasts and rivals of several series: fits to each and to all of them, and rows divided by time."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainer.panel_fixtures import HORIZON, LATE, LONG, PANEL, SPLITS, config_of, one, panel_of
from trainer.config import TargetKind
from trainer.data.panel import ONE_SERIES, rows_since_start, starts_among
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.errors import DataError
from trainer.losses import MSE
from trainer.rivals.autoregression import Autoregression
from trainer.rivals.baselines import baseline_forecasts, forecast
from trainer.rivals.boosted import Boosted
from trainer.rivals.fitted import rival_forecasts
from trainer.rivals.flat_windows import latest_rows
from trainer.rivals.forecaster import Forecaster, Pooled
from trainer.rivals.har import Har
from trainer.rivals.linear import Linear
from trainer.rivals.naive import TrainMean
from trainer.rivals.regressors import forward_steps
from trainer.rivals.ridge import in_pieces, piece_size, ridge


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
    expected = forecast(rival, alone, alone.test, MSE).values
    told = forecast(rival, twice, twice.test, MSE).values
    assert len(told) == 2 * len(expected)
    np.testing.assert_allclose(told[: len(expected)], told[len(expected) :], atol=1e-12)
    if rival.name == "linear":
        np.testing.assert_allclose(told[: len(expected)], expected, atol=1e-6)


def test_the_newest_rows_of_all_series_are_kept_where_memory_is_short() -> None:
    data = prepare_last_fold(config_of(), PANEL)
    kept = latest_rows(data, data.train, 500_000)  # 50 times, if a series has so many regressors
    assert len(np.unique(data.times[kept])) == 50
    left = np.setdiff1d(data.train, kept)
    assert data.times[left].max() < data.times[kept].min()
    assert (np.diff(starts_among(data.series_starts, kept)) > 0).all()


def test_of_too_many_rows_those_of_every_kth_time_are_fitted_the_last_one_among_them() -> None:
    data = prepare_last_fold(config_of(), PANEL)
    kept = latest_rows(data, data.train, 20, most=len(data.train) // 3)
    assert 0.9 * len(data.train) / 4 < len(kept) <= len(data.train) // 3
    times = np.unique(data.times[data.train])
    assert np.unique(data.times[kept]).tolist() == times[::-1][::4][::-1].tolist()
    assert np.isin(data.times[data.train], data.times[kept]).sum() == len(kept)


def test_of_one_series_no_time_is_left_out() -> None:
    data = prepare_last_fold(config_of(), LONG)
    assert latest_rows(data, data.train, 20, most=10).tolist() == data.train.tolist()


def with_new_series() -> Dataset:
    """Two series with training rows, one that begins within the test rows, one that is held back whole."""
    late, held = one(3, "2001-12-03", 120), one(4, "2000-01-03", 640)
    table = replace(panel_of(LONG, LATE, late, held), series_names=("A", "B", "late", "held"))
    return prepare_last_fold(config_of({**SPLITS["holdout"], "unseen_series": ["held"]}), table)


def test_a_series_without_training_rows_is_forecast_by_the_fit_to_all_series() -> None:
    data = with_new_series()
    for rows, name in ((data.test, "late"), (data.unseen, "held")):
        rivals = rival_forecasts(data, rows, MSE)
        assert set(rivals.forecasts) | set(rivals.absent) >= {"har", "har_pooled", "lhar", "ewma", "linear"}
        assert "lightgbm" in " ".join(rivals.absent.values()).lower() or not rivals.absent
        inside = np.array([data.series_of(row) == name for row in rows.tolist()])
        assert inside.any()
        np.testing.assert_array_equal(rivals.forecasts["har"][inside], rivals.forecasts["har_pooled"][inside])
        assert set(rivals.notes) == {"har", "lhar", "ewma", "garch"}
        assert rivals.notes["har"] == (
            f"1 of 4 series ({name}; fewer than 50 training rows) are forecast by the fit to all series"
        )
    known = np.array([data.series_of(row) == "A" for row in data.test.tolist()])
    told = rival_forecasts(data, data.test, MSE).forecasts
    assert np.abs(told["har"][known] - told["har_pooled"][known]).max() > 1e-6


def test_rows_without_the_history_get_the_best_constant_of_the_training_rows() -> None:
    data = with_new_series()
    rows = data.series_starts[2] + np.arange(HORIZON + 2)  # the first rows of the late series
    naive = baseline_forecasts(data, np.sort(np.concatenate([data.test[:1], rows])), MSE)
    constant = data.target[data.fitting].astype(np.float64).mean()
    assert naive["persistence"][1:] == pytest.approx(
        [*[constant] * HORIZON, *data.target[rows[:2]]], abs=1e-12
    )
    assert all(np.isfinite(each).all() for each in naive.values())


def test_where_no_series_has_the_history_that_is_said() -> None:
    data = prepare_last_fold(config_of(), PANEL)
    with pytest.raises(DataError, match=r"row 0 to forecast, but a naive forecast needs rows from 2\d on"):
        baseline_forecasts(data, data.series_starts, MSE)


@pytest.mark.parametrize("kind", ["volatility", "return"])
def test_several_series_have_a_pooled_fit_beside_those_of_each(kind: TargetKind) -> None:
    alone, panel = (replace(prepare_last_fold(config_of(), t), kind=kind) for t in (LONG, PANEL))
    pooled = {"train_mean_pooled", "har_pooled" if kind == "volatility" else "ar_pooled"}
    names = set(baseline_forecasts(panel, panel.test, MSE))
    assert names - set(baseline_forecasts(alone, alone.test, MSE)) == pooled


@pytest.mark.parametrize("forecaster", [Har(), Autoregression(), TrainMean()], ids=lambda each: each.name)
def test_the_pooled_fit_to_copies_of_one_series_is_the_fit_to_that_series(forecaster: Forecaster) -> None:
    alone, twice = (prepare_last_fold(config_of(), table) for table in (LONG, panel_of(LONG, LONG)))
    expected = forecaster.fit(alone, MSE)(alone.test)
    told = Pooled(forecaster).fit(twice, MSE)(twice.test)
    np.testing.assert_allclose(told, [*expected, *expected], atol=1e-9)


def test_a_series_whose_garch_has_no_fit_of_its_own_is_forecast_by_the_fit_to_all() -> None:
    pytest.importorskip("arch")
    data = prepare_last_fold(config_of(), panel_of(LONG, LATE))
    returns = data.history.returns
    assert returns is not None
    still = returns.copy()
    still[data.series_starts[1] :] = 0.0
    data = replace(data, series_names=("A", "B"), history=replace(data.history, returns=still))
    rivals = rival_forecasts(data, data.test, MSE)
    assert rivals.notes == {
        "garch": "1 of 2 series (B; the returns do not vary in the training rows) are forecast by the fit to "
        "all series"
    }


@pytest.mark.parametrize("cells", [200, 5_000])
def test_a_ridge_on_pieces_of_the_rows_is_that_on_all_rows(
    monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    random = np.random.default_rng(8)
    x, y = random.normal(3, 2, (400, 6)), random.normal(0, 1, 400)
    x[:, 4] = 7.0  # a constant
    steps = list(forward_steps(np.arange(len(y)), ONE_SERIES, 2))
    whole = ridge(x, y, x[:50], steps)
    monkeypatch.setattr("trainer.rivals.ridge.PIECE_CELLS", cells)
    assert piece_size(400, 6) == (4 if cells == 200 else 400)
    np.testing.assert_allclose(ridge(x, y, x[:50], steps), whole, atol=1e-10)
    told = in_pieces(lambda part: part.sum(axis=1), lambda rows: x[rows], np.arange(400))
    np.testing.assert_allclose(told, x.sum(axis=1))
