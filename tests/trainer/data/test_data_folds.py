"""Folds: against their definition by times alone, and on tables that are changed where none may look."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise
from math import ceil, comb
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from trainer.audit.audit import audit
from trainer.audit.check_split import overlap_findings
from trainer.config import DataConfig, GuardConfig
from trainer.data.features import build_features
from trainer.data.panel import ONE_SERIES
from trainer.data.source import Table
from trainer.data.split import FoldRows, cut_folds, require_enough_rows
from trainer.data.windows import Dataset, prepare_folds, prepare_refit
from trainer.errors import SplitError
from trainer.losses import MSE
from trainer.rivals.baselines import mean_baseline_losses

Settings = Callable[..., DataConfig]
Fold = tuple[list[int], list[int]]
"""Rows to train on, rows that are held out."""

quick = hypothesis_settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
TRAIN_UNTIL, VALIDATION_UNTIL = "1999-12-31", "2000-09-29"
"""Of the first 520 rows of the series: 251 to train on, 189 to validate on, 80 to test."""
METHODS: dict[str, dict[str, Any]] = {
    "holdout": {"train_until": TRAIN_UNTIL},
    "walk_forward": {"train_until": TRAIN_UNTIL, "folds": 4},
    "rolling": {"method": "walk_forward", "train_until": TRAIN_UNTIL, "folds": 4, "window": "rolling"},
    "cpcv": {"groups": 6, "held_out": 2},
}


def splitting(name: str, **more: Any) -> dict[str, Any]:
    return {"method": name, "validation_until": VALIDATION_UNTIL, **METHODS[name], **more}


def target(horizon: int, window: int | None = None) -> dict[str, Any]:
    """The volatility `horizon` rows ahead, or the mean of as many as `window` up to there."""
    if window is None:
        range_of = {"transform": "log_parkinson", "high": "High", "low": "Low"}
        return {**range_of, "kind": "volatility", "horizon": horizon}
    return {
        "of": "vol",
        "transform": "rolling_mean",
        "window": window,
        "kind": "volatility",
        "horizon": horizon,
    }


def features(window: int) -> tuple[dict[str, Any], ...]:
    """A column as it is, the volatility, and its mean over `window` rows."""
    return (
        {"name": "close", "column": "Close"},
        {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},
        {"name": "mean", "of": "vol", "transform": "rolling_mean", "window": window},
    )


@pytest.fixture
def table(sp500: Table) -> Table:
    """The first 520 rows of the real series: two years and a bit."""
    return replace(sp500, frame=sp500.frame.iloc[:520])


def folds_of(config: DataConfig, table: Table) -> tuple[FoldRows, ...]:
    return cut_folds(config, table.times, build_features(config, table))


def in_parts(rows: list[int], parts: int) -> list[list[int]]:
    """As even as can be; the first ones are longer by one where it does not come out even."""
    size, longer = divmod(len(rows), parts)
    ends = [0]
    for part in range(parts):
        ends.append(ends[-1] + size + (part < longer))
    return [rows[start:end] for start, end in pairwise(ends)]


def by_definition(
    config: DataConfig, days: list[str], reach: int, *, until: str, validation_until: str
) -> list[Fold]:
    """The folds of a split by dates, row by row: from its own day, that of its target, and its window's rows.

    `reach` is how many rows back the features and the target of a row read.
    """
    split, horizon, seq_len, embargo = (
        config.split,
        config.target.horizon,
        config.seq_len,
        config.split.embargo,
    )
    usable = [row for row in range(reach, len(days)) if row + horizon < len(days)]
    known = [row for row in usable if days[row + horizon] <= validation_until]
    windows = {row: range(row - seq_len + 1, row + 1) for row in known if row - seq_len + 1 >= reach}
    if split.method == "cpcv":
        warm = [row for row in known if row - reach >= max(seq_len, horizon + 22) - 1]
        choices = list(combinations(in_parts(warm, split.groups), split.held_out))
    else:
        later = [row for row in known if days[row] > until][embargo:]
        parts = split.folds if split.method == "walk_forward" else 1
        choices = [(part,) for part in in_parts(later, parts)]
    found: list[Fold] = []
    for blocks in choices:
        held = np.array(sorted(row for block in blocks for row in block))
        train = []
        for row, window in windows.items():
            before = row + horizon + embargo < held
            # Neither the window nor what its values are made of may reach a held-out row or its target.
            behind = (window[0] > held + horizon + embargo) & (window[0] - reach > held + horizon)
            if bool(before.all() if split.method != "cpcv" else (before | behind).all()):
                train.append(row)
        found.append((train, held.tolist()))
    if split.window == "rolling":
        return [(train[-len(found[0][0]) :], held) for train, held in found]
    return found


@pytest.mark.parametrize("name", METHODS)
@quick
@given(
    horizon=st.integers(1, 12),
    embargo=st.integers(0, 25),
    seq_len=st.integers(1, 40),
    window=st.integers(1, 30),
    parts=st.integers(3, 7),
    held_out=st.integers(1, 3),
)
def test_each_fold_has_the_rows_that_its_definition_says(
    settings: Settings,
    table: Table,
    name: str,
    horizon: int,
    embargo: int,
    seq_len: int,
    window: int,
    parts: int,
    held_out: int,
) -> None:
    sizes = {"cpcv": {"groups": parts, "held_out": min(held_out, parts - 1)}, "holdout": {}}
    split = splitting(name, embargo=embargo, **sizes.get(name, {"folds": parts}))
    config = settings(features=features(window), target=target(horizon), seq_len=seq_len, split=split)
    days = table.times.strftime("%Y-%m-%d").tolist()
    expected = by_definition(config, days, window - 1, until=TRAIN_UNTIL, validation_until=VALIDATION_UNTIL)
    found = [(fold.train.tolist(), fold.validation.tolist()) for fold in folds_of(config, table)]
    assert found == expected
    test = [
        row
        for row in range(window - 1, len(days))
        if days[row] > VALIDATION_UNTIL and row + horizon < len(days)
    ]
    assert all(fold.test.tolist() == test[embargo:] for fold in folds_of(config, table))


def spoilt(table: Table, rows: range) -> Table:
    """The table with other prices in some rows."""
    frame = table.frame.copy()
    chance = np.random.default_rng(0).uniform(0.5, 2, len(rows))
    for column, factor in (("High", 3.0), ("Low", 1.0), ("Close", 2.0)):
        values = frame[column].to_numpy().copy()
        values[rows] = values[rows] * chance * factor
        frame[column] = values
    return replace(table, frame=frame)


def trained_on(data: Dataset) -> list[np.ndarray]:
    """Everything that a trial learns from: windows, targets, and the moments that both are scaled by."""
    windows = [data.features[row - data.seq_len + 1 : row + 1] for row in data.train]
    scaler = data.scaler
    moments = [*scaler.feature_mean, *scaler.feature_std, scaler.target_mean, scaler.target_std]
    return [np.stack(windows), data.target[data.train], np.array(moments)]


def same(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    return all(one.tobytes() == other.tobytes() for one, other in zip(left, right, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("averaged", [None, 15], ids=["plain_target", "averaged_target"])
def test_prices_of_held_out_rows_and_of_their_targets_change_nothing_that_is_trained_on(
    settings: Settings, table: Table, name: str, averaged: int | None
) -> None:
    config = settings(
        features=features(22), target=target(3, averaged), seq_len=10, split=splitting(name, embargo=2)
    )
    base = build_features(config, table).first
    for number, fold in enumerate(prepare_folds(config, table)):
        held = fold.validation + base
        starts = np.flatnonzero(np.diff(held, prepend=-9) != 1)
        for start, block in zip(starts, np.split(held, starts[1:]), strict=True):
            assert held[start] == block[0]
            changed = spoilt(table, range(int(block[0]), int(block[-1]) + config.target.horizon + 1))
            assert same(trained_on(prepare_folds(config, changed)[number]), trained_on(fold)), number


def test_a_price_that_is_trained_on_does_change_it(settings: Settings, table: Table) -> None:
    config = settings(features=features(22), target=target(3), seq_len=10, split=splitting("cpcv"))
    fold = prepare_folds(config, table)[-1]
    changed = spoilt(table, range(60, 61))
    assert not same(trained_on(prepare_folds(config, changed)[-1]), trained_on(fold))


@pytest.mark.parametrize("name", METHODS)
def test_prices_of_test_rows_change_nothing_before_them(settings: Settings, table: Table, name: str) -> None:
    config = settings(features=features(22), target=target(3), seq_len=10, split=splitting(name))
    days = table.times.strftime("%Y-%m-%d").tolist()
    first = next(row for row, day in enumerate(days) if day > VALIDATION_UNTIL)
    changed = spoilt(table, range(first, len(days)))
    for fold, other in zip(prepare_folds(config, table), prepare_folds(config, changed), strict=True):
        assert same(trained_on(other), trained_on(fold))
        assert other.target[fold.validation].tobytes() == fold.target[fold.validation].tobytes()
        assert other.features[: first - 21].tobytes() == fold.features[: first - 21].tobytes()
    final, changed_final = prepare_refit(config, table), prepare_refit(config, changed)
    assert same(trained_on(changed_final), trained_on(final))
    assert (len(final.validation), final.test.tolist()) == (0, fold.test.tolist())
    assert final.train[-1] == first - 21 - 3 - 1
    assert set(final.train) >= {row for each in prepare_folds(config, table) for row in each.train}


@pytest.mark.parametrize("name", METHODS)
def test_the_last_fold_trains_on_nothing_behind_what_it_holds_out(
    settings: Settings, table: Table, name: str
) -> None:
    *_, last = folds_of(settings(split=splitting(name)), table)
    assert last.fitting[-1] < last.validation[0]


def test_walk_forward_cuts_the_rows_that_a_holdout_would_hold_out(settings: Settings, table: Table) -> None:
    ((holdout,), *walks) = (
        folds_of(settings(split=splitting(name, embargo=4)), table)
        for name in ("holdout", "walk_forward", "rolling")
    )
    for folds in walks:
        assert np.concatenate([fold.validation for fold in folds]).tolist() == holdout.validation.tolist()
        assert folds[0].train.tolist() == holdout.train.tolist()


def test_a_rolling_window_is_as_long_in_every_fold_and_ends_where_an_expanding_one_does(
    settings: Settings, table: Table
) -> None:
    grown, rolled = (folds_of(settings(split=splitting(name)), table) for name in ("walk_forward", "rolling"))
    assert {len(fold.train) for fold in rolled} == {len(grown[0].train)}
    assert {len(fold.fitting) for fold in rolled} == {len(grown[0].fitting)}
    assert [fold.train[-1] for fold in rolled] == [fold.train[-1] for fold in grown]
    assert {fold.train[0] for fold in grown} == {grown[0].train[0]}


@pytest.mark.parametrize(("groups", "held_out"), [(6, 2), (5, 1), (5, 3)])
def test_cpcv_holds_every_row_out_as_often(
    settings: Settings, table: Table, groups: int, held_out: int
) -> None:
    config = settings(split=splitting("cpcv", groups=groups, held_out=held_out))
    folds = folds_of(config, table)
    rows, times = np.unique(np.concatenate([fold.validation for fold in folds]), return_counts=True)
    assert len(folds) == comb(groups, held_out)
    assert set(times) == {comb(groups - 1, held_out - 1)}
    assert rows.tolist() == list(range(rows[0], rows[-1] + 1))
    assert audit(config, GuardConfig(), table).rows == {**folds[-1].counts, "validation": len(rows)}


SKFOLIO = {
    (0, 6, 2): "86c0aa18a1a52236fc598fbcd97554f630c5402b9a83ed9f7ec522faf6f38c7a",
    (0, 5, 3): "2fffa601537c0b07a6688f3b8629c2ca8dc473296d183e2728c588b3048eb4b1",
    (3, 6, 2): "28d5a7e36e8309a891f00a956ac428f39785833ff71b8a7556feb3b7c31efbbd",
    (3, 5, 3): "876f3a978305763ce8fde5e36266266e8cbe6039128214b3733391050617bf1d",
}
"""SHA-256 of `told` as compact JSON by embargo, groups and held out; made once with skfolio 1.12.2:

    cv = CombinatorialPurgedCV(n_folds=groups, n_test_folds=held_out, purged_size=2, embargo_size=embargo)
    folds = cv.split(np.zeros((600, 1)))
    told = [[train.tolist(), sorted(np.concatenate(test).tolist())] for train, test in folds]

