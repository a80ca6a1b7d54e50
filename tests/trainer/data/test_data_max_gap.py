"""`data.max_gap`: no window and no target crosses a longer gap, row by row, in every kind of split."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.trainer.panel_fixtures import panel_of
from trainer.config import DataConfig
from trainer.data.features import build_features
from trainer.data.source import Table
from trainer.data.split import cut_folds, cut_refit
from trainer.data.windows import prepare_folds
from trainer.errors import SplitError
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_losses
from trainer.rivals.fitted import rival_forecasts

SPLITS: dict[str, dict[str, Any]] = {
    "holdout": {"fractions": {"train": 0.6, "validation": 0.2}},
    "walk_forward": {"method": "walk_forward", "folds": 2, "fractions": {"train": 0.5, "validation": 0.3}},
    "cpcv": {"method": "cpcv", "groups": 4, "held_out": 2, "fractions": {"train": 0.5, "validation": 0.3}},
}
RANGE = {"transform": "log_parkinson", "high": "High", "low": "Low", "kind": "volatility"}
TARGETS: dict[str, dict[str, Any]] = {
    "next bar": {**RANGE, "horizon": 1},
    "third bar": {**RANGE, "horizon": 3},
    "return that has begun": {
        "transform": "log_return",
        "column": "Close",
        "window": 4,
        "kind": "return",
        "horizon": 2,
    },
}
REACH = {"next bar": 0, "third bar": 0, "return that has begun": 2}
"""Rows before its own that a target is computed from."""


def sessions(days: int = 60, seed: int = 0) -> Table:
    """Half-hours of a market with a lunch break, 9:00 to 11:30 and 12:30 to 15:00, Monday to Friday."""
    clocks = pd.timedelta_range("9h", "11.5h", freq="30min").union(
        pd.timedelta_range("12.5h", "15h", freq="30min")
    )
    times = pd.DatetimeIndex(
        [day + clock for day in pd.bdate_range("2021-01-04", periods=days) for clock in clocks]
    )
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(len(times))))
    frame = pd.DataFrame({"Close": close}, index=times)
    frame["High"], frame["Low"] = close * np.exp(0.01 * random.random(len(times)) + 1e-4), close
    return Table(frame, "bars.csv", "0" * 64, len(times), np.arange(2, len(times) + 2), "line")


def config_of(target: dict[str, Any], split: dict[str, Any], **data: Any) -> DataConfig:
    features = (
        {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},
        {"name": "ret", "transform": "log_return", "column": "Close"},
    )
    return DataConfig.model_validate(
        {
            "source": "bars.csv",
            "time": "time",
            "features": features,
            "target": target,
            "split": split,
            "seq_len": 3,
            "max_gap": "45min",
            **data,
        }
    )


def stretch_of(table: Table, minutes: float) -> "np.ndarray[Any, Any]":
    """The number of the stretch without a longer gap that each row lies in."""
    steps = table.times.to_series().diff().dt.total_seconds().to_numpy() / 60
    begins = steps > minutes
    begins[table.series_starts[1:]] = True
    return np.cumsum(begins)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize(("max_gap", "minutes"), [("45min", 45), ("2h", 120)])
def test_exactly_the_rows_whose_window_or_target_crosses_a_longer_gap_are_left_out(
    name: str, split: dict[str, Any], max_gap: str, minutes: float
) -> None:
    table = panel_of(sessions(), sessions(50, seed=1))
    config = config_of(TARGETS[name], split, max_gap=max_gap)
    everything = config.model_copy(update={"max_gap": None})
    built, stretch = build_features(config, table), stretch_of(table, minutes)
    horizon, seq_len, back = config.target.horizon, config.seq_len, REACH[name]

    def crosses(row: int, first: int) -> bool:
        return len(set(stretch[first : row + horizon + 1].tolist())) > 1

    cut = cut_folds(config, table.times, built)
    for fold, whole in zip(cut, cut_folds(everything, table.times, built), strict=True):
        for part in ("train", "validation", "test"):
            kept = [r for r in getattr(whole, part).tolist() if not crosses(r, r - max(seq_len - 1, back))]
            assert getattr(fold, part).tolist() == kept
            assert 0 < len(kept) < len(getattr(whole, part))
        assert fold.fitting.tolist() == [r for r in whole.fitting.tolist() if not crosses(r, r - back)]
    refit = cut_refit(config, table.times, built)
    assert not any(crosses(row, row - max(seq_len - 1, back)) for row in refit.train.tolist())


def test_features_look_back_over_a_night() -> None:
    table = sessions()
    config = config_of(TARGETS["next bar"], SPLITS["holdout"])
    first = np.flatnonzero(stretch_of(table, 45)[1:] != stretch_of(table, 45)[:-1]) + 1
    returns = build_features(config, table).features["ret"].to_numpy()[first]
    close = table.frame["Close"].to_numpy()
    np.testing.assert_allclose(returns, np.log(close[first] / close[first - 1]))


def test_a_gap_as_long_as_max_gap_is_crossed() -> None:
    table = sessions()
    counts = [
        len(cut_folds(config, table.times, build_features(config, table))[0].train)
        for config in (
            config_of(TARGETS["next bar"], SPLITS["holdout"], max_gap=gap) for gap in ("59min", "60min")
        )
    ]
    assert counts[0] < counts[1]


def test_naive_forecasts_and_rivals_judge_the_rows_that_are_left() -> None:
    (data,) = prepare_folds(config_of(TARGETS["next bar"], SPLITS["holdout"]), sessions(80))
    assert set(baseline_losses(data, data.validation, MSE)) >= {"har", "seasonal"}
    assert "linear" in rival_forecasts(data, data.validation, MSE).forecasts


def test_a_max_gap_that_leaves_too_few_rows_is_one_sentence() -> None:
    with pytest.raises(SplitError) as refused:
        prepare_folds(config_of(TARGETS["next bar"], SPLITS["holdout"], max_gap="10min"), sessions())
    assert str(refused.value) == (
        "bars.csv gives too few rows after a warm-up of 1 (seq_len 3, max_gap 10min): train has 0 rows and "
        "needs 50; validation has 0 rows and needs 20; test has 0 rows and needs 20; raise data.max_gap "
        "above 10min, use a shorter seq_len or a longer series"
    )


@pytest.mark.parametrize("value", ["four days", 30, ""])
def test_what_is_no_duration_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValidationError, match="is no duration; write it as 4d, 2h, 30min or 90s"):
        config_of(TARGETS["next bar"], SPLITS["holdout"], max_gap=value)


def test_without_max_gap_a_configuration_is_written_as_before() -> None:
    config = config_of(TARGETS["next bar"], SPLITS["holdout"], max_gap=None)
    assert not {"max_gap", "calendar"} & set(config.model_dump())
