"""A target that its own row tells is found, whatever the horizon; honest targets are left alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trainer.audit.leaks.check_own_row import own_row_findings
from trainer.config import DataConfig
from trainer.data.source import Table, read_table
from trainer.data.windows import prepare_last_fold

VOL = {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"}
RET = {"name": "ret", "column": "Close", "transform": "log_return"}
CLOSE = {"name": "close", "column": "Close"}


def _codes(config: DataConfig, table: Table) -> list[str]:
    return [finding.code for finding in own_row_findings(prepare_last_fold(config, table))]


@pytest.mark.parametrize("horizon", [1, 5, 21])
@pytest.mark.parametrize(
    ("features", "target"),
    [
        ((RET, VOL), {"column": "Close", "transform": "log_return", "kind": "return"}),
        ((VOL,), {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"}),
        ((CLOSE,), {"of": "close", "kind": "other"}),
        ((CLOSE,), {"column": "Close", "kind": "other", "already_shifted": False}),
    ],
)
def test_honest_targets_are_left_alone(
    settings: Callable[..., DataConfig],
    features: tuple[dict[str, Any], ...],
    target: dict[str, Any],
    horizon: int,
) -> None:
    config = settings(source="sample:sp500", features=features, target={**target, "horizon": horizon})
    assert _codes(config, read_table(config, folder=Path())) == []


@pytest.mark.parametrize("horizon", [1, 5, 21])
@pytest.mark.parametrize("made", ["return", "size", "square", "level", "larger"])
def test_a_value_of_today_that_is_said_to_be_of_the_future_is_found(
    settings: Callable[..., DataConfig], tmp_path: Path, made: str, horizon: int
) -> None:
    random = np.random.default_rng(3)
    ret, other = random.standard_t(4, (2, 1500)) * 0.01
    close = 100 * np.exp(np.cumsum(ret))
    values = {
        "return": ret + random.normal(0, 0.002, 1500),
        "size": np.abs(ret),
        "square": ret**2,
        "level": close,
        "larger": np.maximum(ret, other),
    }
    days = pd.bdate_range("2001-01-01", periods=1500).strftime("%Y-%m-%d")
    columns = {"Date": days, "ret": ret, "other": other, "close": close, "y": values[made]}
    pd.DataFrame(columns).to_csv(tmp_path / "prices.csv", index=False)
    features = ("close",) if made == "level" else ("ret", "other")
    target = {"column": "y", "kind": "other", "horizon": horizon, "already_shifted": True}
    config = settings(features=features, target=target)
    assert _codes(config, read_table(config, folder=tmp_path)) == ["target_of_own_row"]
    honest = settings(features=features, target={**target, "already_shifted": False})
    assert _codes(honest, read_table(honest, folder=tmp_path)) == []
