"""The plan of a walk-forward: which rows each block forecasts, and which its study sees."""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from search.errors import RequestError
from search.study.walk_forward_plan import (
    MOST_BLOCKS,
    Block,
    Step,
    Timeline,
    parse_every,
    parse_from,
    plan_blocks,
    split_lengths,
)
from trainer.config import Split

DAYS = pd.bdate_range("2000-01-03", "2013-06-28")
HOLDOUT = Split(train_until="2007-12-31", validation_until="2010-12-31")


def timeline(times: pd.DatetimeIndex = DAYS, horizon: int = 1, zone: str | None = None) -> Timeline:
    clock = times.to_numpy().astype("datetime64[us]")
    if zone is None:
        return Timeline(clock, clock, False, horizon)
    utc = times.tz_localize(zone).tz_convert("UTC").tz_localize(None)
    return Timeline(utc.to_numpy().astype("datetime64[us]"), clock, True, horizon)


def blocks(every: str, split: Split = HOLDOUT, begin: str | None = None, **given: Any) -> list[Block]:
    times = given.pop("times", None) or timeline(horizon=given.pop("horizon", 1))
    start = None if begin is None else parse_from(begin)
    return list(plan_blocks("sp", split, times, parse_every(every), begin=start, **given))


def position(block: Block, key: str) -> int:
    """The place of the last day that a setting names."""
    return int(DAYS.searchsorted(pd.Timestamp(block.settings[key]), side="right")) - 1


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("1y", Step(months=12)),
        ("6mo", Step(months=6)),
        ("3MO", Step(months=3)),
        ("2w", Step(days=14)),
        ("90d", Step(days=90)),
        ("250 rows", Step(rows=250)),
        ("1 row", Step(rows=1)),
    ],
)
def test_the_length_of_a_block_is_read(text: str, step: Step) -> None:
    assert parse_every(text) == step


@pytest.mark.parametrize("text", ["", "year", "0y", "-1y", "1.5y", "1m", "1y6mo", "250"])
def test_another_length_is_refused_in_one_sentence_that_says_how_to_write_it(text: str) -> None:
    with pytest.raises(RequestError, match=r"write it as 1y, 6mo, 2w, 90d or '250 rows'"):
        parse_every(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2011", datetime(2011, 1, 1)),
        ("2011-07", datetime(2011, 7, 1)),
        ("2011-07-04", datetime(2011, 7, 4)),
        ("2011-07-04 09:30", datetime(2011, 7, 4, 9, 30)),
    ],
)
def test_the_beginning_is_a_year_a_month_a_day_or_a_time(text: str, moment: datetime) -> None:
    assert parse_from(text) == moment


@pytest.mark.parametrize("text", ["", "11", "2011-13", "2011-02-30", "July", "2011/07"])
def test_another_beginning_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(RequestError, match="write it as 2011, 2011-07 or 2011-07-01"):
        parse_from(text)


def test_blocks_begin_behind_the_validation_rows_and_are_named_by_their_years() -> None:
    found = blocks("1y")
    assert [block.study for block in found] == ["sp@2011", "sp@2012", "sp@2013"]
    assert [block.times for block in found] == [
        ("2011-01-01", "2011-12-31"),
        ("2012-01-01", "2012-12-31"),
        ("2013-01-01", "2013-06-27"),  # the last day has no target yet
    ]


def test_every_row_from_the_beginning_to_the_last_target_is_in_one_block() -> None:
    for every in ("1y", "5mo", "3w", "17 rows"):
        found = blocks(every)
        rows = np.concatenate([np.arange(block.first, block.last + 1) for block in found])
        first = int(DAYS.searchsorted(pd.Timestamp("2011-01-01")))
        np.testing.assert_array_equal(rows, np.arange(first, len(DAYS) - 1))


def test_blocks_of_months_of_days_and_of_rows_have_names_that_differ() -> None:
    assert [block.study for block in blocks("6mo")][:3] == ["sp@2011-01", "sp@2011-07", "sp@2012-01"]
    assert [block.study for block in blocks("1y", begin="2011-07")] == ["sp@2011-07", "sp@2012-07"]
    assert blocks("90d")[1].study == "sp@2011-04-01"
    assert blocks("250 rows")[0].study == "sp@2011-01-03"
    for every in ("1mo", "1w", "30 rows"):
        names = [block.study for block in blocks(every)]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("horizon", [1, 5, 21])
