"""A table of several series: nothing looks from one series into another, and one series is a panel of one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainer.panel_fixtures import HORIZON, LATE, LONG, PANEL, SPLITS, config_of, panel_of
from trainer.data.constant_columns import constant_series
from trainer.data.features import build_features
from trainer.data.input_drift import feature_statistics, row_spacing
from trainer.data.panel import (
    by_series,
    mean_by_moment,
    newest_rows,
    rows_since_start,
    rows_until_gap,
    series_spans,
    span_of_row,
    starts_among,
    uncopied,
)
from trainer.data.split import cut_folds
from trainer.data.windows import Dataset, prepare_folds, prepare_refit, require_ascending
from trainer.errors import DataError
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import rival_forecasts
from trainer.rivals.history_regression import history_terms, rows_with_history
from trainer.training.batches import Batches

EVERY_SPLIT = pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)


def whole_windows(data: Dataset, rows: np.ndarray) -> bool:
    """Whether the window of each row lies within its series."""
    return bool((rows_since_start(data.series_starts, len(data.target))[rows] >= data.seq_len - 1).all())


def test_features_and_target_of_each_series_are_those_that_it_has_alone() -> None:
    built = build_features(config_of(), PANEL)
    for span, usable, table in zip(PANEL.spans, built.usable, (LONG, LATE), strict=True):
        alone = build_features(config_of(), table)
        np.testing.assert_array_equal(built.features[span].to_numpy(), alone.features.to_numpy())
        np.testing.assert_array_equal(built.target[span].to_numpy(), alone.target.to_numpy())
        assert usable == slice(span.start + alone.usable[0].start, span.start + alone.usable[0].stop)
        assert np.isnan(built.target[span].to_numpy()[-HORIZON:]).all()


@EVERY_SPLIT
def test_no_window_crosses_from_one_series_into_another(split: dict[str, Any]) -> None:
    for data in prepare_folds(config_of(split), PANEL):
        assert all(whole_windows(data, rows) for rows in (data.train, data.validation, data.test))
        for rows in (data.train, data.validation, data.test):
            (second,) = data.series_starts[1:]
            assert (rows < second).any()
            assert (rows >= second).any()


def test_the_batches_of_a_series_hold_none_of_the_values_of_another() -> None:
    (data,) = prepare_folds(config_of(), PANEL)
    (second,) = data.series_starts[1:]
    marked = data.features.copy()
    marked[:second], marked[second:] = 1, 2
    batches = Batches(replace(data, features=marked), torch.device("cpu"))
    for batch in (*batches.shuffled(64), *batches.validation(), *batches.test()):
        own = torch.where(batch.rows < second, 1.0, 2.0)
        assert torch.equal(batch.x, own[None, :, None].expand_as(batch.x))


@EVERY_SPLIT
def test_no_training_target_reaches_into_the_validation_rows_of_any_series(split: dict[str, Any]) -> None:
    for data in prepare_folds(config_of(split), PANEL):
        ends = data.train + HORIZON
        within = rows_since_start(data.series_starts, len(data.target))
        inside = ends[(ends < len(within)) & (within[np.minimum(ends, len(within) - 1)] >= HORIZON)]
        held = data.times[data.validation]
        before = data.times[inside] < held.min()
        behind = data.times[inside - HORIZON] > held.max()
        if split.get("method") != "cpcv":
            assert (before | behind).all()
        assert not np.isin(data.times[inside], held).any()


@EVERY_SPLIT
def test_a_series_is_cut_where_it_would_be_beside_a_copy_of_itself(split: dict[str, Any]) -> None:
    config, twice = config_of(split), panel_of(LONG, LONG)
    alone = cut_folds(config, LONG.times, build_features(config, LONG))
    both = cut_folds(config, twice.times, build_features(config, twice))
    for one_fold, fold in zip(alone, both, strict=True):
        assert fold.name == one_fold.name
        for part in ("train", "validation", "test", "fitting"):
            rows = getattr(one_fold, part)
            np.testing.assert_array_equal(getattr(fold, part), [*rows, *(rows + len(LONG.frame))])


def test_naive_forecasts_of_a_series_see_that_series_alone() -> None:
    config = config_of()
    (data,) = prepare_folds(config, PANEL)
    (alone,) = prepare_folds(config, LONG)
    rows = data.test[data.test < data.series_starts[1]]
    np.testing.assert_array_equal(rows, alone.test)
    told, expected = baseline_forecasts(data, rows, MSE), baseline_forecasts(alone, rows, MSE)
    for name in ("persistence", "har", "zero"):
        in_unit, its = (
            forecasts[name] * each.scaler.target_std + each.scaler.target_mean
            for forecasts, each in ((told, data), (expected, alone))
        )
        np.testing.assert_allclose(in_unit, its, rtol=1e-5, atol=1e-8)


def test_rivals_forecast_every_row_of_a_panel() -> None:
    (data,) = prepare_folds(config_of(), PANEL)
    rivals = rival_forecasts(data, data.test, MSE)
    assert {"har", "lhar", "linear"} <= set(rivals.forecasts)
    terms = history_terms(data)
    assert len(terms) == len(data.target)
    assert whole_windows(data, rows_with_history(data, terms, np.arange(len(terms))))


def test_a_refit_uses_the_rows_of_every_series_before_the_test() -> None:
    data = prepare_refit(config_of(), PANEL)
    assert whole_windows(data, data.train)
    assert data.times[data.train].max() < data.times[data.test].min()


def test_times_ascend_within_each_series() -> None:
    require_ascending(PANEL)
    shuffled = panel_of(LONG, replace(LATE, frame=LATE.frame.iloc[::-1]))
    with pytest.raises(DataError, match=r"line 643: time .* is not later than"):
        require_ascending(shuffled)


def test_a_table_without_series_is_a_panel_of_one() -> None:
    (data,) = prepare_folds(config_of(), LONG)
    assert LONG.series_starts.tolist() == data.series_starts.tolist() == [0]
    ((start, same),) = data.each_series()
    assert (start, same is data) == (0, True)


def test_a_function_of_a_panel_is_computed_for_each_series() -> None:
    starts = np.array([0, 2, 5])
    sums = by_series(starts, np.cumsum, np.ones(7))
    assert sums.tolist() == [1, 2, 1, 2, 3, 1, 2]
    assert series_spans(starts, 7) == [slice(0, 2), slice(2, 5), slice(5, 7)]
    assert rows_since_start(starts, 7).tolist() == [0, 1, 0, 1, 2, 0, 1]


def test_rows_of_a_panel_are_chosen_within_their_series_and_by_their_time() -> None:
    starts, times = np.array([0, 4]), np.array([1, 2, 3, 4, 3, 4, 5])
    assert [span_of_row(starts, 7, row) for row in (3, 4)] == [slice(0, 4), slice(4, 7)]
    assert starts_among(starts, np.array([1, 3, 5, 6])).tolist() == [0, 2]
    assert newest_rows(times, np.arange(7), 3).tolist() == [3, 5, 6]
    assert rows_until_gap(starts, times, np.int64(5), 1).tolist() == [0, 1, 2, 4]
    assert rows_until_gap(starts, times, np.int64(2), 3).tolist() == [0]  # at least one, the earliest
    assert mean_by_moment(times, np.arange(7.0)).tolist() == [0, 1, 3, 4, 6]
    assert uncopied(np.array([2, 3, 4])) == slice(2, 5)
    np.testing.assert_array_equal(uncopied(np.array([2, 4])), [2, 4])


def test_a_table_can_be_cut_at_the_same_share_of_each_series() -> None:
    shorter, rows = PANEL.heads([2, 3])
    assert rows.tolist() == [0, 1, 640, 641, 642]
    assert shorter.series_starts.tolist() == [0, 2]
    assert [shorter.when(row) for row in (1, 2)] == [LONG.when(1), LATE.when(0)]


def test_rows_of_one_series_keep_their_lines_of_the_file() -> None:
    (data,) = prepare_folds(config_of(), PANEL)
    for start, one in data.each_series():
        assert [one.where(row) for row in (0, 30)] == [data.where(start + row) for row in (0, 30)]


def test_the_quietest_month_and_the_spacing_of_a_panel_are_measured_within_its_series() -> None:
    random = np.random.default_rng(0)
    calm, far = random.standard_normal(60), 1e6 + random.standard_normal(40)
    quietest = [
        feature_statistics("f", values, np.array(starts), mean=0.0, std=1.0).quietest
        for values, starts in ((calm, [0]), (far, [0]), (np.r_[calm, far], [0, 60]))
    ]
    assert quietest[2] == min(quietest[:2])
    days = np.datetime64("2001-01-01") + np.array([0, 1, 2, 100, 101])
    assert row_spacing(days, np.array([0, 3])) == row_spacing(days[:2]) == 86400.0


def test_a_column_is_constant_in_the_rows_that_its_own_series_reads() -> None:
    flat = replace(LONG, frame=LONG.frame * 0 + 5.0)
    config, table = config_of(), panel_of(flat, replace(flat, frame=flat.frame + 0.0))
    table.frame.iloc[500, 0] = 6.0  # of the first series, behind its training rows
    built = build_features(config, table)
    rows = np.r_[np.arange(40, 400), np.arange(640, 1040)]  # the first row of the second series reads back
    assert constant_series(config, built, rows) == ["ret", "size", "month", "before", None]


def test_folds_share_what_they_have_in_common() -> None:
    first, *others = prepare_folds(config_of(SPLITS["walk_forward"]), PANEL)
    for fold in others:
        assert fold.times is first.times
        assert fold.positions is first.positions
        assert fold.history is first.history
        assert fold.features is not first.features
