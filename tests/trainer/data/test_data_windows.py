"""Prepared data: scaling by training rows alone, clipping with its shares, and the fingerprint."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trainer.config import DataConfig
from trainer.data.features import build_features
from trainer.data.source import Table, read_table
from trainer.data.windows import prepare_last_fold
from trainer.errors import ColumnError, DataError, SplitError

Settings = Callable[..., DataConfig]
Read = Callable[[DataConfig, list[list[str]]], Table]


def _changed(table: Table, column: str, row: int, value: float) -> Table:
    frame = table.frame.copy()
    frame.loc[table.times[row], column] = value
    return replace(table, frame=frame)


def test_real_rows_are_standardised_by_training_rows_and_clipped(
    sp500_config: DataConfig, sp500: Table
) -> None:
    data = prepare_last_fold(sp500_config, sp500)
    built = build_features(sp500_config, sp500)
    seen = sp500.times <= pd.Timestamp("2010-12-30")
    raw = built.features[seen].iloc[1:]
    np.testing.assert_allclose(data.scaler.feature_mean, raw.mean(), rtol=1e-12)
    np.testing.assert_allclose(data.scaler.feature_std, raw.std(ddof=0), rtol=1e-12)
    expected = ((built.features.iloc[1:-1] - raw.mean()) / raw.std(ddof=0)).clip(-3, 3)
    np.testing.assert_allclose(data.features, expected, atol=1e-6)
    targets = built.target[seen].iloc[1:]
    np.testing.assert_allclose(
        data.target, (built.target.iloc[1:-1] - targets.mean()) / targets.std(ddof=0), atol=1e-6
    )
    assert data.features.dtype == data.target.dtype == np.float32
    ends = [
        str(data.times[rows[end]])[:10]
        for rows in (data.train, data.validation, data.test)
        for end in (0, -1)
    ]
    assert ends[:2] == ["1999-02-04", "2010-12-30"]
    assert ends[2:4] == ["2011-01-03", "2014-12-30"]
    assert ends[4:] == ["2015-01-02", "2018-12-28"]


def test_the_window_of_every_row_lies_inside_the_array_and_is_finite(
    sp500_config: DataConfig, sp500: Table
) -> None:
    data = prepare_last_fold(sp500_config, sp500)
    assert data.train[0] - data.seq_len + 1 == 0
    assert data.test[-1] == len(data.features) - 1 == len(data.target) - 1 == len(data.times) - 1
    assert bool(np.isfinite(data.features).all())
    assert bool(np.isfinite(data.target).all())


def test_held_out_values_change_no_scaler_number_and_no_training_value(
    sp500_config: DataConfig, sp500: Table
) -> None:
    data = prepare_last_fold(sp500_config, sp500)
    frame = sp500.frame.copy()
    frame.loc["2011-01-01":, "High"] *= 1.5
    frame.loc["2011-01-01":, "Close"] *= np.linspace(1, 9, len(frame.loc["2011-01-01":]))
    again = prepare_last_fold(sp500_config, replace(sp500, frame=frame))
    assert again.scaler.target_mean == data.scaler.target_mean
    assert again.scaler.target_std == data.scaler.target_std
    np.testing.assert_array_equal(again.scaler.feature_mean, data.scaler.feature_mean)
    np.testing.assert_array_equal(again.scaler.feature_std, data.scaler.feature_std)
    np.testing.assert_array_equal(again.features[data.fitting], data.features[data.fitting])
    np.testing.assert_array_equal(again.target[data.fitting], data.target[data.fitting])
    assert not np.array_equal(again.features[data.validation], data.features[data.validation])


def test_the_window_changes_no_prepared_value(sp500_config: DataConfig, sp500: Table) -> None:
    short, long = (prepare_last_fold(sp500_config.model_copy(update={"seq_len": n}), sp500) for n in (1, 250))
    np.testing.assert_array_equal(short.features, long.features)
    np.testing.assert_array_equal(short.target, long.target)
    np.testing.assert_array_equal(short.validation, long.validation)
    np.testing.assert_array_equal(short.fitting, long.fitting)
    assert short.sha256 == long.sha256


def test_clipped_shares_count_training_and_validation_rows(settings: Settings, sp500: Table) -> None:
    target = {"column": "Close", "transform": "log_return", "kind": "return", "clip": 0.02}
    data = prepare_last_fold(settings(target=target, feature_clip=1.0), sp500)
    built = build_features(settings(target=target), sp500)
    rows = np.concatenate([np.arange(1, 1 + data.train[-1] + 1), 1 + data.validation])
    scaled = (built.features["ret"].to_numpy()[rows] - data.scaler.feature_mean[0]) / data.scaler.feature_std[
        0
    ]
    assert data.feature_clipped["ret"] == np.mean(np.abs(scaled) > 1.0)
    assert data.target_clipped == np.mean(np.abs(built.target.to_numpy()[rows]) > 0.02)
    assert 0.02 < data.target_clipped < 0.2
    raw = data.target * data.scaler.target_std + data.scaler.target_mean
    assert np.abs(raw).max() == pytest.approx(0.02, rel=1e-6)
    assert np.abs(data.features).max() == 1.0


def test_a_cell_that_is_not_finite_is_refused_with_column_and_time(
    sp500_config: DataConfig, sp500: Table
) -> None:
    row = 4000
    with pytest.raises(
        DataError, match=r"^sample:sp500, line 4002: feature ret is nan at 2014-11-25 .*\(2 such rows\)"
    ):
        prepare_last_fold(sp500_config, _changed(sp500, "Close", row, np.nan))


def test_a_target_that_is_not_finite_is_refused(settings: Settings, sp500: Table) -> None:
    config = settings(
        source="sample:sp500", features=({"name": "ret", "column": "Close", "transform": "log_return"},)
    )
    high_is_low = _changed(sp500, "High", 4000, float(sp500.frame["Low"].iloc[4000]))
    with pytest.raises(DataError, match=r"line 4001: the target is -inf at 2014-11-24"):
        prepare_last_fold(config, high_is_low)


def test_disorder_and_repetition_are_refused(settings: Settings, read: Read, lines: list[list[str]]) -> None:
    lines[10][0] = lines[9][0]
    with pytest.raises(
        DataError, match=r"line 11: time 2010-01-13 00:00:00 is not later than 2010-01-13 00:00:00"
    ):
        prepare_last_fold(settings(), read(settings(), lines))


def test_too_few_rows_are_refused(settings: Settings, read: Read, lines: list[list[str]]) -> None:
    with pytest.raises(SplitError, match=r"train has 23 rows and needs 50"):
        prepare_last_fold(settings(), read(settings(), lines[:50]))


def test_a_constant_feature_is_refused(settings: Settings, read: Read, lines: list[list[str]]) -> None:
    for line in lines[1:150]:
        line[3] = "0.1"
    with pytest.raises(ColumnError, match=r"ret is 0 in all 117 training rows; a constant teaches nothing"):
        prepare_last_fold(settings(), read(settings(), lines))


def test_a_target_clipped_to_a_constant_is_refused(sp500_config: DataConfig, sp500: Table) -> None:
    clipped = sp500_config.target.model_copy(update={"clip": 0.1})
    with pytest.raises(ColumnError, match=r"the target is -0\.1 in all 3017 training rows"):
        prepare_last_fold(sp500_config.model_copy(update={"target": clipped}), sp500)


def test_values_too_large_to_standardise_are_refused(
    settings: Settings, read: Read, lines: list[list[str]]
) -> None:
    lines[20][3] = "1e300"
    config = settings(features=("Close",))
    with pytest.raises(ColumnError, match=r"Close reaches 1e\+300 in the training rows, too large"):
        prepare_last_fold(config, read(config, lines))


def test_a_target_beyond_float32_is_refused(settings: Settings, read: Read, lines: list[list[str]]) -> None:
    lines[150][3] = "1e300"
    config = settings(features=("Low",), target={"column": "Close", "kind": "other"})
    with pytest.raises(
        DataError, match=r"line 151: the target at .* training standard deviations from its mean"
    ):
        prepare_last_fold(config, read(config, lines))


def test_the_fingerprint_follows_the_data_and_the_held_out_rows(
    sp500_config: DataConfig, sp500: Table
) -> None:
    base = prepare_last_fold(sp500_config, sp500).sha256
    assert base == prepare_last_fold(sp500_config, sp500).sha256
    other_split = sp500_config.split.model_copy(update={"validation_until": "2014-12-30"})
    changes = [
        prepare_last_fold(sp500_config, _changed(sp500, "Close", 4000, 2000.0)).sha256,
        prepare_last_fold(sp500_config, replace(sp500, sha256="0" * 64)).sha256,
        prepare_last_fold(sp500_config.model_copy(update={"split": other_split}), sp500).sha256,
    ]
    assert len({base, *changes}) == 4


@pytest.mark.parametrize("rows", [1, 5, 21, 63])
@pytest.mark.parametrize(
    ("source", "column"), [("sp500", "Close"), ("nasdaq", "Close"), ("wti", "DCOILWTICO")]
)
def test_the_default_clip_of_returns_takes_few_of_them_whatever_they_extend_over(
    settings: Settings, source: str, column: str, rows: int
) -> None:
    config = settings(
        source=f"sample:{source}",
        features=({"name": "ret", "column": column, "transform": "log_return"},),
        target={
            "column": column,
            "transform": "log_return",
            "kind": "return",
            "window": rows,
            "horizon": rows,
        },
    )
    data = prepare_last_fold(config, read_table(config, folder=Path()))
    assert data.target_clipped < 0.006
    assert data.scaler.target_clip is not None
    assert data.scaler.target_clip >= round(0.1 * rows**0.5, 6)
    if source == "sp500":
        assert data.scaler.target_clip == round(0.1 * rows**0.5, 6)


def test_a_clip_that_is_given_holds_to_the_bit_unless_it_is_to_follow_the_spread(settings: Settings) -> None:
    target = {"column": "DCOILWTICO", "transform": "log_return", "kind": "return", "clip": 0.05}
    features = ({"name": "ret", "column": "DCOILWTICO", "transform": "log_return"},)
    bounds = []
    for follows in (None, False, True):
        config = settings(
            source="sample:wti", features=features, target={**target, "clip_follows_spread": follows}
        )
        bounds.append(prepare_last_fold(config, read_table(config, folder=Path())).scaler.target_clip)
    assert bounds[:2] == [0.05, 0.05]
    assert bounds[2] is not None
    assert bounds[2] > 0.1


def test_a_bad_tick_does_not_widen_the_clip(settings: Settings, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.03, 600)))
    days = pd.bdate_range("2001-01-01", periods=600).strftime("%Y-%m-%d")
    target = {"column": "Close", "transform": "log_return", "kind": "return"}
    config = settings(
        features=({"name": "ret", "column": "Close", "transform": "log_return"},), target=target
    )
    bounds = []
    for tick in (1.0, 1000.0):
        prices = close.copy()
        prices[200] *= tick
        pd.DataFrame({"Date": days, "Close": prices}).to_csv(tmp_path / "prices.csv", index=False)
        bounds.append(prepare_last_fold(config, read_table(config, folder=tmp_path)).scaler.target_clip)
    assert bounds[0] is not None
    assert bounds[1] == pytest.approx(bounds[0], rel=0.05)
    assert 0.1 < bounds[0] < 0.25
