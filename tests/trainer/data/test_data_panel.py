"""A table of several series: nothing looks from one series into another, and one series is a panel of one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from trainer.config import DataConfig
from trainer.data.features import build_features
from trainer.data.panel import by_series, rows_since_start, series_spans
from trainer.data.source import Table
from trainer.data.split import cut_folds
from trainer.data.windows import Dataset, prepare_folds, prepare_refit, require_ascending
from trainer.errors import DataError
from trainer.losses import MSE
from trainer.rivals.baselines import baseline_forecasts
from trainer.rivals.fitted import rival_forecasts
from trainer.rivals.history_regression import history_terms, rows_with_history
from trainer.training.batches import Batches

SEQ_LEN, HORIZON = 6, 3
SPLITS: dict[str, dict[str, Any]] = {
    "holdout": {"train_until": "2001-06-30", "validation_until": "2001-12-31"},
    "fractions": {"fractions": {"train": 0.6, "validation": 0.2}},
    "walk_forward": {
        "method": "walk_forward",
        "folds": 3,
        "train_until": "2001-06-30",
        "validation_until": "2001-12-31",
    },
    "cpcv": {"method": "cpcv", "groups": 4, "held_out": 2, "validation_until": "2001-12-31"},
}
EVERY_SPLIT = pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)


def config_of(split: dict[str, Any] = SPLITS["holdout"]) -> DataConfig:
    features = (
        {"name": "ret", "column": "close", "transform": "log_return"},
        {"name": "size", "column": "close", "transform": "abs_log_return"},
        {"name": "month", "of": "size", "transform": "rolling_mean", "window": 22},
        {"name": "before", "of": "ret", "transform": "lag", "window": 2},
    )
    target = {
        "of": "size",
        "transform": "rolling_mean",
        "window": HORIZON,
        "kind": "volatility",
        "horizon": HORIZON,
    }
    return DataConfig.model_validate(
        {
            "source": "made.csv",
            "time": "date",
            "features": features,
            "target": target,
            "split": split,
            "seq_len": SEQ_LEN,
        }
    )


def one(seed: int, begin: str, rows: int) -> Table:
    """A made-up price by day, some days of which are absent."""
    random = np.random.default_rng(seed)
    days = pd.bdate_range(begin, periods=rows + 40)[np.sort(random.permutation(rows + 40)[:rows])]
    sizes = 0.01 * np.exp(np.convolve(random.standard_normal(rows + 20), np.ones(21) / 10, "valid"))
    close = 100 * np.exp(np.cumsum(sizes * random.standard_normal(rows)))
    frame = pd.DataFrame({"close": close}, index=days)
    return Table(frame, "made.csv", "0" * 64, rows, np.arange(2, rows + 2), "line")


def panel_of(*tables: Table) -> Table:
    """The tables laid end to end."""
    lengths = [len(table.frame) for table in tables]
    return Table(
        pd.concat([table.frame for table in tables]),
        "made.csv",
        "0" * 64,
        sum(lengths),
        np.arange(2, sum(lengths) + 2),
        "line",
        series_starts=np.cumsum([0, *lengths[:-1]]),
    )


LONG, LATE = one(1, "2000-01-03", 640), one(2, "2000-09-01", 420)
PANEL = panel_of(LONG, LATE)


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
