"""The lower bound of skill: what makes it wide, what does not, and how often it is right."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t

from search.selection.skill_bound import LowerBound, SeedSpread, seed_spread, skill_lower_bound

Floats = NDArray[np.float64]


def _times(count: int) -> NDArray[np.datetime64]:
    return np.datetime64("2001-01-01") + np.arange(count)


def _bound(losses: Floats, naive: Floats, folds: int = 1, spread: SeedSpread | None = None) -> LowerBound:
    numbers = np.arange(len(naive)) * folds // len(naive)
    return skill_lower_bound(np.atleast_2d(losses), naive, numbers, _times(len(naive)), spread)


def test_the_mean_is_the_skill_over_all_rows_whatever_the_sizes_of_the_folds() -> None:
    random = np.random.default_rng(0)
    losses, naive = random.exponential(0.9, (1, 90)), random.exponential(1.0, 90)
    folds = np.repeat([0, 1, 2], [5, 25, 60])
    found = skill_lower_bound(losses, naive, folds, _times(90))
    assert found.mean == pytest.approx(1 - losses.mean() / naive.mean())
    assert (found.groups, found.seeds) == (3, 1)


def test_the_bound_is_that_of_the_formula_worked_by_hand() -> None:
    losses, naive = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 4.0])
    found = skill_lower_bound(losses[None], naive, np.arange(3), _times(3))  # three folds of one row each
    without = np.array([5 / 6, 4 / 6, 3 / 4])  # the ratio of the sums, each fold left out in turn
    error = np.sqrt(2 / 3 * np.square(without - 6 / 8).sum())
    assert found.mean == 0.25
    assert found.low == pytest.approx(0.25 - t.ppf(0.95, 2) * error)


@pytest.mark.parametrize(("folds", "groups"), [(1, 8), (2, 8), (3, 3), (10, 10)])
def test_fewer_than_three_folds_give_way_to_eight_blocks(folds: int, groups: int) -> None:
    random = np.random.default_rng(0)
    assert _bound(random.exponential(1, 160), random.exponential(1, 160), folds).groups == groups


def test_a_steady_skill_in_a_stormy_fold_is_no_evidence_against_it() -> None:
    storm = np.repeat([1.0, 1.0, 25.0, 1.0, 1.0], 20)
    assert _bound(0.8 * storm, storm, 5).low == pytest.approx(0.2)


def test_skill_that_one_fold_has_made_is_worth_less_than_the_same_skill_everywhere() -> None:
    naive = np.ones(100)
    once = np.repeat([0.0, 1.0, 1.0, 1.0, 1.0], 20)
    everywhere = np.full(100, 0.8)
    assert _bound(once, naive, 5).mean == pytest.approx(_bound(everywhere, naive, 5).mean)
    assert _bound(once, naive, 5).low < 0 < _bound(everywhere, naive, 5).low


def test_rows_that_several_folds_hold_count_once() -> None:
    random = np.random.default_rng(0)
    losses, naive = random.exponential(0.9, 80), random.exponential(1.0, 80)
    once = _bound(losses, naive)
    times = np.tile(_times(80), 3)
    folds = np.repeat([0, 1, 2], 80)
    thrice = skill_lower_bound(np.tile(losses, (1, 3)), np.tile(naive, 3), folds, times)
    assert thrice.groups == once.groups
    assert thrice.low == pytest.approx(once.low)


def test_rows_may_come_in_any_order() -> None:
    random = np.random.default_rng(0)
    losses, naive = random.exponential(0.9, (2, 80)), random.exponential(1.0, 80)
    order, times = random.permutation(80), _times(80)
    for folds in (np.zeros(80, dtype=np.int64), np.arange(80) // 20):
        straight = skill_lower_bound(losses, naive, folds, times)
        mixed = skill_lower_bound(losses[:, order], naive[order], folds[order], times[order])
        assert mixed.low == pytest.approx(straight.low)


def test_seeds_that_disagree_widen_the_bound() -> None:
    naive = np.ones(80)
    agreeing = _bound(np.full((2, 80), 0.8), naive)
    apart = _bound(np.stack([np.full(80, 0.7), np.full(80, 0.9)]), naive)
    assert agreeing.low == pytest.approx(agreeing.mean)
    assert apart.mean == pytest.approx(agreeing.mean)
    assert apart.low == pytest.approx(0.2 - t.ppf(0.95, 1) * np.sqrt(0.02 / 2))


def test_a_configuration_tried_once_is_no_surer_than_one_tried_twice() -> None:
    random = np.random.default_rng(0)
    naive = random.exponential(1.0, 80)
    twice = np.stack([0.7 * naive, 0.9 * naive])
    spread = seed_spread([twice, 0.8 * naive[None]], naive)
    assert spread.degrees == 1
    assert spread.variance == pytest.approx(0.02)
    assert _bound(0.8 * naive, naive, spread=spread).low < _bound(twice, naive, spread=spread).low
    assert _bound(0.8 * naive, naive, spread=SeedSpread()).low == pytest.approx(0.2)


def test_no_configuration_with_several_seeds_leaves_the_spread_unknown() -> None:
    assert seed_spread([np.ones((1, 9)), np.ones((1, 9))], np.ones(9)) == SeedSpread(0.0, 0)


def test_what_bounds_no_skill_is_said() -> None:
    for losses, naive in ((np.ones((1, 1)), np.ones(1)), (np.ones((1, 9)), np.zeros(9))):
        with pytest.raises(ValueError, match="at least two groups of rows must have such a loss"):
            _bound(losses, naive)


@pytest.mark.parametrize("folds", [1, 5])
def test_the_bound_covers_fat_tails_and_volatility_in_clusters(folds: int) -> None:
    """The draws are seeded, so it always counts the same; a few storms make up most of these losses."""
    random = np.random.default_rng(1)
    covered = [_bound(*_useless(random, 250), folds).low <= 0 for _ in range(300)]
    assert 0.88 <= np.mean(covered) <= 0.99


def _useless(random: np.random.Generator, rows: int) -> tuple[Floats, Floats]:
    """Losses of two forecasts that are equally wrong, of a target whose volatility is an AR(1) of logs."""
    level, logs = 0.0, []
    for shock in random.normal(0, 0.2, rows):
        level = 0.97 * level + shock
        logs.append(level)
    scale = np.exp(logs)
    target = scale * random.standard_t(5, rows)
    one, other = scale * random.normal(0, 0.3, (2, rows))
    return (target - one) ** 2, (target - other) ** 2
