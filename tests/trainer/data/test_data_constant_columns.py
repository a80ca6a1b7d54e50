"""A series that varies by rounding alone is constant, wherever that is asked; one that varies is not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trainer.audit.audit import audit
from trainer.config import DataConfig, GuardConfig
from trainer.data.constant_columns import is_constant
from trainer.data.input_drift import feature_statistics
from trainer.data.panel import ONE_SERIES
from trainer.data.source import Table, read_table
from trainer.data.windows import prepare_folds
from trainer.errors import ColumnError
from trainer.rivals.regressors import forward_steps
from trainer.rivals.ridge import ridge

Settings = Callable[..., DataConfig]
Lines = list[list[str]]

NOISE = np.resize([0.3, 0.1 * 3, 0.1 + 0.2], 200)
"""One number in three spellings, two of them a unit of the last place apart."""
CONSTANT: dict[str, Any] = {
    "exactly": np.full(200, 7.0),
    "nought": np.zeros(200),
    "a number in two spellings": NOISE,
    "the same, tiny": NOISE * 1e-200,
    "the same, huge": NOISE * 1e200,
    "the noise of sums": np.cumsum(np.r_[1.0, np.tile([1e-17, -1e-17], 100)])[:200],
    "float32": np.resize(np.array([0.3, np.float32(0.1) * np.float32(3)], np.float32), 200),
    "float32 as float64": np.resize(np.array([0.3, 0.30000004], np.float32), 200).astype(np.float64),
}
VARYING: dict[str, Any] = {
    "cents": np.resize([100.00, 100.01], 200),
    "a peg": np.resize([7.75, 7.750001], 200),
    "one step": np.r_[np.full(199, 1.0), 1.0 + 1e-9],
    "large whole numbers": np.resize([16_000_000.0, 16_000_001.0], 200),
    "tiny numbers": np.resize([1e-200, 2e-200], 200),
    "with infinity": np.r_[np.full(199, 1.0), np.inf],
    "with NaN": np.r_[np.full(199, 1.0), np.nan],
    "noise about nought": np.resize([1e-17, -1e-17], 200),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_what_varies_by_rounding_alone_is_constant(name: str) -> None:
    assert is_constant(CONSTANT[name])


@pytest.mark.parametrize("name", VARYING)
def test_what_varies_is_not(name: str) -> None:
    assert not is_constant(VARYING[name])


def test_columns_are_judged_one_by_one() -> None:
    columns = np.column_stack([*VARYING.values(), *CONSTANT.values()])
    assert is_constant(columns).tolist() == [False] * len(VARYING) + [True] * len(CONSTANT)


def _with(lines: Lines, column: str, values: np.ndarray[Any, Any]) -> Lines:
    return [
        [*lines[0], column],
        *([*line, repr(float(v))] for line, v in zip(lines[1:], values, strict=True)),
    ]


FEATURES: dict[str, tuple[Any, ...]] = {
    "the column itself": ({"name": "f", "column": "x"},),
    "its return, which is noise about nought": ({"name": "f", "column": "x", "transform": "log_return"},),
    "its spread": ({"name": "f", "column": "x", "transform": "rolling_std", "window": 5},),
    "the mean of its return": (
        "Close",
        {"name": "r", "column": "x", "transform": "log_return"},
        {"name": "f", "of": "r", "transform": "rolling_mean", "window": 3},
    ),
}


@pytest.mark.parametrize("made", FEATURES)
def test_a_feature_of_rounding_noise_is_refused_by_check_and_by_training(
    made: str, settings: Settings, read: Callable[[DataConfig, Lines], Table], lines: Lines
) -> None:
    config = settings(features=FEATURES[made])
    table = read(config, _with(lines, "x", NOISE))
    found = [each for each in audit(config, GuardConfig(), table).findings if each.code == "constant_series"]
    assert "f" in {each.where for each in found}
    assert all("a constant teaches nothing" in each.message for each in found)
    with pytest.raises(ColumnError, match=r"in all \d+ training rows but for rounding; a constant teaches"):
        prepare_folds(config, table)


def test_so_is_a_target_and_one_whose_column_varies_later_is_not(
    settings: Settings, read: Callable[[DataConfig, Lines], Table], lines: Lines
) -> None:
    target = {"column": "x", "transform": "log_return", "kind": "other"}
    values = NOISE.copy()
    config = settings(target=target)
    found = audit(config, GuardConfig(max_skill=0.5), read(config, _with(lines, "x", values))).findings
    assert [each.where for each in found if each.code == "constant_series"] == ["target"]
    values[5:] *= np.exp(0.01 * np.random.default_rng(0).standard_normal(195)).cumprod()
    found = audit(config, GuardConfig(max_skill=0.5), read(config, _with(lines, "x", values))).findings
    assert "constant_series" not in {each.code for each in found}


def test_a_column_that_is_constant_in_one_fold_alone_is_told_with_that_fold(
    settings: Settings, read: Callable[[DataConfig, Lines], Table], lines: Lines
) -> None:
    walk = {
        "method": "walk_forward",
        "window": "rolling",
        "folds": 2,
        "train_until": "2010-04-30",
        "validation_until": "2010-08-31",
    }
    config = settings(features=("x",), split=walk)
    values = np.r_[NOISE[:100], np.random.default_rng(0).standard_normal(100)]
    table = read(config, _with(lines, "x", values))
    fold = "fold 0 of 2, validation 2010-05-03 to 2010-06-30"
    (found,) = [e for e in audit(config, GuardConfig(), table).findings if e.code == "constant_series"]
    with pytest.raises(ColumnError, match=fold):
        prepare_folds(config, table)
    assert found.message.startswith("prices.csv: fold 0 of 2, validation 2010-05-03 to 2010-06-30: x is 0.3")


def test_columns_of_float32_are_judged_after_they_were_read(settings: Settings, tmp_path: Any) -> None:
    config = settings(
        source="t.parquet",
        features=("x",),
        target={"column": "y", "kind": "other", "transform": "log_return"},
    )
    frame = pd.DataFrame(
        {
            "Date": pd.bdate_range("2010-01-01", periods=200),
            "x": CONSTANT["float32 as float64"].astype(np.float32),
            "y": np.exp(0.01 * np.random.default_rng(0).standard_normal(200)).astype(np.float32),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ColumnError, match=r"x is 0\.3 in all 118 training rows but for rounding"):
        prepare_folds(config, read_table(config, folder=tmp_path))


def test_a_rival_leaves_a_regressor_of_rounding_noise_as_it_is() -> None:
    random = np.random.default_rng(0)
    x, x_new = (np.column_stack([random.standard_normal(rows), NOISE[:rows]]) for rows in (200, 50))
    y = x[:, 0] + 0.1 * random.standard_normal(200)
    elsewhere = x_new + np.array([0.0, 1e-3])
    steps = list(forward_steps(np.arange(len(y)), ONE_SERIES, 1))
    without = ridge(x[:, :1], y, x_new[:, :1], steps)
    np.testing.assert_allclose(ridge(x, y, elsewhere, steps), without, atol=0.01)


def test_a_month_of_rounding_noise_is_one_in_which_the_feature_stood_still() -> None:
    values = np.r_[np.random.default_rng(0).standard_normal(60), NOISE[:40]]
    assert feature_statistics("f", values, ONE_SERIES, mean=0.0, std=1.0).quietest == 0.0