By default it purges nothing, so both sizes are given.
"""


@pytest.mark.parametrize(("embargo", "groups", "held_out"), SKFOLIO)
def test_cpcv_has_the_folds_of_skfolio_but_for_the_embargo_before_a_block(
    settings: Settings, sp500: Table, embargo: int, groups: int, held_out: int
) -> None:
    """Windows of one row, plain columns: skfolio knows neither. Its embargo lies behind a block alone."""
    horizon, before = 2, 2 + 22 - 1
    split = {"method": "cpcv", "fractions": {"train": 0.6, "validation": 0.2}, "embargo": embargo}
    config = settings(
        features=("Close",),
        target=target(horizon),
        seq_len=1,
        split={**split, "groups": groups, "held_out": held_out},
    )
    built = build_features(config, sp500)
    built = replace(built, usable=(slice(built.first, ceil((600 + before + horizon) / 0.8)),))
    told = []
    for fold in cut_folds(config, sp500.times, built):
        train, held = (part[part >= before] - before for part in (fold.train, fold.validation))
        starts = held[np.diff(held, prepend=-9) != 1]
        left_out = {row for start in starts for row in range(start - horizon - embargo, start - horizon)}
        behind = {row for end in held for row in range(end, end + horizon + embargo + 1)}
        theirs_alone = {int(row) for row in left_out - behind if row >= 0}
        assert not theirs_alone & set(train.tolist())
        told.append([sorted({*train.tolist(), *theirs_alone}), held.tolist()])
    digest = hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()
    assert digest == SKFOLIO[embargo, groups, held_out]


def test_a_naive_forecast_has_its_month_before_the_first_block_of_cpcv(
    settings: Settings, table: Table
) -> None:
    config = settings(features=("Close",), target=target(5), seq_len=1, split=splitting("cpcv"))
    folds = prepare_folds(config, table)
    assert folds[0].validation[0] == 5 + 22 - 1
    assert set(mean_baseline_losses(folds, MSE)) == {"zero", "train_mean", "persistence", "har"}


def test_a_short_fold_is_named_with_its_number(settings: Settings, table: Table) -> None:
    config = settings(split=splitting("walk_forward", folds=10))
    built = build_features(config, table)
    with pytest.raises(
        SplitError,
        match=r"after a warm-up of 1 \(seq_len 5; fold 0 of 10, validation 2000-01-03 to \S+\): validation "
        "has 19 rows and needs 20",
    ):
        require_enough_rows(config, cut_folds(config, table.times, built), built.first)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("embargo", [0, 300])
def test_more_blocks_than_rows_and_an_embargo_beyond_all_rows_are_too_few_rows_and_no_crash(
    settings: Settings, table: Table, name: str, embargo: int
) -> None:
    parts = {"cpcv": {"groups": 100, "held_out": 1}, "holdout": {}}.get(name, {"folds": 600})
    config = settings(split=splitting(name, embargo=embargo, **parts))
    if embargo or parts:
        with pytest.raises(SplitError, match="too few rows"):
            prepare_folds(config, table)
    else:
        assert len(prepare_folds(config, table)) == 1


def test_the_audit_sees_training_rows_whose_target_lies_in_the_test(settings: Settings, table: Table) -> None:
    config = settings(split=splitting("cpcv"))
    (first, *_) = folds_of(config, table)
    assert overlap_findings(first, table.times, ONE_SERIES, 1) == []
    forged = replace(first, train=np.append(first.train, first.test[0] - 1))
    (found,) = overlap_findings(forged, table.times, ONE_SERIES, 1)
    assert (found.code, found.where) == ("split_overlap", "train")
    assert "within the rows and targets of test" in found.message


@pytest.mark.parametrize(
    ("split", "sentence"),
    [
        ({"method": "cpcv", "train_until": "2010-12-31"}, "cpcv needs validation_until"),
        (
            {"method": "cpcv", "train_until": "2010-12-31", "validation_until": "2014-12-31"},
            "train_until has no effect under cpcv",
        ),
        (
            {"method": "cpcv", "validation_until": "2014-12-31", "groups": 4, "held_out": 4},
            "held_out is 4 of 4 groups; it must be less, to leave blocks to train on",
        ),
        (
            {"method": "cpcv", "validation_until": "2014-12-31", "groups": 20, "held_out": 10},
            "10 held out of 20 groups makes 184756 folds, each a model that every trial trains; at most 100",
        ),
        ({"method": "walk_forward", "validation_until": "2014-12-31"}, "give both train_until and"),
        ({"method": "walk_forward", "fractions": {"train": 0.5, "validation": 0.2}, "folds": 1}, "folds"),
    ],
)
def test_a_split_that_cannot_be_is_refused_with_the_way_out(
    settings: Settings, split: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        settings(split=split)


def test_times_and_fractions_alike_bound_the_folds(settings: Settings, table: Table) -> None:
    shares = {"fractions": {"train": 0.5, "validation": 0.3}}
    blocks = settings(split={"method": "cpcv", **shares})
    walk = settings(split={"method": "walk_forward", **shares})
    days = pd.DatetimeIndex(table.times)
    assert folds_of(blocks, table)[-1].validation[-1] == folds_of(walk, table)[-1].validation[-1]
    assert days[folds_of(walk, table)[0].validation[0]] > days[259]
