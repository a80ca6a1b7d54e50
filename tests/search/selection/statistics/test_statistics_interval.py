"""The confidence interval of skill: that it covers, that it repeats, and what it refuses."""

import numpy as np
import pytest
from numpy.typing import NDArray

from search.selection.statistics.diebold_mariano import diebold_mariano
from search.selection.statistics.interval import SkillInterval, skill_interval

Losses = tuple[NDArray[np.float64], NDArray[np.float64]]


def heavy_tailed(n: int, seed: int) -> Losses:
    """Squared errors of a forecast of true skill 0.02 on t(4) returns, and of the forecast zero."""
    rng = np.random.default_rng(seed)
    signal = 0.15 * rng.standard_normal(n)
    target = signal + rng.standard_t(4, n) / np.sqrt(2)
    return (target - signal - 0.05 * rng.standard_normal(n)) ** 2, target**2


def overlapping(n: int, horizon: int, seed: int) -> Losses:
    """The same of sums over `horizon` rows, whose losses overlap."""
    rng = np.random.default_rng(seed)
    target = np.convolve(rng.standard_normal(n + horizon - 1), np.ones(horizon), "valid")
    return (target - 0.5) ** 2, target**2


@pytest.mark.slow
def test_interval_covers_the_true_skill_as_often_as_it_says() -> None:
    true = 1 - 1.0025 / 1.0225
    hits = 0
    for seed in range(200):
        interval = skill_interval(*heavy_tailed(200, seed), seed=seed, draws=299)
        hits += interval.low <= true <= interval.high
    # 186 of 200 is 93 %; four binomial errors of 95 % (1.5 % each) below 95 % are 178
    assert 178 <= hits < 200


def test_interval_repeats_with_its_seed_and_moves_with_another() -> None:
    losses = heavy_tailed(300, 1)

    def same(seed: int) -> SkillInterval:
        return skill_interval(*losses, seed=seed, draws=200)

    assert same(7) == same(7)
    assert same(7) != same(8)


def test_interval_is_centred_on_the_skill_and_grows_with_its_level() -> None:
    model, baseline = heavy_tailed(400, 2)
    wide, narrow = (skill_interval(model, baseline, level=level) for level in (0.99, 0.8))
    assert (wide.low + wide.high) / 2 == pytest.approx(1 - model.mean() / baseline.mean(), rel=1e-9)
    assert wide.high - wide.low > narrow.high - narrow.low > 0


def test_blocks_are_never_shorter_than_the_horizon() -> None:
    assert skill_interval(*heavy_tailed(300, 3), horizon=22, draws=100).block >= 22


def test_overlapping_losses_get_a_wider_interval_than_shuffled_ones() -> None:
    model, baseline = overlapping(600, 10, seed=4)
    order = np.random.default_rng(0).permutation(600)
    overlap = skill_interval(model, baseline, horizon=10)
    shuffled = skill_interval(model[order], baseline[order], horizon=1)
    # ten overlapping sums have ten times the variance of the mean, so about √10 times the width
    assert overlap.high - overlap.low > 2 * (shuffled.high - shuffled.low)


def test_few_overlapping_rows_claim_no_skill_where_there_is_none() -> None:
    """80 rows, each a sum over 20 rows; both forecasts miss the mean by as much, one from each side."""
    claims = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        target = np.convolve(rng.standard_normal(99), np.ones(20), "valid") / np.sqrt(20)
        claims += skill_interval((target - 0.1) ** 2, (target + 0.1) ** 2, horizon=20).low > 0
    # 25 are expected at 2.5 %; four binomial errors of 4.9 each
    assert claims <= 45


def test_the_interval_of_overlapping_rows_and_diebold_mariano_agree_about_zero() -> None:
    verdicts = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        target = np.convolve(rng.standard_normal(204), np.ones(5), "valid")
        model, baseline = (target - rng.standard_normal(200)) ** 2, (target - 1.5) ** 2
        sure = skill_interval(model, baseline, horizon=5, level=0.95).low > 0
        assert sure == (diebold_mariano(model, baseline, horizon=5).p_better < 0.025)
        verdicts.add(sure)
    assert verdicts == {True, False}


def test_scale_of_the_losses_does_not_matter() -> None:
    model, baseline = heavy_tailed(200, 5)
    plain, scaled = (skill_interval(model * unit, baseline * unit) for unit in (1.0, 1e-6))
    assert (scaled.low, scaled.high) == pytest.approx((plain.low, plain.high), rel=1e-6)


def test_losses_equal_to_the_baseline_have_skill_zero_without_doubt() -> None:
    losses = heavy_tailed(100, 6)[1]
    assert skill_interval(losses, losses, horizon=3) == SkillInterval(
        0.0, 0.0, 0.95, 13
    )  # 100 rows / 8 cosines


def test_too_few_rows_for_the_horizon_are_refused() -> None:
    with pytest.raises(ValueError, match=r"horizon is 22 with 60 rows; give 1 to 15, a quarter of them"):
        skill_interval(np.ones(60), np.ones(60), horizon=22)


@pytest.mark.parametrize(
    ("model", "baseline", "message"),
    [
        (np.ones(19), np.ones(19), r"losses has 19 rows, which is too few; give at least 20"),
        (np.ones(30), np.ones(31), r"losses have shape \(30,\) and baseline_losses \(31,\)"),
        (np.append(np.ones(30), np.nan), np.ones(31), r"losses is nan in row 30"),
        (np.ones(30), np.zeros(30), r"mean of baseline_losses is 0, so skill has no meaning"),
        (np.ones((30, 2)), np.ones(30), r"losses have shape \(30, 2\); give those of one forecast"),
    ],
)
def test_what_has_no_interval_is_refused(
    model: NDArray[np.float64], baseline: NDArray[np.float64], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        skill_interval(model, baseline)


def test_level_is_a_share() -> None:
    with pytest.raises(ValueError, match=r"level is 95; give a share between 0 and 1"):
        skill_interval(*heavy_tailed(50, 0), level=95)


def test_a_baseline_that_hardly_ever_errs_is_refused() -> None:
    baseline = np.zeros(40)
    baseline[[3, 30]] = 1.0
    with pytest.raises(ValueError, match=r"baseline_losses are 0 in 95% of the rows"):
        skill_interval(np.linspace(0.1, 0.2, 40), baseline)
