"""What a column is worth to a network is the loss that it takes away."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainer.rivals.dataset_fixtures import MakeData, make_data
from trainer.data.windows import Dataset
from trainer.inference.column_importance import (
    FEWEST_ROWS,
    MOST_WORK,
    REPEATS,
    measure_column_importances,
    moved_rows,
    used_rows,
)
from trainer.inference.gru_forward import Network, forecast_rows
from trainer.losses import MSE

__all__ = ["make_data"]

SMALL = 0.01
"""An input this small passes tanh unchanged, so that a unit is linear."""


def linear_network(weights: list[float]) -> Network:
    """A network that forecasts the weighted sum of the newest values of its columns."""
    columns = len(weights)
    into = np.zeros((3, columns), np.float32)
    into[2] = SMALL * np.array(weights)
    return {
        "gru.weight_ih_l0": into,
        "gru.weight_hh_l0": np.zeros((3, 1), np.float32),
        "gru.bias_ih_l0": np.array([0, -30, 0], np.float32),  # the update gate is closed: no memory
        "gru.bias_hh_l0": np.zeros(3, np.float32),
        "head.weight": np.array([[1 / SMALL]], np.float32),
        "head.bias": np.zeros(1, np.float32),
    }


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def with_target(data: Dataset, target: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Dataset:
    return replace(data, target=target[: len(data.target)].astype(np.float32))


def test_the_only_source_of_the_target_carries_all_and_noise_straddles_zero(make_data: MakeData) -> None:
    x = noise(3000, 4)
    data = with_target(make_data(x[:, 0], x), x[:, 0] + noise(3000, 1, 1)[:, 0])
    found = measure_column_importances([data], [[linear_network([1.0, 0.02, -0.02, 0.0])]], MSE, MSE, seed=3)
    assert found is not None
    source, *others = found.columns
    assert [each.name for each in found.columns] == ["x0", "x1", "x2", "x3"]
    # Var(target - forecast) is 1 with the column in place, and 1 + Var(x) + Var(x) = 3 without.
    assert source.increase == pytest.approx(2.0, abs=0.25)
    assert source.low > 1.5
    assert found.loss == pytest.approx(1.0, abs=0.1)
    for each in others:
        assert each.low <= 0 <= each.high
        assert abs(each.increase) < 0.01
    assert [others[-1].low, others[-1].high] == pytest.approx(
        [0, 0], abs=1e-12
    )  # the network does not read it


def test_correlated_columns_share_what_one_of_them_would_carry(make_data: MakeData) -> None:
    x = noise(3000, 1)
    both = np.concatenate([x, x], axis=1)
    data = with_target(make_data(x[:, 0], both), x[:, 0] + noise(3000, 1, 1)[:, 0])
    alone = measure_column_importances([data], [[linear_network([1.0, 0.0])]], MSE, MSE, seed=3)
    shared = measure_column_importances([data], [[linear_network([0.5, 0.5])]], MSE, MSE, seed=3)
    assert alone is not None
    assert shared is not None
    assert alone.columns[0].increase == pytest.approx(2.0, abs=0.25)
    for each in shared.columns:  # Var(x / 2 - x' / 2) = 1 / 2
        assert each.increase == pytest.approx(0.5, abs=0.1)


def test_the_numbers_are_those_of_a_computation_by_hand(make_data: MakeData) -> None:
    x = noise(400, 2)
    data = make_data(x[:, 0], x)
    network, random = linear_network([1.0, 0.3]), np.random.default_rng(7)
    found = measure_column_importances([data], [[network]], MSE, MSE, seed=7)
    assert found is not None
    rows, block = data.validation, data.seq_len + data.horizon
    target, features = data.target.astype(float), data.features.astype(float)
    before = np.mean((features[rows, 0] + 0.3 * features[rows, 1] - target[rows]) ** 2)
    increases = []
    for _ in range(REPEATS):
        source = moved_rows(data, block, random)[rows]
        after = np.mean((features[rows, 0] + 0.3 * features[source, 1] - target[rows]) ** 2)
        increases.append(after / before - 1)
    second = found.columns[1]
    assert found.loss == pytest.approx(before, rel=1e-3)
    assert [second.increase, second.low, second.high] == pytest.approx(
        [np.mean(increases), min(increases), max(increases)], abs=2e-3
    )


def test_no_row_gets_a_window_that_meets_its_own_or_its_target(make_data: MakeData) -> None:
    data = make_data(noise(1003, 1)[:, 0], noise(1003, 2), horizon=3)
    block = data.seq_len + data.horizon
    for seed in range(5):
        moved = moved_rows(data, block, np.random.default_rng(seed))
        rows = data.validation
        assert (np.abs(moved[rows] - rows) >= block).all()
        assert np.isin(moved[rows], rows).all()
        assert (np.delete(moved, rows) == -1).all()
        assert len(np.unique(moved[rows])) > 0.95 * len(rows)
        within = np.diff(moved[rows]) == 1  # neighbours stay neighbours but at the edges of blocks
        assert within.mean() > 1 - 2 / block


def test_a_column_of_a_panel_moves_within_its_series(make_data: MakeData) -> None:
    whole = make_data(noise(901, 1)[:, 0], noise(901, 2))
    held = np.concatenate([np.arange(200, 300), np.arange(500, 600), np.arange(890, 900)])
    data = replace(
        whole, series_starts=np.array([0, 300, 600]), series_names=("A", "B", "C"), validation=held
    )
    moved = moved_rows(data, 6, np.random.default_rng(0))
    series = data.series_numbers
    assert (series[moved[held[:200]]] == series[held[:200]]).all()
    assert (moved[890:900] == -1).all()  # the validation rows of C are less than two blocks
    found = measure_column_importances([data], [[linear_network([1.0, 0.0])]], MSE, MSE, seed=0)
    assert found is not None
    assert found.rows == 200


def test_folds_count_alike_and_are_told_apart(make_data: MakeData) -> None:
    x = noise(2000, 2)
    strong = with_target(make_data(x[:, 0], x), x[:, 0] + noise(2000, 1, 1)[:, 0])
    weak = with_target(make_data(x[:, 0], x), 0.0 * x[:, 0] + noise(2000, 1, 2)[:, 0])
    networks = [[linear_network([1.0, 0.0])], [linear_network([0.0, 0.0])]]
    found = measure_column_importances([strong, weak], networks, MSE, MSE, seed=0)
    assert found is not None
    first = found.columns[0]
    assert first.by_fold[0] == pytest.approx(2.0, abs=0.3)
    assert first.by_fold[1] == pytest.approx(0.0, abs=1e-12)
    assert first.increase == pytest.approx(1.0, abs=0.2)  # two losses near 1, of which one grows to 3
    assert found.rows == len(strong.validation) + len(weak.validation)


def test_a_moved_column_changes_that_column_of_the_windows_alone(make_data: MakeData) -> None:
    data = make_data(noise(400, 1)[:, 0], noise(400, 2))
    rows = data.validation[:60]
    source = rows[::-1].copy()
    features = data.features.copy()
    found = forecast_rows([linear_network([1.0, 1.0])], features, data.seq_len, rows, (1, source))
    np.testing.assert_allclose(found, features[rows, 0] + features[source, 1], atol=2e-3)


def test_the_work_is_bounded_by_using_every_nth_row_and_never_too_few(make_data: MakeData) -> None:
    data = make_data(noise(3000, 1)[:, 0], noise(3000, 2))
    size_alone = np.zeros((3 * 4096, 4096), np.float32)
    wide = {**linear_network([1.0, 0.0]), "gru.weight_hh_l0": size_alone}
    used = used_rows([data], wide, 6)
    assert used is not None
    each = REPEATS * 2 * data.seq_len * 4096
    assert FEWEST_ROWS <= len(used[0]) <= max(FEWEST_ROWS, MOST_WORK / each)
    spaced = np.diff(used[0])
    assert spaced.min() == spaced.max() > 1
    many = replace(data, features=np.zeros((len(data.target), 9000), np.float32))
    many = replace(many, feature_names=tuple(f"x{i}" for i in range(9000)))
    assert used_rows([many], wide, 6) is None


def test_nothing_is_told_of_rows_that_are_too_few_or_forecast_without_error(make_data: MakeData) -> None:
    x = noise(40, 2)
    data, network = make_data(x[:, 0], x), linear_network([1, 0])
    assert measure_column_importances([data], [[network]], MSE, MSE, seed=0) is None
    x = noise(900, 2)
    exact = with_target(make_data(x[:, 0], x), np.zeros(900))
    assert measure_column_importances([exact], [[linear_network([0, 0])]], MSE, MSE, seed=0) is None
