"""The deflated Sharpe ratio against the published examples, and the sign strategy that it is told of."""

import math

import numpy as np
import pytest
from scipy import stats

from search.selection.statistics.sharpe import (
    annualised_sharpe,
    deflated_sharpe,
    expected_max_sharpe,
    probabilistic_sharpe,
    sharpe_ratio,
    sign_returns,
)


# Bailey & López de Prado (2014), "A numerical example": an annual Sharpe ratio of 2.5 over 1,250 days, 250 a
# year, variance of the trials' annual ratios 1/2; DSR ≈ 0.9004 for 100 trials; 0.9505 for 46 trials, or for
# 88 had the returns been normal
@pytest.mark.parametrize(
    ("trials", "skew", "kurtosis", "published"),
    [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)],
)
def test_deflated_sharpe_is_that_of_the_published_example(
    trials: int, skew: float, kurtosis: float, published: float
) -> None:
    luck = expected_max_sharpe(trials, 0.5 / 250)
    assert probabilistic_sharpe(2.5 / math.sqrt(250), luck, 1250, skew, kurtosis) == pytest.approx(
        published, abs=5e-5
    )


def test_expected_maximum_of_a_hundred_trials_is_the_published_one() -> None:
    assert expected_max_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)  # the same example


# exact means of the largest of N normals: Harter (1961, "Expected values of normal order statistics")
@pytest.mark.parametrize(
    ("trials", "exact"), [(5, 1.16296), (10, 1.53875), (100, 2.50759), (200, 2.74604), (1000, 3.24144)]
)
def test_expected_maximum_is_near_the_exact_one(trials: int, exact: float) -> None:
    assert expected_max_sharpe(trials, 1.0) == pytest.approx(exact, rel=0.03)


def test_the_best_of_200_skill_less_strategies_shows_an_annual_ratio_of_2_8_after_a_year() -> None:
    daily = expected_max_sharpe(200, 1 / 252)  # the variance of a ratio of no skill is 1/n
    assert annualised_sharpe(daily, 252) == pytest.approx(2.8, abs=0.05)
    best = [
        max(sharpe_ratio(column) for column in np.random.default_rng(seed).standard_normal((200, 252)))
        for seed in range(30)
    ]
    # the maximum spreads by 0.4, the mean of 30 by 0.07
    assert annualised_sharpe(float(np.mean(best)), 252) == pytest.approx(
        annualised_sharpe(daily, 252), abs=0.25
    )


def test_five_years_of_data_bear_no_more_than_45_trials() -> None:
    # Bailey, Borwein, López de Prado & Zhu (2014, "Pseudo-mathematics and financial charlatanism"): with more
    # than 45 an annual ratio of 1 is to be expected by luck
    assert expected_max_sharpe(45, 1 / 5) == pytest.approx(1.0, abs=0.01)


def test_a_single_trial_is_not_deflated() -> None:
    returns = np.random.default_rng(0).standard_normal(500) + 0.1
    alone = deflated_sharpe(returns, np.array([sharpe_ratio(returns)]))
    assert alone.expected_maximum == 0
    assert alone.probability == pytest.approx(
        probabilistic_sharpe(alone.sharpe, 0.0, 500, alone.skew, alone.kurtosis)
    )


def test_the_more_trials_the_less_the_same_returns_are_worth() -> None:
    rng = np.random.default_rng(1)
    returns = rng.standard_t(5, 750) / 10 + 0.01
    few, many = (deflated_sharpe(returns, np.resize([-0.05, 0.0, 0.05], k)) for k in (6, 600))
    assert few.probability > many.probability
    assert (few.trials, many.trials, few.rows) == (6, 600, 750)


def test_skew_and_kurtosis_are_scipys() -> None:
    returns = np.random.default_rng(2).standard_t(5, 300)
    result = deflated_sharpe(returns, np.array([0.0, 0.1]))
    assert result.skew == pytest.approx(stats.skew(returns))
    assert result.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False))


def test_a_strategy_that_never_trades_has_ratio_zero() -> None:
    returns = sign_returns(np.zeros(50), np.random.default_rng(0).standard_normal(50))
    assert sharpe_ratio(returns) == 0
    assert deflated_sharpe(returns, np.array([0.0, 0.1, -0.1])).probability < 0.5


def test_sign_strategy_goes_with_the_forecast_and_never_counts_a_return_twice() -> None:
    forecasts, target = np.array([0.1, -2.0, 0.0, 3.0, -0.5]), np.array([1.0, 1.0, 1.0, 2.0, -4.0])
    assert sign_returns(forecasts, target).tolist() == [1.0, -1.0, 0.0, 2.0, 4.0]
    assert sign_returns(forecasts, target, horizon=3).tolist() == [1.0, 2.0]


def test_returns_that_never_vary_have_no_ratio() -> None:
    with pytest.raises(ValueError, match=r"every return is 0\.5, so a Sharpe ratio has no meaning"):
        sharpe_ratio(np.full(10, 0.5))


def test_moments_that_no_returns_have_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rows is 100, skew -3 and kurtosis 5; .*kurtosis ≥ skew² \+ 1"):
        probabilistic_sharpe(0.1, 0.0, 100, -3, 5)


@pytest.mark.parametrize(("trials", "variance"), [(0, 1.0), (5, -1.0), (5, math.nan)])
def test_expected_maximum_of_nothing_is_refused(trials: int, variance: float) -> None:
    with pytest.raises(ValueError, match=r"give at least 1 trial and a variance ≥ 0"):
        expected_max_sharpe(trials, variance)


def test_returns_and_forecasts_of_different_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"forecasts have shape \(9,\) and target \(10,\)"):
        sign_returns(np.ones(9), np.ones(10))
    with pytest.raises(ValueError, match=r"horizon is 0; give 1 or more rows"):
        sign_returns(np.ones(9), np.ones(9), horizon=0)
