"""Transforms across the series of a panel, and targets relative to the others."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from tests.trainer.panel_fixtures import config_of, one, panel_of
from trainer.audit.check_broken_values import broken_value_findings
from trainer.audit.check_series import look_ahead_findings
from trainer.config import DataConfig
from trainer.data.cross_section import CROSS, cross_demean, cross_rank, cross_zscore
from trainer.data.features import build_features
from trainer.data.panel import moment_numbers
from trainer.data.windows import prepare_last_fold
from trainer.errors import ColumnError

RANDOM = np.random.default_rng(0)
TABLES = (
    one(1, "2000-01-03", 640),
    one(2, "2000-09-01", 420),
    one(3, "2000-01-10", 600),
    one(4, "2000-03-01", 560),
)
PANEL = panel_of(*TABLES)


def config_with(*features: dict[str, Any], relative: bool = False, **target: Any) -> DataConfig:
    config = config_of().model_dump(mode="json")
    config["features"] += list(features)
    config["target"] |= target | ({"relative": "cross_section"} if relative else {})
    return DataConfig.model_validate(config)


def test_each_cross_section_follows_its_formula_at_every_moment() -> None:
    values = np.round(RANDOM.standard_normal(60), 1)
    values[[3, 17, 40]] = np.nan
    moments = RANDOM.integers(0, 7, 60)
    made = {name: transform(values, moments, 3) for name, transform in CROSS.items()}
    for moment in range(7):
        rows = np.flatnonzero((moments == moment) & np.isfinite(values))
        x, n = values[rows], len(rows)
        np.testing.assert_allclose(made["cross_demean"][rows], x - x.mean(), atol=1e-14)
        np.testing.assert_allclose(made["cross_zscore"][rows], (x - x.mean()) / x.std(), atol=1e-12)
        np.testing.assert_allclose(made["cross_rank"][rows], (rankdata(x) - 1) / (n - 1) - 0.5, atol=1e-14)
    for column in made.values():
        assert np.isnan(column[[3, 17, 40]]).all()


@pytest.mark.parametrize("name", CROSS)
def test_a_moment_with_too_few_series_has_no_cell(name: Any) -> None:
    values, moments = np.array([1.0, 2.0, 4.0, 8.0, 5.0]), np.array([0, 0, 0, 1, 1])
    assert np.isfinite(CROSS[name](values, moments, 3)).tolist() == [True, True, True, False, False]
    assert np.isfinite(CROSS[name](values, moments, 2)).all()


def test_a_moment_of_equal_values_has_scores_of_zero() -> None:
    values, moments = np.full(4, 0.1), np.zeros(4, np.int64)
    assert cross_zscore(values, moments, 3).tolist() == [0.0] * 4
    assert cross_rank(values, moments, 3).tolist() == [0.0] * 4
    assert np.abs(cross_demean(values, moments, 3)).max() < 1e-15


@pytest.mark.parametrize("name", CROSS)
def test_a_cross_section_is_the_same_without_the_rows_after_it(name: str) -> None:
    config = config_with(
        {"name": "crossed", "of": "ret", "transform": name},
        {"name": "smoothed", "of": "crossed", "transform": "rolling_mean", "window": 5},
        relative=True,
    )
    assert look_ahead_findings(config, PANEL, build_features(config, PANEL)) == []


def test_one_series_has_nothing_to_be_compared_with() -> None:
    config = config_with({"name": "rank", "of": "ret", "transform": "cross_rank"})
    with pytest.raises(ColumnError, match=r"feature rank \(cross_rank\) compares the series of a panel"):
        build_features(config, TABLES[0])
    with pytest.raises(ColumnError, match=r"the target \(relative: cross_section\) compares"):
        build_features(config_with(relative=True), TABLES[0])


def test_a_relative_target_has_mean_zero_over_the_series_at_the_time_of_its_value() -> None:
    whole, relative = (build_features(config_with(relative=each), PANEL) for each in (False, True))
    moments = moment_numbers(PANEL.times.asi8)
    known = np.isfinite(whole.unshifted)
    expected = pd.Series(whole.unshifted[known]).groupby(moments[known]).transform(lambda x: x - x.mean())
    several = pd.Series(moments[known]).groupby(moments[known]).transform("size") >= 3
    np.testing.assert_allclose(
        relative.unshifted[known][several], expected[several].to_numpy(), rtol=0, atol=1e-15
    )
    assert np.isnan(relative.unshifted[known][~several]).all()
    span, horizon = PANEL.spans[1], 3
    np.testing.assert_array_equal(
        relative.target.to_numpy()[span][:-horizon], relative.unshifted[span][horizon:]
    )


def test_rows_with_too_few_series_are_in_no_split_and_windows_hold_the_mean_in_their_place() -> None:
    config = config_with({"name": "rank", "of": "ret", "transform": "cross_rank", "min_series": 4})
    built = build_features(config, PANEL)
    data = prepare_last_fold(config, PANEL)
    missing = built.missing[built.rows]
    assert missing.any()
    assert np.isfinite(data.features).all()
    assert np.isfinite(data.target).all()
    for rows in (data.train, data.validation, data.test, data.fitting):
        assert len(rows)
        assert not missing[rows].any()
    column = data.feature_names.index("rank")
    assert (data.features[missing, column] == 0).all()
    assert abs(data.features[data.fitting, column].mean()) < 0.01


def test_the_audit_does_not_take_a_missing_cell_for_a_broken_one() -> None:
    config = config_with({"name": "rank", "of": "ret", "transform": "cross_rank"}, relative=True)
    built = build_features(config, PANEL)
    assert built.missing_values.any()
    assert broken_value_findings(config, PANEL, built) == []


def test_a_bad_cell_is_not_taken_for_a_missing_one() -> None:
    config = config_with({"name": "rank", "of": "ret", "transform": "cross_rank"})
    frame = PANEL.frame.copy()
    row = int(PANEL.series_starts[1]) + 300
    frame.iloc[row] = np.nan
    spoilt = replace(PANEL, frame=frame)
    built = build_features(config, spoilt)
    assert not built.missing[row]
    assert np.isnan(built.features["rank"].iloc[row])
    others = np.flatnonzero(PANEL.times.asi8 == PANEL.times.asi8[row])
    assert np.isfinite(built.features["rank"].to_numpy()[others]).sum() == len(others) - 1


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"of": "ret", "transform": "lag", "window": 2, "min_series": 4}, "min_series belongs to cross_"),
        ({"of": "ret", "transform": "cross_rank", "window": 2}, "cross_rank takes no window"),
        ({"transform": "cross_rank"}, "cross_rank takes either column or of"),
        ({"of": "ret", "transform": "cross_rank", "min_series": 1}, "greater than or equal to 2"),
    ],
)
def test_keys_that_do_not_fit_a_cross_section_are_refused(column: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config_with({"name": "made", **column})
