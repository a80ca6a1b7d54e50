"""Gaps in time: lost rows are named, and the nights, weekends and holidays of a market are not."""

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.trainer.bar_fixtures import TOKYO, Times, currencies, new_york, table_of
from trainer.audit.audit import audit
from trainer.audit.audit_findings import AuditFinding
from trainer.audit.check_gaps import gap_findings
from trainer.config import DataConfig, GuardConfig
from trainer.data.source import Table


def config_of(**data: Any) -> DataConfig:
    return DataConfig.model_validate(
        {
            "source": "bars.csv",
            "time": "time",
            "features": ({"name": "ret", "transform": "log_return", "column": "Close"},),
            "target": {"transform": "log_return", "column": "Close", "kind": "return"},
            "split": {"fractions": {"train": 0.6, "validation": 0.2}},
            "seq_len": 3,
            **data,
        }
    )


def found(table: Table, **data: Any) -> dict[str, AuditFinding]:
    return {finding.code: finding for finding in gap_findings(config_of(**data), table)}


@pytest.mark.parametrize(
    ("table", "longest", "advised"),
    [
        (table_of(currencies()), "50h", "10h"),
        (table_of(new_york(), "America/New_York"), "5375min", "50min"),
        (table_of(TOKYO, "Asia/Tokyo"), "3965min", "50min"),
        (table_of(currencies()[:400]), "49h", "10h"),
    ],
    ids=["currencies by the hour", "New York by five minutes", "with a lunch break", "three weeks"],
)
def test_nights_weekends_and_lunch_breaks_are_no_lost_rows(table: Table, longest: str, advised: str) -> None:
    findings = found(table)
    assert set(findings) == {"session_breaks"}
    assert findings["session_breaks"].severity == "info"
    assert (
        f"other breaks of up to {longest}, which windows and targets cross"
        in findings["session_breaks"].message
    )
    assert findings["session_breaks"].message.endswith(f"set data.max_gap: {advised}")
    assert not found(table, max_gap=advised)


def test_rows_lost_within_the_sessions_are_named_with_the_max_gap_that_keeps_them_out() -> None:
    times = currencies()
    lost = times[(times >= pd.Timestamp("2017-06-13 05:00")) & (times < pd.Timestamp("2017-06-16 03:00"))]
    message = found(table_of(times.difference(lost)))["time_gap"].message
    assert message == (
        "bars.csv: there is no row between 2017-06-13 04:00:00 and 2017-06-16 03:00:00, a gap of 71.0 median "
        "steps (1 gaps above 10); set data.max_gap: 50h, so that no window and no target crosses a longer gap"
    )
    assert set(found(table_of(times.difference(lost)), max_gap="50h")) == set()


def test_outages_at_any_time_of_day_are_no_regular_breaks() -> None:
    times = pd.date_range("2023-01-01", periods=40 * 288, freq="5min")
    starts = np.random.default_rng(0).choice(len(times) - 40, 25, replace=False)
    lost = np.unique((starts[:, None] + np.arange(1, 20)).ravel())
    assert set(found(table_of(times.delete(lost)))) == {"time_gap"}


def test_the_audit_says_how_many_rows_max_gap_leaves_out() -> None:
    table = table_of(TOKYO, "Asia/Tokyo")
    result = audit(config_of(max_gap="50min"), GuardConfig(), table)
    (finding,) = [finding for finding in result.findings if finding.code == "max_gap"]
    free = audit(config_of(), GuardConfig(), table)
    lost = free.rows["train"] - result.rows["train"]
    assert finding.severity == "info"
    assert finding.message.startswith(
        f"bars.csv: data.max_gap 50min leaves out {lost} of {free.rows['train']} train, "
    )
    assert lost == pytest.approx(free.rows["train"] * 3 / 30, abs=3)  # 2 windows and a target of 30 bars


def days_of_new_york() -> Times:
    """Days of the S&P 500, with the week without trading in September 2001."""
    from arch.data import sp500

    days = Times(sp500.load().index).as_unit("us")
    return days[(days >= pd.Timestamp("2001-06-01")) & (days <= pd.Timestamp("2002-12-31"))]


def test_holidays_of_the_calendar_are_no_findings() -> None:
    assert not found(table_of(days_of_new_york()), calendar="XNYS")
    assert not found(table_of(new_york(), "America/New_York"), calendar="XNYS")


def test_sessions_without_a_row_are_named() -> None:
    days = days_of_new_york()
    finding = found(table_of(days.delete([100, 101, 200])), calendar="XNYS")["missing_sessions"]
    assert (finding.severity, finding.value) == ("warning", 3.0)
    named = ", ".join(str(days[number])[:10] for number in (100, 101, 200))
    assert finding.message.startswith(f"bars.csv: 3 sessions of XNYS without a row: {named}; get these rows")
    times = new_york()
    finding = found(table_of(times[times.normalize() != "2017-08-09"], "America/New_York"), calendar="XNYS")[
        "missing_sessions"
    ]
    assert finding.message.startswith("bars.csv: 1 session of XNYS without a row: 2017-08-09; get these rows")


def test_bars_lost_while_the_exchange_is_open_are_named() -> None:
    times = new_york()
    lost = (times > pd.Timestamp("2017-08-09 11:00")) & (times < pd.Timestamp("2017-08-09 13:00"))
    findings = found(table_of(times[~lost], "America/New_York"), calendar="XNYS")
    assert set(findings) == {"time_gap"}
    assert "between 2017-08-09 11:00:00-04:00 and 2017-08-09 13:00:00-04:00 while XNYS is open" in (
        findings["time_gap"].message
    )


def test_an_unknown_calendar_is_an_error_that_names_one() -> None:
    finding = found(table_of(days_of_new_york()), calendar="XNYSE")["no_calendar"]
    assert finding.severity == "error"
    assert finding.message == (
        "data.calendar: there is no calendar 'XNYSE'; name an exchange by its code, such as XNYS"
    )


def test_years_that_the_calendar_does_not_know_are_an_error() -> None:
    times = pd.bdate_range("1940-01-01", periods=100)
    assert found(table_of(times), calendar="XKRX")["no_calendar"].message.startswith("data.calendar XKRX: ")


def test_without_the_package_the_line_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    finding = found(table_of(pd.bdate_range("2001-01-01", periods=100)), calendar="XNYS")["no_calendar"]
    assert finding.message == (
        "data.calendar XNYS needs the package exchange-calendars, which is not here; install it: "
        'pip install "ballast-gru[calendars]"'
    )
