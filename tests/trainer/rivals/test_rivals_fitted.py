"""Fitted rivals: each finds what it was made for, none looks ahead, one that is absent says why."""

import sys
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from tests.trainer.rivals.dataset_fixtures import MakeData
from trainer.data.panel import ONE_SERIES
from trainer.data.windows import Dataset
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_losses
from trainer.rivals.fitted import RivalLosses, rival_forecasts, rival_losses, rivals_of_folds
from trainer.rivals.regressors import forward_steps
from trainer.rivals.ridge import ridge

Floats = npt.NDArray[np.float64]
Number = TypeVar("Number", np.float32, np.float64)


def losses(data: Dataset) -> dict[str, float]:
    target = data.target[data.validation].astype(np.float64)
    return rival_forecasts(data, data.validation, MSE).losses(target, MSE)


def garch_returns(rows: int, seed: int) -> tuple[Floats, Floats]:
    """Returns of a GARCH(1, 1) whose variance rises more after losses, and the log of its volatility."""
    random = np.random.default_rng(seed)
    returns, variance = np.empty(rows), np.empty(rows)
    variance[0] = 1.0
    for t in range(rows):
        if t:
            shock = returns[t - 1] ** 2 * (1.8 if returns[t - 1] < 0 else 0.2)
            variance[t] = 0.05 + 0.1 * shock + 0.85 * variance[t - 1]
        returns[t] = np.sqrt(variance[t]) * random.normal()
    return returns, 0.5 * np.log(variance)


def with_leverage(make_data: MakeData, rows: int = 3000, seed: int = 1) -> Dataset:
    returns, logs = garch_returns(rows, seed)
    own = logs + np.random.default_rng(seed + 1).normal(0, 0.3, rows)
    features = np.column_stack([own, returns])
    return make_data(own, features, returns=returns[: rows - 1])


def test_a_volatility_has_six_rivals_and_leverage_helps_the_one_that_knows_losses(
    make_data: MakeData,
) -> None:
    found = losses(with_leverage(make_data))
    assert set(found) == {"har", "lhar", "ewma", "garch", "linear", "boosted"}
    assert found["lhar"] < 0.97 * found["har"]


def test_garch_forecasts_the_volatility_of_a_garch_process(make_data: MakeData) -> None:
    returns, logs = garch_returns(3000, 4)
    data = make_data(logs, np.column_stack([logs, returns]), returns=returns[:2999])
    assert losses(data)["garch"] < 0.4


def test_returns_have_no_rivals_of_volatility(make_data: MakeData) -> None:
    random = np.random.default_rng(0)
    data = make_data(random.normal(0, 1, 800), random.normal(0, 1, (800, 2)), kind="return")
    assert set(losses(data)) == {"ar", "linear", "boosted"}


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_signal_that_is_linear_in_the_window_is_found_by_the_ridge(
    make_data: MakeData, horizon: int
) -> None:
    random = np.random.default_rng(2)
    x = random.normal(0, 1, (4000, 3))
    own = random.normal(0, 1, 4000)
    own[1:] += 0.5 * x[:-1, 0]
    data = make_data(own, x, horizon=horizon, kind="return")
    explained = 0.25 / 1.25 / horizon  # of the mean over h rows, x at t moves the first alone
    naive = min(baseline_losses(data, data.validation, MSE).values())
    assert 1 - losses(data)["linear"] / naive == pytest.approx(explained, abs=0.03)


def test_noise_gives_the_ridge_nothing(make_data: MakeData) -> None:
    random = np.random.default_rng(3)
    data = make_data(random.normal(0, 1, 3000), random.normal(0, 1, (3000, 6)), kind="return")
    naive = min(baseline_losses(data, data.validation, MSE).values())
    assert losses(data)["linear"] < 1.02 * naive


def test_the_ridge_is_that_of_scikit_learn_at_the_penalty_that_a_search_forward_prefers() -> None:
    from sklearn.linear_model import Ridge

    random = np.random.default_rng(5)
    x = random.normal(0, 2, (500, 8))
    y = x[:, 0] + random.normal(0, 3, 500)
    new = random.normal(0, 2, (50, 8))
    told = ridge(x, y, new, forward_steps(np.arange(len(y)), ONE_SERIES, 1))
    mean, std = x.mean(axis=0), x.std(axis=0)

    def at(penalty: float) -> Floats:
        model = Ridge(alpha=penalty * 500 / 8).fit((x - mean) / std, y)
        return np.asarray(model.predict((new - mean) / std))

    distances = [float(np.abs(told - at(penalty)).max()) for penalty in np.logspace(-4, 6, 21)]
    assert min(distances) < 1e-9


def test_boosted_trees_find_a_threshold_that_no_line_has(make_data: MakeData) -> None:
    random = np.random.default_rng(6)
    x = random.normal(0, 1, (4000, 2))
    own = random.normal(0, 1, 4000)
    own[1:] += np.where(np.abs(x[:-1, 0]) > 1, 1.5, -0.7)
    found = losses(make_data(own, x, kind="other"))
    assert found["boosted"] < 0.8 * found["linear"]


