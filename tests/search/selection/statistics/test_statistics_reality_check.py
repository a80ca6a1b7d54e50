"""The measured floor of luck and the test of superior predictive ability, against arch and the formula."""

import numpy as np
import pytest
from arch.bootstrap import SPA
from numpy.typing import NDArray

from search.selection.statistics.reality_check import measured_noise_floor, superior_predictive_ability
from search.selection.statistics.stationary_bootstrap import block_length, bootstrap_means
from trainer.rivals.skill import noise_floor

Losses = tuple[NDArray[np.float64], NDArray[np.float64]]


def useless(n: int, trials: int, seed: int, scale: float = 0.05) -> Losses:
    """Losses (n, trials) of forecasts that know nothing of a target of variance 1, and of the forecast 0."""
    rng = np.random.default_rng(seed)
    target = rng.standard_normal(n)
    return (target[:, None] - scale * rng.standard_normal((n, trials))) ** 2, target**2


def best_skill(losses: NDArray[np.float64], baseline: NDArray[np.float64]) -> float:
    return float(1 - losses.mean(axis=0).min() / baseline.mean())


@pytest.mark.slow
def test_the_best_of_useless_trials_stays_below_the_floor() -> None:
    above = 0
    for seed in range(100):
        losses, baseline = useless(250, 30, seed)
        above += best_skill(losses, baseline) > measured_noise_floor(losses, baseline, seed=seed, draws=200)
    # 5 are expected; four binomial errors of 2.2 each above, and no bound below: it is on the safe side
    assert above <= 14


def test_floor_of_forecasts_that_follow_their_own_luck_is_near_the_formula() -> None:
    # a forecast as large as its own correlation by chance, 1/√n, is what the formula is about
    n, trials = 500, 200
    losses, baseline = useless(n, trials, seed=1, scale=n**-0.5)
    measured, formula = measured_noise_floor(losses, baseline), noise_floor(trials, n, 1)
    assert formula / 2 < measured < formula


def test_floor_rises_with_the_number_of_trials_and_falls_with_rows() -> None:
    losses, baseline = useless(800, 100, seed=2)
    assert measured_noise_floor(losses[:, :2], baseline) < measured_noise_floor(losses, baseline)
    assert measured_noise_floor(losses[:200], baseline[:200]) > measured_noise_floor(losses, baseline)


def test_a_hopeless_trial_does_not_set_the_floor() -> None:
    losses, baseline = useless(400, 20, seed=3)
    wild = 100 * np.random.default_rng(0).exponential(size=(400, 1))
    with_wild = np.concatenate([losses, wild], axis=1)
    assert measured_noise_floor(with_wild, baseline) == pytest.approx(measured_noise_floor(losses, baseline))


def test_trials_that_repeat_the_baseline_show_nothing() -> None:
    baseline = useless(100, 1, seed=4)[1]
    losses = np.repeat(baseline[:, None], 3, axis=1)
    assert measured_noise_floor(losses, baseline) == 0
    assert superior_predictive_ability(losses, baseline) == 1


@pytest.mark.parametrize("seed", range(4))
def test_p_value_agrees_with_arch_where_its_gains_are_divided_by_their_errors(seed: int) -> None:
    losses, baseline = useless(200, 8, seed, scale=0.3)
    losses[:, 0] = 0.95 * baseline + 0.05 * losses[:, 1]
    gains = baseline[:, None] - losses
    block = block_length(gains[:, gains.mean(axis=0).argmax()], 1)
    error = bootstrap_means(gains, block, draws=2000, seed=0).std(axis=0)
    spa = SPA(np.zeros(200), -gains / error, block_size=block, reps=2000, seed=1)
    spa.compute()
    # two sets of 2,000 draws: four errors of √(p(1 − p)/1000) ≤ 0.016
    assert superior_predictive_ability(losses, baseline) == pytest.approx(
        spa.pvalues["consistent"], abs=0.064
    )


def test_skill_is_found_among_many_useless_trials() -> None:
    losses, baseline = useless(500, 100, seed=5)
    target_error = np.sqrt(baseline) * 0.9
    losses[:, 42] = target_error**2
    assert superior_predictive_ability(losses, baseline) < 0.01
    assert best_skill(losses, baseline) > measured_noise_floor(losses, baseline)


def test_luck_is_rarely_taken_for_skill() -> None:
    found = sum(
        superior_predictive_ability(*useless(200, 30, seed), seed=seed, draws=200) < 0.05
        for seed in range(100)
    )
    assert found <= 14  # 5 are expected; four binomial errors of 2.2 each above


def test_draws_repeat_with_their_seed_and_keep_columns_together() -> None:
    rows = np.random.default_rng(0).standard_normal((5000, 2))
    rows[:, 1] = 3 * rows[:, 0] + 1
    means = bootstrap_means(rows, 4, draws=1000, seed=2)  # 800 draws at a time
    assert means.shape == (1000, 2)
    assert np.allclose(means[:, 1], 3 * means[:, 0] + 1)
    assert np.array_equal(means, bootstrap_means(rows, 4, draws=1000, seed=2))


def test_losses_of_one_trial_need_a_column() -> None:
    with pytest.raises(ValueError, match=r"losses have shape \(50,\); give \(n, trials\)"):
        measured_noise_floor(np.ones(50), np.ones(50))
    with pytest.raises(ValueError, match=r"level is 1; give a share between 0 and 1"):
        measured_noise_floor(np.ones((50, 2)), np.ones(50), level=1)
