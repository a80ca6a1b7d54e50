"""Leads: what foretells the target is named at any horizon, and honest features are left alone."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from trainer.audit.audit import audit
from trainer.audit.audit_findings import AuditFinding
from trainer.config import DataConfig, GuardConfig
from trainer.data.source import read_table

pytestmark = pytest.mark.slow  # the quick tests are to end within five minutes

Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Floats]
Audited = Callable[..., list[AuditFinding]]
HORIZONS = (1, 5, 10, 21, 63)
ROWS = 2000
RET: dict[str, Any] = {"name": "ret", "column": "close", "transform": "log_return"}


@pytest.fixture
def leads(tmp_path: Path) -> Audited:
    """The findings on leads and overlaps of a study on some columns."""

    def audited(
        columns: Columns, features: list[Any], target: dict[str, Any], **data: Any
    ) -> list[AuditFinding]:
        days = pd.bdate_range("1990-01-01", periods=len(next(iter(columns.values()))))
        pd.DataFrame({"time": days, **columns}).to_csv(tmp_path / "table.csv", index=False)
        values = {
            "source": "table.csv",
            "time": "time",
            "features": features,
            "target": target,
            "seq_len": 10,
            "split": {"fractions": {"train": 0.6, "validation": 0.2}},
        }
        config = DataConfig.model_validate(values | data)
        found = audit(config, GuardConfig(), read_table(config, folder=tmp_path)).findings
        return [finding for finding in found if finding.code in ("leads_target", "target_overlaps")]

    return audited


def returns_over(horizon: int) -> dict[str, Any]:
    """A target of log returns over the next `horizon` rows."""
    return {
        "column": "close",
        "transform": "log_return",
        "window": horizon,
        "kind": "return",
        "horizon": horizon,
        "clip": 2.0,
    }


def prices(moves: Floats) -> Floats:
    return 100 * np.exp(0.01 * np.cumsum(moves))


def rolling(values: Floats, window: int) -> Floats:
    return pd.Series(values).rolling(window, min_periods=1).mean().to_numpy()


def named(found: list[AuditFinding]) -> dict[str, str]:
    return {finding.where: finding.severity for finding in found}


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("seed", range(4))
def test_a_random_walk_and_strangers_beside_it_are_left_alone(
    horizon: int, seed: int, leads: Audited
) -> None:
    """The day that drops out of an overlapping target is known, and no lead."""
    own, other = np.random.default_rng(seed).standard_normal((2, ROWS))
    beside = 0.6 * own + 0.8 * other
    columns = {"close": prices(own), "move": own, "beside": beside, "level": np.cumsum(beside)}
    columns |= {"month": rolling(own, 22), "beside_5": rolling(beside, 5)}
    features = [RET, {**RET, "name": "momentum", "window": horizon + 1}, *(name for name in columns)]
    assert leads(columns, features, returns_over(horizon)) == []


@pytest.mark.parametrize("series", ["sp500", "nasdaq"])
@pytest.mark.parametrize("horizon", HORIZONS)
def test_volatility_of_a_market_with_its_falling_prices_is_left_alone(
    series: str, horizon: int, tmp_path: Path
) -> None:
    features = (
        {"name": "ret", "column": "Close", "transform": "log_return"},
        {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},
        {"name": "std", "of": "ret", "transform": "rolling_std", "window": 10},
    )
    target = {
        "of": "vol",
        "transform": "rolling_mean",
        "window": horizon,
        "kind": "volatility",
        "horizon": horizon,
    }
    config = DataConfig.model_validate(
        {
            "source": f"sample:{series}",
            "time": "Date",
            "features": features,
            "target": target,
            "split": {"train_until": "2010-12-31", "validation_until": "2014-12-31"},
        }
    )
    found = audit(config, GuardConfig(), read_table(config, folder=tmp_path)).findings
    assert [finding for finding in found if finding.severity != "info"] == []


@pytest.mark.parametrize("horizon", HORIZONS)
def test_a_raw_target_that_overlaps_does_not_accuse_its_own_rows(horizon: int, leads: Audited) -> None:
    move = np.random.default_rng(1).standard_t(5, ROWS + horizon)
    sums = np.concatenate([[0.0], np.cumsum(move)])
    ahead = sums[horizon + 1 :] - sums[1 : ROWS + 1]
    columns = {"move": move[:ROWS], "week": rolling(move[:ROWS], 5), "y": ahead}
    target = {"column": "y", "kind": "return", "horizon": horizon, "clip": 1e3}
    assert leads(columns, ["move", "week"], target) == []


@pytest.mark.parametrize("same_row", [0.0, 0.3, 0.7])
def test_a_lead_behind_a_stronger_relation_of_the_same_row_is_named(same_row: float, leads: Audited) -> None:
    own, noise = np.random.default_rng(2).standard_normal((2, ROWS + 1))
    other = same_row * own[:-1] + 0.15 * own[1:] + 0.7 * noise[:-1]
    columns = {"close": prices(own[:-1]), "us": other}
    (finding,) = leads(columns, [RET, "us"], returns_over(1))
    assert (finding.where, finding.severity) == ("us", "warning")
    assert "with the surprises of the target 1 row later" in finding.message
    assert ("within the same row is honest" in finding.message) is (same_row > 0.2)
    assert "If it is honest, as a market that closes later" in finding.message
    assert "set may_lead: true for us in data.features" in finding.message


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("rows", [1, 2, 5, "horizon"])
def test_a_column_that_stands_too_early_is_named_with_its_rows(
    rows: int | str, horizon: int, leads: Audited
) -> None:
    early = horizon if rows == "horizon" else int(rows)
    random = np.random.default_rng(3)
    moves = random.standard_normal(ROWS + early)
    hint = moves[early:] + random.standard_normal(ROWS)
    columns = {"close": prices(moves[:ROWS]), "hint": hint}
    (finding,) = leads(columns, [RET, "hint"], returns_over(horizon))
    assert finding.where == "hint"
    later = f"{early} row{'s' * (early > 1)} later"
    assert later in finding.message or "1 to " in finding.message


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_coming_return_under_noise_is_given_its_worth_at_any_horizon(
    horizon: int, leads: Audited
) -> None:
    random = np.random.default_rng(4)
    moves = random.standard_normal(ROWS + horizon)
    sums = np.concatenate([[0.0], np.cumsum(moves)])
    coming = (sums[horizon + 1 :] - sums[1 : ROWS + 1]) / np.sqrt(horizon)
    columns = {"close": prices(moves[:ROWS]), "hint": coming + 1.5 * random.standard_normal(ROWS)}
    target = returns_over(horizon)
    (finding,) = leads(columns, [RET, "hint"], target)
    assert finding.where == "hint"
    assert float(finding.message.split("skill of about ")[1][:5]) > 0.2


def test_a_slow_mean_of_what_is_to_come_is_named(leads: Audited) -> None:
    """It changes once in a quarter, so that its surprises are few: its values tell."""
    random = np.random.default_rng(5)
    moves = random.standard_normal(ROWS)
    quarter = pd.Series(moves).groupby(np.arange(ROWS) // 63).transform("mean").to_numpy()
    assert named(leads({"close": prices(moves), "quarter": quarter}, [RET, "quarter"], returns_over(1))) == {
        "quarter": "warning"
    }


def test_the_size_of_the_coming_return_leads_volatility(leads: Audited) -> None:
    random = np.random.default_rng(6)
    moves = random.standard_normal(ROWS + 1)
    columns = {"close": prices(moves[:-1]), "next": moves[1:]}
    target = {"column": "close", "transform": "abs_log_return", "kind": "volatility"}
    (finding,) = leads(columns, [RET, "next"], target)
    assert (finding.where, finding.severity) == ("next", "error")
    assert "the sizes of its surprises" in finding.message


def test_a_feature_that_may_lead_informs_and_those_made_of_it_do_too(leads: Audited) -> None:
    random = np.random.default_rng(7)
    own = random.standard_normal(ROWS + 1)
    columns = {"close": prices(own[:-1]), "us": 0.5 * own[1:] + random.standard_normal(ROWS)}
    us = {"name": "us", "column": "us"}
    week = {"name": "week", "of": "us", "transform": "rolling_mean", "window": 5}
    assert named(leads(columns, [RET, us, week], returns_over(1))) == {"us": "error"}
    declared = leads(columns, [RET, {**us, "may_lead": True}, week], returns_over(1))
    assert named(declared) == {"us": "info"}
    assert "data.features says that it may lead" in declared[0].message


def test_the_time_of_day_leads_no_hourly_volatility(leads: Audited, tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    hours = pd.date_range("2020-01-01", periods=4 * ROWS, freq="h")
    season = np.sin(2 * np.pi * hours.hour / 24)
    vol = season + 0.3 * random.standard_normal(len(hours))
    ahead = np.sin(2 * np.pi * (hours.hour + 1) / 24)
    frame = pd.DataFrame({"time": hours, "vol": vol, "clock": (hours.hour + 1) % 24, "ahead": ahead})
    frame.to_csv(tmp_path / "hours.csv", index=False)
    config = DataConfig.model_validate(
        {
            "source": "hours.csv",
            "time": "time",
            "features": ["vol", "clock", "ahead"],
            "target": {"of": "vol", "transform": "raw", "kind": "volatility"},
            "split": {"fractions": {"train": 0.6, "validation": 0.2}},
        }
    )
    found = audit(config, GuardConfig(), read_table(config, folder=tmp_path)).findings
    assert [finding for finding in found if finding.code == "leads_target"] == []


def test_the_targets_own_column_leads_nothing_unless_the_target_is_raw(leads: Audited) -> None:
    moves = np.random.default_rng(9).standard_normal(ROWS)
    own = {"close": prices(moves), "coming": np.append(moves[1:], 0.0)}
    assert leads(own, ["close", RET], returns_over(1)) == []
    raw = {"column": "coming", "kind": "return", "clip": 10.0}
    assert named(leads(own, [{"name": "hint", "column": "coming"}], raw)) == {"hint": "error"}


@pytest.mark.parametrize("rows", [130, 250, 400])
@pytest.mark.parametrize("horizon", [1, 10, 21])
def test_short_series_are_not_accused(rows: int, horizon: int, leads: Audited) -> None:
    own, other = np.random.default_rng(10).standard_normal((2, rows))
    columns = {"close": prices(own), "other": other, "level": np.cumsum(other)}
    assert leads(columns, [RET, "other", "level"], returns_over(horizon)) == []