@pytest.mark.parametrize("horizon", [1, 5])
def test_no_rival_looks_ahead(make_data: MakeData, horizon: int) -> None:
    returns, logs = garch_returns(900, 7)
    data = make_data(
        logs, np.column_stack([logs, returns]), horizon=horizon, returns=returns[: 900 - horizon]
    )
    rows = data.validation[:40]
    last = int(rows[-1])

    def spoilt(values: npt.NDArray[Number], start: int) -> npt.NDArray[Number]:
        changed = values.copy()
        changed[start:] = 7.0
        return changed

    assert data.history.returns is not None
    other = replace(
        data,
        features=spoilt(data.features, last + 1),
        target=spoilt(data.target, last - horizon + 1),
        history=replace(
            data.history,
            own=spoilt(data.history.own, last + 1),
            returns=spoilt(data.history.returns, last + 1),
        ),
    )
    before, after = rival_forecasts(data, rows, MSE), rival_forecasts(other, rows, MSE)
    assert set(before.forecasts) == {"har", "lhar", "ewma", "garch", "linear", "boosted"}
    for name, told in before.forecasts.items():
        np.testing.assert_array_equal(told, after.forecasts[name], err_msg=name)


def test_the_same_data_give_the_same_bits(make_data: MakeData) -> None:
    data = with_leverage(make_data, rows=600)
    first, second = rival_forecasts(data, data.validation, MSE), rival_forecasts(data, data.validation, MSE)
    for name, told in first.forecasts.items():
        np.testing.assert_array_equal(told, second.forecasts[name], err_msg=name)


def test_a_rival_without_its_package_says_what_to_install(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    data = with_leverage(make_data, rows=600)
    found = rival_forecasts(data, data.validation, MSE)
    assert found.absent == {"boosted": "LightGBM is not installed; install it: pip install lightgbm"}
    assert "boosted" not in found.forecasts


def test_a_volatility_without_returns_says_so(make_data: MakeData) -> None:
    random = np.random.default_rng(8)
    own = random.normal(0, 1, 600)
    data = make_data(own, own[:, None])
    found = rival_forecasts(data, data.validation, MSE)
    assert found.absent == dict.fromkeys(("lhar", "garch"), "no feature is a log return")


def test_the_losses_of_a_study_are_means_over_its_folds(make_data: MakeData) -> None:
    whole = with_leverage(make_data, rows=1200)
    middle = len(whole.validation) // 2
    folds = [
        replace(whole, validation=whole.validation[:middle]),
        replace(whole, validation=whole.validation[middle:]),
    ]
    found = rival_losses(folds, rivals_of_folds(folds, MSE), MSE)
    by_fold = [losses(fold) for fold in folds]
    for name, loss in found.losses.items():
        assert loss == pytest.approx((by_fold[0][name] + by_fold[1][name]) / 2)
    assert found.strongest == min(found.losses, key=lambda name: found.losses[name])


def test_without_any_rival_there_is_no_strongest() -> None:
    assert RivalLosses({}, {"boosted": "missing"}).strongest is None


@pytest.mark.parametrize("horizon", [1, 5])
def test_lhar_agrees_with_a_regression_by_pandas_and_numpy(make_data: MakeData, horizon: int) -> None:
    returns, logs = garch_returns(2500, 9)
    data = make_data(logs, logs[:, None], horizon=horizon, returns=returns[: 2500 - horizon])
    own, losses_alone = pd.Series(logs), pd.Series(np.minimum(returns, 0))
    means = [series.rolling(days).mean() for series in (own, losses_alone) for days in (1, 5, 22)]
    terms = np.column_stack([np.ones(2500), *means])[: len(data.target)]
    target, fit = data.target.astype(float), data.fitting[21:]
    weights, *_ = np.linalg.lstsq(terms[fit], target[fit], rcond=None)
    expected = float(np.mean((target[data.validation] - terms[data.validation] @ weights) ** 2))
    assert losses(data)["lhar"] == pytest.approx(expected, rel=1e-6)


def test_a_ridge_with_more_regressors_than_rows_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    random = np.random.default_rng(6)
    x, noise = random.normal(0, 1, (300, 900)), random.normal(0, 1, 300)
    y = x[:, 0] + noise
    x_new = random.normal(0, 1, (50, 900))
    found = ridge(x, y, x_new, forward_steps(np.arange(len(y)), ONE_SERIES, 1))
    mean, std = x.mean(axis=0), x.std(axis=0)
    told = [
        Ridge(alpha=penalty * 300 / 900).fit((x - mean) / std, y).predict((x_new - mean) / std)
        for penalty in np.logspace(-4, 6, 21)
    ]
    assert min(float(np.abs(found - each).max()) for each in told) < 1e-6


def test_a_rival_whose_library_is_missing_is_absent(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WithoutOpenMP:
        """Fails as the import of LightGBM does where libgomp is not installed."""

        def find_spec(self, name: str, *_: object) -> None:
            if name == "lightgbm":
                raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [WithoutOpenMP(), *sys.meta_path])
    random = np.random.default_rng(0)
    data = make_data(random.normal(0, 1, 400), random.normal(0, 1, (400, 2)), kind="return")
    assert "libgomp" in rival_forecasts(data, data.validation, MSE).absent["boosted"]
