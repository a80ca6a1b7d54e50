"""The audit: each kind of bad data by name, all of them at once, and none on good data."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from trainer.audit.audit import audit
from trainer.audit.audit_findings import Audit, AuditFinding
from trainer.audit.check_split import overlap_findings
from trainer.config import DataConfig, GuardConfig
from trainer.data.arrays import Floats
from trainer.data.panel import ONE_SERIES
from trainer.data.source import Table, read_table
from trainer.data.split import FoldRows
from trainer.data.transforms import TRANSFORMS

Settings = Callable[..., DataConfig]
Read = Callable[[DataConfig, list[list[str]]], Table]
Lines = list[list[str]]
GUARD = GuardConfig()
RETURN: dict[str, Any] = {"column": "Close", "transform": "log_return", "kind": "return"}


def _codes(result: Audit, *severities: str) -> dict[str, str]:
    """Code → severity of all findings but those that only inform."""
    wanted = severities or ("error", "warning")
    return {finding.code: finding.severity for finding in result.findings if finding.severity in wanted}


def _only(result: Audit, code: str) -> AuditFinding:
    (finding,) = [finding for finding in result.findings if finding.code == code]
    return finding


def test_real_data_passes_even_strictly_and_reports_its_clipped_shares(
    sp500_config: DataConfig, sp500: Table
) -> None:
    result = audit(sp500_config, GUARD, sp500)
    assert result.ok(strict=True)
    assert result.rows == {"train": 2996, "validation": 1005, "test": 1005}
    assert {finding.code for finding in result.findings} == {"feature_clipped"}
    assert result.dataset is not None
    assert _only(replace(result, findings=result.findings[:1]), "feature_clipped").value == pytest.approx(
        result.dataset.feature_clipped["ret"]
    )


@pytest.mark.parametrize(
    ("cell", "code", "message"),
    [
        (
            "",
            "nan_cells",
            r"^prices.csv, line 31: column Close is NaN or empty at 2010-02-11 .*\(1 such cells, 0 allowed\)",
        ),
        ("nan", "nan_cells", r"column Close is NaN or empty"),
        (
            "inf",
            "infinite_cells",
            r"^prices.csv, line 31: column Close is inf at 2010-02-11 .*correct or remove",
        ),
        (
            "0",
            "nonfinite_series",
            r"line 31: ret = log_return of Close \(0\) is -inf at 2010-02-11 .*positive prices",
        ),
        ("-3", "nonfinite_series", r"ret = log_return of Close \(-3\) is nan"),
    ],
)
def test_a_bad_cell_is_an_error_with_column_value_time_and_line(
    settings: Settings, read: Read, lines: Lines, cell: str, code: str, message: str
) -> None:
    lines[30][3] = cell
    result = audit(settings(), GUARD, read(settings(), lines))
    assert _codes(result, "error") == {code: "error"}
    assert re.search(message, _only(result, code).message)
    assert not result.ok(strict=False)
    assert result.dataset is None


def test_a_high_equal_to_its_low_is_named_in_feature_and_target(
    settings: Settings, read: Read, lines: Lines
) -> None:
    lines[30][1] = lines[30][2]
    result = audit(settings(), GUARD, read(settings(), lines))
    assert [finding.where for finding in result.findings if finding.severity == "error"] == ["vol", "target"]
    assert "range needs a high above its low" in result.findings[0].message


def test_a_bad_cell_is_not_blamed_on_the_features_made_from_it(
    settings: Settings, read: Read, lines: Lines
) -> None:
    features = (
        {"name": "ret", "column": "Close", "transform": "log_return"},
        {"name": "mean", "of": "ret", "transform": "rolling_mean", "window": 5},
    )
    lines[30][3], lines[60][3] = "", "-1"
    result = audit(settings(features=features), GUARD, read(settings(), lines))
    assert [(finding.code, finding.where) for finding in result.findings] == [
        ("nan_cells", "Close"),
        ("nonfinite_series", "ret"),
    ]


def test_unsorted_and_repeated_times_are_errors_with_their_lines(
    settings: Settings, read: Read, lines: Lines
) -> None:
    lines[20], lines[21] = lines[21], lines[20]
    lines[40][0] = lines[39][0]
    result = audit(settings(), GUARD, read(settings(), lines))
    assert _codes(result) == {"unsorted_time": "error", "repeated_time": "error"}
    assert _only(result, "unsorted_time").message.startswith(
        "prices.csv, line 22: time 2010-01-28 00:00:00 is earlier than the one before"
    )
    assert _only(result, "repeated_time").message.startswith(
        "prices.csv, line 41: time 2010-02-24 00:00:00 occurs before"
    )
    assert result.rows == {"train": 113, "validation": 39, "test": 40}


def test_a_gap_is_a_warning(settings: Settings, read: Read, lines: Lines) -> None:
    del lines[60:75]
    result = audit(settings(), GUARD, read(settings(), lines))
    finding = _only(result, "time_gap")
    assert (finding.severity, finding.value, finding.threshold) == ("warning", 22.0, 10.0)
    assert "no row between 2010-03-24 00:00:00 and 2010-04-15 00:00:00" in finding.message
    assert result.ok(strict=False)
    assert not result.ok(strict=True)


def test_too_few_rows_are_an_error_with_counts(settings: Settings, read: Read, lines: Lines) -> None:
    result = audit(settings(), GUARD, read(settings(), lines[:50]))
    finding = _only(result, "too_few_rows")
    assert (finding.where, finding.value, finding.threshold) == ("train", 23.0, 50.0)
    assert result.rows == {"train": 23, "validation": 8, "test": 10}
    assert not result.ok(strict=False)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_table_of_almost_no_rows_is_audited(
    settings: Settings, read: Read, lines: Lines, count: int
) -> None:
    result = audit(settings(), GUARD, read(settings(), lines[: count + 1]))
    assert _codes(result, "error")["too_few_rows"] == "error"


def test_everything_that_is_wrong_is_told_at_once(settings: Settings, read: Read, lines: Lines) -> None:
    lines = lines[:61]
    lines[10][3], lines[12][3], lines[14][3] = "", "inf", "-1"
    lines[16][1] = lines[16][2]
    lines[20], lines[21] = lines[21], lines[20]
    lines[30][0] = lines[29][0]
    lines[50][0] = "2010-06-01"
    result = audit(settings(), GUARD, read(settings(), lines))
    assert set(_codes(result)) == {
        "nan_cells",
        "infinite_cells",
        "nonfinite_series",
        "unsorted_time",
        "repeated_time",
        "time_gap",
        "too_few_rows",
    }


def test_empty_rows_at_the_head_inform_and_are_left_out(settings: Settings, read: Read, lines: Lines) -> None:
    for line in lines[1:11]:
        line[3] = ""
    result = audit(settings(), GUARD, read(settings(), lines))
    assert _only(result, "empty_head").value == 10
    assert result.ok(strict=True)
    assert result.dataset is not None
    assert str(result.dataset.times[0])[:10] == "2010-01-18"


def test_an_empty_column_is_an_error(settings: Settings, read: Read, lines: Lines) -> None:
    for line in lines[1:]:
        line[3] = ""
    result = audit(settings(), GUARD, read(settings(), lines))
    assert "column Close holds no number at all" in _only(result, "nan_cells").message


def test_the_open_end_of_a_raw_target_is_no_finding_beyond_its_horizon_it_is(
    settings: Settings, read: Read, lines: Lines
) -> None:
    config = settings(features=("High",), target={"column": "Close", "kind": "volatility", "horizon": 2})
    for row, expected in ((-2, False), (-3, True)):
        lines[row][3] = lines[-1][3] = ""
        assert ("nan_cells" in _codes(audit(config, GUARD, read(config, lines)), "error")) is expected


def test_a_constant_feature_is_an_error_with_its_value(settings: Settings, read: Read, lines: Lines) -> None:
    for line in lines[1:]:
        line[3] = "5"
    config = settings(features=("Close", "High"))
    result = audit(config, GUARD, read(config, lines))
    assert _codes(result) == {"constant_series": "error"}
    assert "Close is 5 in all 118 training rows" in _only(result, "constant_series").message


def test_an_outlier_is_a_warning_with_its_time(settings: Settings, read: Read, lines: Lines) -> None:
    lines[150][3] = str(float(lines[150][3]) * 100)
    result = audit(settings(), GUARD, read(settings(), lines))
    assert _codes(result) == {"outlier": "warning"}
    finding = _only(result, "outlier")
    assert finding.where == "ret"
    assert finding.value is not None
    assert finding.value > 300
    assert "at 2010-07-" in finding.message


def test_the_other_jumps_of_an_outlier_are_named_with_it(
    settings: Settings, read: Read, lines: Lines
) -> None:
    for first, shares in ((148, 4), (152, 10)):  # a share becomes four, and later ten
        for line in lines[first:]:
            line[3] = str(float(line[3]) / shares)
    finding = _only(audit(settings(), GUARD, read(settings(), lines)), "outlier")
    assert (
        f"at {lines[152][0]} 00:00:00 (usual: at most 10; beyond it too: {lines[148][0]} 00:00:00 (line 149))"
        in finding.message
    )


def test_the_splits_of_unadjusted_prices_are_named_by_stock_and_day() -> None:
    study = {
        "source": "sample:tech-ohlc",
        "time": "Date",
        "series": "Ticker",
        "features": [{"name": "ret", "column": "Close", "transform": "log_return"}],
        "target": {"column": "Close", "transform": "log_return", "kind": "return"},
        "split": {"train_until": "2006-12-31", "validation_until": "2010-12-31"},
    }
    config = DataConfig.model_validate(study)
    table = read_table(config, folder=Path())
    finding = _only(audit(config, GUARD, table), "outlier")
    for jump in ("AAPL at 2000-06-21", "AAPL at 2005-02-28", "MSFT at 2003-02-18"):
        assert jump in finding.message
    assert finding.message.endswith("or prices that are not adjusted for a split")


def test_a_number_beyond_exactness_is_a_warning(settings: Settings, read: Read, lines: Lines) -> None:
    lines[60][3] = "1e17"
    result = audit(settings(), GUARD, read(settings(), lines))
    assert _only(result, "huge_values").severity == "warning"
    assert "line 61: column Close is 1e+17" in _only(result, "huge_values").message


@pytest.mark.parametrize(("clip", "severity"), [(3.0, "info"), (0.5, "warning")])
def test_a_clip_that_bites_too_much_is_a_warning(
    sp500_config: DataConfig, sp500: Table, clip: float, severity: str
) -> None:
    result = audit(sp500_config.model_copy(update={"feature_clip": clip}), GUARD, sp500)
    assert {finding.severity for finding in result.findings if finding.code == "feature_clipped"} == {
        severity
    }


@pytest.mark.parametrize(("clip", "severity"), [(0.05, "info"), (0.01, "warning")])
def test_a_saturated_target_is_reported_with_its_share(
    settings: Settings, sp500: Table, clip: float, severity: str
) -> None:
    result = audit(settings(target={**RETURN, "clip": clip}), GUARD, sp500)
    finding = _only(result, "target_clipped")
    assert finding.severity == severity
    assert finding.value is not None
    assert (
        f"{finding.value:.2%} of the training and validation values lie beyond ±{clip:g}" in finding.message
    )


def test_returns_too_small_to_learn_from_are_a_warning(settings: Settings, sp500: Table) -> None:
    frame = sp500.frame.copy()
    frame["Close"] = 1000 * (frame["Close"] / 1000) ** 0.001
    result = audit(settings(target=RETURN), GUARD, replace(sp500, frame=frame))
    assert _codes(result) == {"target_tiny": "warning", "target_flat": "warning"}
    assert _only(result, "target_tiny").threshold == GUARD.target_max_floor
    assert _only(result, "target_flat").threshold == GUARD.target_std_floor
    assert not result.ok(strict=True)


def test_small_volatilities_are_not_judged_as_returns(settings: Settings, sp500: Table) -> None:
    frame = sp500.frame.copy()
    frame["Close"] = 1000 * (frame["Close"] / 1000) ** 0.001
    target = {"column": "Close", "transform": "abs_log_return", "kind": "volatility"}
    assert _codes(audit(settings(target=target), GUARD, replace(sp500, frame=frame))) == {}


def test_a_target_of_zeros_and_few_values_is_a_warning(settings: Settings, sp500: Table) -> None:
    frame = sp500.frame.copy()
    frame["Close"] = np.where(np.arange(len(frame)) % 3 == 0, 1.0, 0.0)
    config = settings(
        features=({"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},),
        target={"column": "Close", "kind": "volatility"},
    )
    result = audit(config, GUARD, replace(sp500, frame=frame))
    assert {"target_zeros": "warning", "target_few_values": "warning"}.items() <= _codes(result).items()
    assert "its share of zeros is 0.667" in _only(result, "target_zeros").message
    assert _only(result, "target_few_values").value == 2


def test_another_kind_of_target_needs_a_ceiling(settings: Settings, sp500: Table) -> None:
    config = settings(target={**RETURN, "kind": "other"})
    assert _codes(audit(config, GUARD, sp500), "error") == {"no_skill_ceiling": "error"}
    assert audit(config, GuardConfig(max_skill=0.3), sp500).ok(strict=True)


def test_a_target_that_persistence_knows_has_no_skill(settings: Settings, read: Read, lines: Lines) -> None:
    for line in lines[110:]:
        line[3] = "7"
    config = settings(features=("High",), target={"column": "Close", "kind": "return", "clip": 1e9})
    assert "no_baseline" in _codes(audit(config, GUARD, read(config, lines)), "error")


def _centred(values: Floats, window: int) -> Floats:
    moved: Floats = np.convolve(values, np.ones(window) / window, mode="same")[: len(values)]
    return moved


def _one_ahead(values: Floats, window: int) -> Floats:
    return np.append(values[window:], np.full(min(window, len(values)), np.nan))


def _scaled_by_all(values: Floats, window: int) -> Floats:
    return values / float(np.nanmax(np.abs(values)))


@pytest.mark.parametrize("leak", [_centred, _one_ahead, _scaled_by_all])
def test_a_transform_that_looks_ahead_is_caught_by_truncation(
    settings: Settings, sp500: Table, monkeypatch: pytest.MonkeyPatch, leak: Callable[[Floats, int], Floats]
) -> None:
    monkeypatch.setitem(TRANSFORMS, "rolling_mean", leak)
    features = ({"name": "mean", "column": "Close", "transform": "rolling_mean", "window": 5},)
    result = audit(settings(features=features), GUARD, sp500)
    finding = _only(result, "looks_ahead")
    assert (finding.severity, finding.where) == ("error", "mean")
    assert re.search(r"mean is \S+ at .*, but \S+ without the rows after .*; it looks ahead", finding.message)


def test_a_split_whose_targets_reach_into_the_next_one_is_an_error(sp500: Table) -> None:
    def overlap(train_end: int, validation_start: int, horizon: int) -> list[str]:
        train, test = np.arange(train_end), np.arange(300, 400)
        split = FoldRows(train, np.arange(validation_start, 200), test, fitting=train)
        return [finding.where for finding in overlap_findings(split, sp500.times, ONE_SERIES, horizon)]

    assert overlap(100, 105, 5) == []  # the last target lies at row 99 + 5
    assert overlap(101, 105, 5) == ["train"]
    assert overlap(100, 90, 1) == ["train"]


def test_a_window_longer_than_the_table_is_told_as_too_few_rows(settings: Settings, sp500: Table) -> None:
    features = ({"name": "mean", "column": "Close", "transform": "rolling_mean", "window": 10**9},)
    result = audit(settings(features=features), GUARD, sp500)
    assert _codes(result, "error") == {"too_few_rows": "error"}
    assert "after a warm-up of 5031" in _only(result, "too_few_rows").message


CELLS = st.sampled_from(
    ["", "nan", "inf", "-inf", "0", "-1", "1e308", "-1e308", "5e-324", "1e17", "100", "0.1"]
)
PLACES = st.tuples(st.integers(1, 200), st.integers(1, 3), st.integers(1, 200), CELLS)


@pytest.mark.slow
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    places=st.lists(PLACES, max_size=4),
    rows=st.integers(1, 200),
    kind=st.sampled_from(["return", "volatility"]),
)
def test_whatever_the_cells_hold_the_audit_answers_and_passes_finite_data_alone(
    settings: Settings,
    read: Read,
    lines: Lines,
    places: list[tuple[int, int, int, str]],
    rows: int,
    kind: str,
) -> None:
    spoilt = [list(line) for line in lines]
    for first, column, last, cell in places:
        for line in spoilt[first : last + 1]:
            line[column] = cell
    config = settings(target={**RETURN, "kind": kind})
    result = audit(config, GUARD, read(config, spoilt[: rows + 1]))
    if result.ok(strict=False):
        assert result.dataset is not None
        assert bool(np.isfinite(result.dataset.features).all())
        assert bool(np.isfinite(result.dataset.target).all())
    else:
        assert _codes(result, "error")


@pytest.mark.parametrize(("unit", "blocking"), [(1, []), (100, ["target_clipped"])])
def test_coarse_returns_are_not_taken_for_copies_and_returns_in_percent_are_refused(
    tmp_path: Path, unit: int, blocking: list[str]
) -> None:
    returns = np.random.default_rng(3).standard_t(4, 5001) * 0.008
    dates = pd.bdate_range("2000-01-03", periods=5000).strftime("%Y-%m-%d")
    columns = {"Date": dates, "ret": returns[:-1].round(4) * unit, "y": returns[1:].round(4) * unit}
    pd.DataFrame(columns).to_csv(tmp_path / "coarse.csv", index=False)
    config = DataConfig.model_validate(
        {
            "source": "coarse.csv",
            "time": "Date",
            "features": ("ret",),
            "target": {"column": "y", "kind": "return", "already_shifted": True},
            "split": {"fractions": {"train": 0.5, "validation": 0.25}},
        }
    )
    found = audit(config, GuardConfig(), read_table(config, folder=tmp_path))
    assert [finding.code for finding in found.findings if finding.severity == "error"] == blocking
