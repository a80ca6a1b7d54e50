"""Naive forecasts against independent computations, and the numbers of believable skill."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from tests.trainer.rivals.dataset_fixtures import MakeData
from trainer.config import DataConfig, TargetKind
from trainer.data.source import read_table
from trainer.data.windows import Dataset, prepare_last_fold
from trainer.errors import DataError
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_forecasts, baseline_losses
from trainer.rivals.skill import Baseline, best_baseline, noise_floor, skill, skill_ceiling

Floats = npt.NDArray[np.float64]

VOLATILITY = {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"}
RETURN = {"transform": "log_return", "column": "Close", "kind": "return"}


def _sp500(target: dict[str, Any], seq_len: int = 22) -> Dataset:
    config = DataConfig.model_validate(
        {
            "source": "sample:sp500",
            "time": "Date",
            "features": ({"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},),
            "target": target,
            "seq_len": seq_len,
            "split": {"train_until": "2010-12-31", "validation_until": "2014-12-31"},
        }
    )
    return prepare_last_fold(config, read_table(config, folder=Path()))


def _log_volatility() -> "pd.Series[float]":
    from arch.data import sp500

    frame = sp500.load()
    values = 0.5 * np.log(np.log(frame["High"] / frame["Low"]) ** 2 / (4 * np.log(2)))
    return pd.Series(values, index=frame.index)


@pytest.mark.parametrize("horizon", [1, 5])
def test_har_agrees_with_a_regression_by_pandas_and_numpy(horizon: int) -> None:
    data = _sp500({**VOLATILITY, "horizon": horizon})
    known = _log_volatility()
    ahead = known.shift(-horizon)
    days = known.index
    reach = pd.Series(days, index=days).shift(-horizon)
    terms = pd.DataFrame(
        {"one": 1.0, "d": known, "w": known.rolling(5).mean(), "m": known.rolling(22).mean()}
    )
    fit = (reach <= "2010-12-31") & terms["m"].notna()
    weights, *_ = np.linalg.lstsq(terms[fit], ahead[fit], rcond=None)
    rows = (days > "2010-12-31") & (reach <= "2014-12-31")
    train = ahead[reach <= "2010-12-31"]
    errors = {
        "har": ahead - terms @ weights,
        "persistence": ahead - known,
        "train_mean": ahead - train.mean(),
        "zero": ahead,
    }
    losses = baseline_losses(data, data.validation, MSE)
    for name, error in errors.items():
        assert losses[name] == pytest.approx(float(np.mean(error[rows] ** 2) / train.var(ddof=0)), rel=1e-5)


def test_har_explains_of_the_sp500_test_years_what_the_design_says() -> None:
    data = _sp500(VOLATILITY)
    test_years = data.target[data.test].astype(np.float64)
    assert 1 - baseline_losses(data, data.test, MSE)["har"] / test_years.var() == pytest.approx(
        0.465, abs=0.001
    )
    validation = baseline_losses(data, data.validation, MSE)
    assert validation["har"] == pytest.approx(0.5515, abs=0.002)
    assert best_baseline(validation) == Baseline("har", validation["har"])


def test_returns_have_no_har_and_zero_is_what_the_design_measured() -> None:
    data = _sp500(RETURN)
    losses = baseline_losses(data, np.concatenate([data.fitting, data.validation, data.test])[1:], MSE)
    assert set(losses) == {"zero", "train_mean", "persistence", "ar"}
    assert losses["zero"] * data.scaler.target_std**2 == pytest.approx(1.44e-4, rel=0.01)


def test_baselines_judge_the_clipped_target() -> None:
    clipped, whole = _sp500({**RETURN, "clip": 0.01}), _sp500({**RETURN, "clip": 10.0})
    loss = baseline_losses(clipped, clipped.validation, MSE)["zero"] * clipped.scaler.target_std**2
    raw = whole.target[whole.validation] * whole.scaler.target_std + whole.scaler.target_mean
    assert loss == pytest.approx(float(np.mean(np.clip(raw, -0.01, 0.01) ** 2)), rel=1e-4)


def test_baselines_do_not_depend_on_the_window() -> None:
    short, long = _sp500(VOLATILITY, seq_len=1), _sp500(VOLATILITY, seq_len=250)
    assert baseline_losses(short, short.validation, MSE) == baseline_losses(long, long.validation, MSE)


@pytest.mark.parametrize(("first", "enough"), [(20, False), (21, True)])
def test_har_needs_a_month_of_known_rows(first: int, enough: bool) -> None:
    data = _sp500(VOLATILITY)
    rows = np.arange(first, 200)
    if enough:
        assert baseline_losses(data, rows, MSE)["har"] > 0
    else:
        with pytest.raises(
            DataError, match=r"row 20 to forecast, but a naive forecast needs rows from 21 on"
        ):
            baseline_losses(data, rows, MSE)


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"no rows to forecast"):
        baseline_losses(_sp500(RETURN), np.array([], dtype=np.int64), MSE)


def test_skill_is_the_share_of_the_baseline_loss_that_is_gone() -> None:
    assert [skill(loss, 0.5) for loss in (0.0, 0.25, 0.5, 1.0)] == [1.0, 0.5, 0.0, -1.0]


def test_a_perfect_baseline_is_refused() -> None:
    with pytest.raises(DataError, match=r"naive forecast 'persistence' has loss 0, so skill has no meaning"):
        best_baseline({"zero": 1.0, "persistence": 0.0})


@pytest.mark.parametrize(
    ("trials", "z", "rows", "horizon"),
    [(1, 1.6449, 1000, 1), (20, 2.7991, 1000, 1), (100, 3.2834, 1005, 1), (20, 2.7991, 1000, 5)],
)
def test_the_noise_floor_is_that_of_the_best_of_all_trials(
    trials: int, z: float, rows: int, horizon: int
) -> None:
    assert noise_floor(trials, rows, horizon) == pytest.approx(z**2 / (rows / horizon), rel=1e-4)
    quantile = float(stats.norm.ppf(0.95 ** (1 / trials)))
    assert noise_floor(trials, rows, horizon) == pytest.approx(quantile**2 * horizon / rows, rel=1e-9)


def test_the_ceiling_follows_the_kind_of_target_unless_it_is_given() -> None:
    def ceiling(kind: TargetKind, rows: int, horizon: int = 1, max_skill: float | None = None) -> float:
        return skill_ceiling(kind, rows=rows, horizon=horizon, max_skill=max_skill)

    assert ceiling("return", 1000) == 0.05
    assert ceiling("return", 1000, 10) == pytest.approx(3 * 1.6449**2 / 100, rel=1e-4)
    assert ceiling("return", 500, 21) == ceiling("return", 125, 21) == ceiling("return", 100, 63) == 0.15
    assert ceiling("volatility", 1000) == ceiling("volatility", 100, 63) == 0.3
    assert ceiling("other", 1000, 1, 0.4) == ceiling("return", 100, 63, 0.4) == 0.4


def test_a_target_of_another_kind_must_say_what_is_believable() -> None:
    with pytest.raises(
        DataError, match=r"guard\.max_skill is null, and a target of kind 'other'.*--set guard\.max_skill"
    ):
        skill_ceiling("other", rows=1000, horizon=1, max_skill=None)


def daily_har(rows: int, seed: int) -> Floats:
    """A series that is a daily HAR with a day, a week and a month."""
    shocks = np.random.default_rng(seed).normal(0, 0.3, rows)
    values = np.zeros(rows)
    for t in range(22, rows):
        week, month = values[t - 5 : t].mean(), values[t - 22 : t].mean()
        values[t] = 0.5 * values[t - 1] + 0.3 * week + 0.15 * month + shocks[t]
    return values


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_har_has_its_daily_term_at_every_horizon(make_data: MakeData, horizon: int) -> None:
    values = pd.Series(daily_har(4000, 3))
    data = make_data(values.to_numpy(), values.to_numpy()[:, None], horizon=horizon)
    terms = np.column_stack([np.ones(4000), values, values.rolling(5).mean(), values.rolling(22).mean()])[
        : len(data.target)
    ]
    fit, held, target = data.fitting[21:], data.validation, data.target.astype(float)
    weights, *_ = np.linalg.lstsq(terms[fit], target[fit], rcond=None)
    expected = float(np.mean((target[held] - terms[held] @ weights) ** 2))
    losses = baseline_losses(data, held, MSE)
    assert losses["har"] == pytest.approx(expected, rel=1e-6)
    assert losses["har"] < losses["persistence"]


@pytest.mark.parametrize("kind", ["return", "other"])
@pytest.mark.parametrize("horizon", [1, 5])
def test_an_autoregression_is_as_good_as_the_true_one(make_data: MakeData, kind: str, horizon: int) -> None:
    shocks = np.random.default_rng(4).normal(0, 1, 4000)
    values = np.zeros(4000)
    for t in range(1, 4000):
        values[t] = 0.5 * values[t - 1] + shocks[t]
    data = make_data(values, values[:, None], horizon=horizon, kind=kind)
    share = np.mean([0.5**k for k in range(1, horizon + 1)])
    told = (share * values[data.validation] - data.scaler.target_mean) / data.scaler.target_std
    true = float(np.mean((data.target[data.validation] - told) ** 2))
    assert baseline_losses(data, data.validation, MSE)["ar"] == pytest.approx(true, rel=0.01)


def by_the_hour(rows: int, seed: int) -> tuple[Floats, np.ndarray[Any, np.dtype[np.int64]]]:
    """Hourly values of which most is the hour of the day, and that hour."""
    hours = np.arange(rows) % 24
    noise = np.random.default_rng(seed).normal(0, 0.3, rows)
    return np.sin(2 * np.pi * hours / 24) + noise, hours.astype(np.int64)


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_time_of_day_is_known_to_seasonal_and_to_har(make_data: MakeData, horizon: int) -> None:
    values, hours = by_the_hour(6000, 5)
    slots = {"slots": hours[: 6000 - horizon], "per_day": 24}
    data = make_data(values, values[:, None], horizon=horizon, **slots)
    season = np.sin(2 * np.pi * np.arange(6000) / 24)
    ahead = np.mean([season[k : k + len(data.target)] for k in range(1, horizon + 1)], axis=0)
    told = (ahead - data.scaler.target_mean) / data.scaler.target_std
    noise = float(np.mean((data.target[data.validation] - told[data.validation]) ** 2))
    losses = baseline_losses(data, data.validation, MSE)
    assert losses["seasonal"] < 1.15 * noise
    assert losses["har"] < 1.1 * noise


def test_no_naive_forecast_looks_ahead(make_data: MakeData) -> None:
    values, hours = by_the_hour(3000, 6)
    for horizon, kind in ((1, "volatility"), (5, "volatility"), (5, "other")):
        slots = {"slots": hours[: 3000 - horizon], "per_day": 24}
        data = make_data(values, values[:, None], horizon=horizon, kind=kind, **slots)
        rows = data.validation[:50]
        last = int(rows[-1])
        target, own = data.target.copy(), data.history.own.copy()
        target[last - horizon + 1 :] = 9.0
        own[last + 1 :] = 9.0
        spoilt = replace(data, target=target, history=replace(data.history, own=own))
        before, after = baseline_forecasts(data, rows, MSE), baseline_forecasts(spoilt, rows, MSE)
        assert "seasonal" in before
        for name, told in before.items():
            np.testing.assert_array_equal(told, after[name], err_msg=name)


def test_a_short_table_of_hours_leaves_out_the_long_averages_of_har(make_data: MakeData) -> None:
    values, hours = by_the_hour(500, 7)
    data = make_data(values, values[:, None], slots=hours[:499], per_day=24)
    assert baseline_losses(data, data.validation, MSE)["har"] < 1


def test_rows_of_hours_without_a_month_behind_them_get_har_with_shorter_means(make_data: MakeData) -> None:
    random = np.random.default_rng(9)
    own = np.cumsum(random.normal(0, 0.1, 3000))
    slots = np.arange(2999) % 7
    data = make_data(own, random.normal(0, 1, (3000, 1)), slots=slots, per_day=7)
    early = np.arange(30, 154)  # cpcv holds out the first rows, too
    told = baseline_forecasts(data, early, MSE)["har"]
    assert np.mean((data.target[early] - told) ** 2) < 0.1 * np.var(data.target[early])


@pytest.mark.parametrize("kind", ["volatility", "other"])
def test_the_part_of_a_target_that_is_known_is_forecast_by_itself(make_data: MakeData, kind: str) -> None:
    """A sum of 22 rows, five of them to come, is known but for the five."""
    values = np.random.default_rng(8).normal(0, 1, 4000)
    data = make_data(values, values[:, None], kind=kind)
    whole = pd.Series(values).rolling(22).sum().shift(-5)[: len(data.target)].fillna(0.0).to_numpy()
    begun = pd.Series(values).rolling(17).mean()[: len(data.target)].to_numpy()
    known = replace(data, target=whole.astype(np.float32), history=replace(data.history, begun=begun))
    losses = baseline_losses(replace(known, horizon=5), data.validation, MSE)
    assert losses["har" if kind == "volatility" else "ar"] == pytest.approx(5, rel=0.1)
