"""What the audit says of a panel as a whole: who is there when, and what no check can see."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.trainer.panel_fixtures import config_of, one, panel_of
from trainer.audit.audit import audit
from trainer.audit.audit_findings import Audit, AuditFinding
from trainer.audit.series_findings import told_once
from trainer.config import GuardConfig
from trainer.data.source import Table


def panel(**tables: Table) -> Table:
    return replace(panel_of(*tables.values()), series_names=tuple(tables))


def until(table: Table, time: str) -> Table:
    return table.heads([int((table.times <= pd.Timestamp(time)).sum())])[0]


def audited(table: Table) -> Audit:
    return audit(config_of(), GuardConfig(), table)


def finding(result: Audit, code: str) -> AuditFinding:
    (found,) = [each for each in result.findings if each.code == code]
    return found


OLD, NEW = one(1, "2000-01-03", 900), one(2, "2002-02-01", 360)
GONE = until(one(3, "2000-01-03", 900), "2001-10-15")


def test_coverage_counts_rows_series_and_filled_cells_of_each_year() -> None:
    coverage = audited(panel(NEW=NEW, OLD=OLD)).panel
    assert coverage is not None
    assert (coverage.series, coverage.times) == (2, len(np.unique([*OLD.times, *NEW.times])))
    rows = int((OLD.times.year == 2000).sum())
    assert vars(coverage.years[2000]) == {"rows": rows, "series": 1, "share": 0.5}
    assert coverage.years[2002].series == 2
    assert 0.8 < coverage.years[2002].share < 1


def test_series_that_begin_or_end_inside_the_held_out_rows_are_named() -> None:
    result = audited(panel(GONE=GONE, NEW=NEW, OLD=OLD))
    assert result.panel is not None
    assert result.panel.begin_late == finding(result, "begins_late").series == ("NEW",)
    assert result.panel.end_early == finding(result, "ends_early").series == ("GONE",)
    assert "1 of 3 series begin inside validation or test" in finding(result, "begins_late").message


def test_a_panel_in_which_no_series_ends_is_told_of_survivors() -> None:
    told = finding(audited(panel(A=OLD, B=one(5, "2000-01-03", 900))), "survivorship")
    assert told.severity == "info"
    assert "an index of today's members is a leak that no check can see" in told.message
    codes = {each.code for each in audited(panel(GONE=GONE, OLD=OLD)).findings}
    assert "survivorship" not in codes


def test_a_series_too_short_for_its_windows_is_named() -> None:
    short = until(one(6, "2001-06-01", 60), "2001-07-20")
    told = finding(audited(panel(OLD=OLD, SHORT=short)), "short_series")
    assert (told.where, told.series) == ("train", ("SHORT",))


def test_a_series_at_another_time_of_day_has_few_times_in_common() -> None:
    other = one(7, "2000-01-03", 900)
    later = replace(other, frame=other.frame.set_axis(other.times + pd.Timedelta(hours=16)))
    result = audited(panel(A=OLD, B=one(5, "2000-01-03", 900), C=later))
    told = finding(result, "few_common_times")
    assert told.series == ("C",)
    assert "at the times of C 0% of the other series have a row" in told.message


def test_a_repetition_within_a_series_is_named_and_one_across_series_is_none() -> None:
    twice = OLD.heads([900])[0]
    index = twice.times.to_numpy().copy()
    index[10] = index[9]
    table = panel(A=OLD, B=replace(twice, frame=twice.frame.set_axis(pd.DatetimeIndex(index))))
    told = finding(audited(table), "repeated_time")
    assert (told.value, told.series) == (1.0, ("B",))
    assert "series B: time 2000-01-" in told.message


def test_a_table_of_one_series_without_a_name_has_no_coverage() -> None:
    assert audited(OLD).panel is None


def empty_head(series: str, rows: float) -> AuditFinding:
    return AuditFinding("empty_head", "info", "x", rows, None, f"{rows:g} empty", (series,))


def test_a_finding_of_many_series_is_told_once_with_the_worst() -> None:
    many = [empty_head(f"S{number}", float(number)) for number in range(480)]
    (told,) = told_once(many, 500)
    assert told.message == "in 480 of 500 series, worst S479: 479 empty"
    assert (told.value, len(told.series), told.series[0]) == (479.0, 480, "S479")


def test_a_finding_of_one_series_names_it_and_other_findings_stay_apart() -> None:
    other = AuditFinding("empty_head", "info", "y", 1.0, None, "1 empty", ("S1",))
    whole = AuditFinding("nan_cells", "error", "x", 1.0, None, "all empty")
    told = told_once([empty_head("S1", 3.0), other, whole], 500)
    assert [each.message for each in told] == ["series S1: 3 empty", "series S1: 1 empty", "all empty"]


@pytest.mark.parametrize("names", [("A", "B"), ()])
def test_empty_beginnings_are_told_once_for_the_whole_panel(names: tuple[str, ...]) -> None:
    first, second = (one(seed, "2000-01-03", 900) for seed in (1, 2))
    first.frame.iloc[:3] = np.nan
    second.frame.iloc[:5] = np.nan
    result = audited(replace(panel_of(first, second), series_names=names))
    heads = [each for each in result.findings if each.code == "empty_head"]
    assert [(each.value, each.series) for each in heads] == (
        [(5.0, ("B", "A"))] if names else [(3.0, ()), (5.0, ())]
    )