@pytest.mark.parametrize("embargo", [0, 3])
def test_the_study_of_a_block_reads_no_row_from_its_beginning_on(horizon: int, embargo: int) -> None:
    split = HOLDOUT.model_copy(update={"embargo": embargo})
    for block in blocks("1y", split, horizon=horizon):
        assert position(block, "data.until") == block.first - 1 - embargo
        assert block.settings["data.split.validation_until"] == block.settings["data.until"]


def test_the_validation_rows_are_as_many_as_those_of_the_study_file_and_the_training_rows_grow() -> None:
    train, validation = split_lengths(HOLDOUT, timeline())
    lengths = []
    for block in blocks("1y"):
        end, middle = position(block, "data.until"), position(block, "data.split.train_until")
        assert end - middle == validation
        assert "data.since" not in block.settings
        lengths.append(middle + 1)
    assert lengths[0] == train
    assert lengths == sorted(lengths)


def test_a_rolling_window_keeps_the_number_of_training_rows() -> None:
    train, _ = split_lengths(HOLDOUT, timeline())
    found = blocks("1y", window="rolling")
    assert "data.since" not in found[0].settings  # the first block has just as many
    for block in found[1:]:
        begin = int(DAYS.searchsorted(pd.Timestamp(block.settings["data.since"])))
        assert position(block, "data.split.train_until") + 1 - begin == train


def test_fractions_become_dates_and_cpcv_has_one_date_only() -> None:
    fractions = Split.model_validate({"fractions": {"train": 0.5, "validation": 0.25}})
    block = blocks("1y", fractions)[0]
    assert block.settings["data.split.fractions"] is None
    assert block.first == round(0.75 * len(DAYS))
    cpcv = blocks("1y", Split(method="cpcv", validation_until="2010-12-31"), window="rolling")
    assert [sorted(each.settings) for each in cpcv[:2]] == [
        ["data.split.validation_until", "data.until"],
        ["data.since", "data.split.validation_until", "data.until"],
    ]


def test_a_block_without_rows_is_left_out_and_no_study_is_made_for_it() -> None:
    gap = DAYS[(pd.Timestamp("2011-01-01") > DAYS) | (pd.Timestamp("2012-02-01") <= DAYS)]
    names = [block.study for block in blocks("1y", times=timeline(gap), begin="2011")]
    assert names == ["sp@2012", "sp@2013"]


def test_a_month_that_is_shorter_ends_a_block_that_began_on_the_31st() -> None:
    found = blocks("1mo", begin="2012-01-31")
    assert [block.start.strftime("%m-%d") for block in found][:4] == ["01-31", "02-29", "03-31", "04-30"]


def test_bars_of_a_day_are_cut_at_their_times_and_in_a_zone_by_their_moments() -> None:
    days = pd.bdate_range("2020-01-01", "2020-12-31")
    bars = pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in days for hour in range(10, 16)])
    split = Split(train_until="2020-06-30", validation_until="2020-09-30 12:00")
    (first, *_) = blocks("1mo", split, times=timeline(bars))
    assert first.start == datetime(2020, 9, 30, 13)
    assert first.study == "sp@2020-09-30T1300"
    assert first.settings["data.until"] == "2020-09-30T12:00:00"
    assert first.settings["data.split.train_until"] == "2020-06-30"
    (block, *_) = blocks("1mo", split, times=timeline(bars, zone="America/New_York"), begin="2020-11")
    assert block.settings["data.until"] == "2020-10-30T19:00:00+00:00"


@pytest.mark.parametrize(
    ("begin", "sentence"),
    [
        ("2030", "no row is forecast from 2030-01-01 on: the last row with a target is at 2013-06-27"),
        ("2002", "alone has 784; begin later: --from"),
    ],
)
def test_a_beginning_without_rows_behind_it_or_before_it_is_refused(begin: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        blocks("1y", begin=begin)


def test_more_blocks_than_anybody_would_run_are_refused() -> None:
    with pytest.raises(RequestError, match=f"more than {MOST_BLOCKS} blocks"):
        blocks("1d")
