"""The audit of several series: what it says of each is what it says of that series alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.trainer.panel_fixtures import HORIZON, LATE, LONG, PANEL, config_of, panel_of
from trainer.audit.audit import audit
from trainer.audit.audit_findings import AuditFinding
from trainer.audit.check_broken_values import broken_value_findings
from trainer.audit.check_series import drift_findings, look_ahead_findings
from trainer.audit.check_split import overlap_findings
from trainer.audit.check_table import table_findings
from trainer.audit.leaks.check_columns import countdown_findings
from trainer.audit.leaks.check_own_row import own_row_findings
from trainer.audit.leaks.check_target import check_target
from trainer.audit.leaks.leads import find_leads
from trainer.audit.leaks.leak_probe import LeakProbe
from trainer.audit.worked_row import explain_already_shifted, find_worked_row
from trainer.config import DataConfig, GuardConfig
from trainer.data.features import build_features
from trainer.data.source import Table
from trainer.data.split import FoldRows
from trainer.data.windows import Dataset, prepare_last_fold


def with_column(table: Table, **columns: Any) -> Table:
    return replace(table, frame=table.frame.assign(**columns))


def shifted(table: Table = PANEL) -> tuple[DataConfig, Table]:
    """A study whose target stands in a column that is shifted already."""
    target = {"column": "y", "kind": "other", "horizon": HORIZON, "already_shifted": True}
    config = DataConfig.model_validate({**config_of().model_dump(exclude={"target"}), "target": target})
    return config, with_column(table, y=np.random.default_rng(5).standard_normal(len(table.frame)))


def measured(findings: Sequence[AuditFinding]) -> list[tuple[str, str, float | None]]:
    return [(each.code, each.where, each.value) for each in findings]


def prepared(table: Table) -> Dataset:
    return prepare_last_fold(config_of(), table)


def test_an_honest_panel_has_no_finding_that_blocks() -> None:
    found = audit(config_of(), GuardConfig(), PANEL, deep=True)
    assert [each for each in found.findings if each.severity == "error"] == []


def test_the_first_row_of_a_series_is_no_broken_value_and_does_not_look_ahead() -> None:
    built = build_features(config_of(), PANEL)
    assert broken_value_findings(config_of(), PANEL, built) == []
    assert look_ahead_findings(config_of(), PANEL, built) == []


def test_a_broken_value_of_a_later_series_is_named_by_its_line() -> None:
    table = panel_of(LONG, LATE)
    table.frame.iloc[len(LONG.frame) + 9, 0] = -1.0
    built = build_features(config_of(), table)
    found = broken_value_findings(config_of(), table, built)
    assert all(each.message.startswith("made.csv, line 651:") for each in found)
    assert {each.where for each in found} >= {"ret", "size"}


def test_gaps_and_empty_beginnings_belong_to_a_series() -> None:
    gone = (LATE.times > pd.Timestamp("2001-02-01")) & (LATE.times < pd.Timestamp("2001-06-01"))
    late = LATE.frame[~gone].copy()
    late.iloc[:3] = np.nan
    table = panel_of(LONG, replace(LATE, frame=late))
    found = {each.code: each for each in table_findings(config_of(), table)}
    assert set(found) == {"time_gap", "empty_head"}
    assert "made.csv, line 642: column close is empty in the first 3 rows" in found["empty_head"].message
    assert table_findings(config_of(), panel_of(LONG, LONG)) == []


@pytest.mark.parametrize("first", [True, False])
def test_a_column_may_count_down_in_any_series(first: bool) -> None:
    up = with_column(LATE, n=np.arange(len(LATE.frame)) * 1.0)
    down = with_column(LONG, n=np.arange(len(LONG.frame))[::-1] * 1.0)
    table = panel_of(down, up) if first else panel_of(up, down)
    assert measured(countdown_findings(table)) == measured(countdown_findings(down)) != []


def test_a_target_at_the_end_of_a_series_does_not_reach_into_the_next_one() -> None:
    times = pd.DatetimeIndex([*LONG.times[:100], *LATE.times[:100]])
    train, validation, test = np.arange(100, 150), np.arange(60, 100), np.arange(190, 195)
    split = FoldRows(train, validation, test, fitting=train)
    assert overlap_findings(split, times, np.array([0, 100]), 5) == []
    assert [each.where for each in overlap_findings(split, times, np.array([0]), 5)] == ["train"]


def test_the_target_of_each_series_is_judged_by_itself() -> None:
    data = prepared(PANEL)
    (second,) = data.series_starts[1:]
    target = data.target.copy()
    target[second + 1 :: 10] = target[second:-1:10]  # filled forward, in the second series alone
    data = replace(data, target=target)
    (_, clean), (_, filled) = data.each_series()
    assert measured(check_target(clean).findings) == []
    assert [each.code for each in check_target(filled).findings] == ["repeated_target"]
    assert measured(check_target(data).findings) == measured(check_target(filled).findings)


def test_a_target_of_its_own_row_is_found_in_the_series_that_has_it() -> None:
    config, table = shifted(panel_of(LONG, LONG))
    own = build_features(config, table).features["size"].to_numpy()
    table.frame["y"] = np.where(np.arange(len(own)) < len(LONG.frame), table.frame["y"], own)
    data = prepare_last_fold(config, table)
    codes = [[each.code for each in own_row_findings(one)] for _, one in data.each_series()]
    assert codes == [[], ["target_of_own_row"]]
    assert [each.code for each in own_row_findings(data)] == ["target_of_own_row"]


def test_a_lead_is_found_in_the_series_that_has_it() -> None:
    data = prepared(panel_of(LONG, LONG))
    (second,) = data.series_starts[1:]
    features = data.features.copy()
    random = np.random.default_rng(3).standard_normal(len(features))
    ahead = np.concatenate([data.history.own[1:], [0.0]])
    features[:, 0] = random
    features[second:, 0] = ((ahead - ahead.mean()) / ahead.std())[second:]
    data = replace(data, features=features)
    alone = [bool(find_leads(one, [0])) for _, one in data.each_series()]
    assert alone == [False, True]
    assert {lead.feature for lead in find_leads(data, [0])} == {"ret"}


def test_a_shifted_target_stays_within_its_series() -> None:
    data = prepared(PANEL)
    probe = LeakProbe.of(data)
    assert probe is not None
    moved = probe.moved(300)
    assert moved is not None
    (second,) = data.series_starts[1:]
    by = 300 * second // len(data.target)
    np.testing.assert_array_equal(moved.data.target[:second], np.roll(data.target[:second], by))
    np.testing.assert_array_equal(np.sort(moved.data.target[second:]), np.sort(data.target[second:]))
    assert (moved.data.target != data.target).mean() > 0.9


def test_the_worked_row_at_the_end_of_a_series_has_no_target_in_the_next_one() -> None:
    config, table = shifted()
    last = len(LONG.frame) - 1
    worked = find_worked_row(config, table, build_features(config, table), last)
    assert worked is not None
    assert (worked.features_until, worked.target_at) == (LONG.when(last)[:10], None)


def test_no_target_is_explained_by_rows_of_another_series() -> None:
    config, table = shifted()
    at_the_border = np.isin(np.arange(len(table.frame)), [len(LONG.frame) - 1, len(LONG.frame)])
    table = with_column(table, y=table.frame["y"].where(at_the_border))
    told = explain_already_shifted(config, table, build_features(config, table))
    assert told.startswith(f"true reads row t of y as the value of row t + {HORIZON}, false as that of row t")


def test_rows_unlike_the_training_rows_are_found_in_their_series() -> None:
    config, late = config_of(), LATE.frame.copy()
    assert drift_findings(PANEL, build_features(config, PANEL), prepared(PANEL)) == []
    wild = np.cumsum(np.random.default_rng(0).standard_normal(200))  # behind the training rows
    late.iloc[-200:] = 100 * np.exp(wild)[:, None]
    for tables in ((LONG, replace(LATE, frame=late)), (replace(LATE, frame=late), LONG)):
        table = panel_of(*tables)
        found = drift_findings(table, build_features(config, table), prepared(table))
        assert {each.where for each in found} >= {"ret", "size"}
        lines = [int(each.message.split("made.csv, line ")[1].split(";")[0]) for each in found]
        first = 2 + (0 if tables[1] is LONG else len(LONG.frame))
        assert all(first + 220 < line < first + len(late) for line in lines)
