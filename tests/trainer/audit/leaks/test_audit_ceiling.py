"""How much skill is believable: the same for the audit and the trial, capped, and over declared leaders."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from benchmarks.leaks.studies import Study
from trainer.audit.audit import audit
from trainer.audit.audit_findings import Audit, AuditFinding
from trainer.config import GuardConfig

pytestmark = pytest.mark.slow

Floats = npt.NDArray[np.float64]

HALF = {"fractions": {"train": 0.5, "validation": 0.3}}


def returns_of(moves: Floats, horizon: int = 1, **columns: Floats) -> Study:
    """A study of the return over `horizon` days of a price that moves by `moves` per cent."""
    days = pd.bdate_range("2000-01-03", periods=len(moves))
    frame = pd.DataFrame({"Date": days, "Close": 100 * np.exp(np.cumsum(0.01 * moves))}).assign(**columns)
    features = [{"name": "ret", "column": "Close", "transform": "log_return"}]
    features += [{"name": name, "column": name} for name in columns]
    target = {"column": "Close", "transform": "log_return", "window": horizon, "kind": "return", "clip": 1.0}
    return Study("returns", frame, tuple(features), {**target, "horizon": horizon}, HALF)


def sessions(rows: int = 3000) -> Study:
    """A market that closes later and is followed on the next day, by a correlation of 0.5."""
    leader, own = np.random.default_rng(5).standard_normal((2, rows))
    followed = 0.5 * np.append(0.0, leader[:-1]) + np.sqrt(0.75) * own
    return returns_of(followed, leader=leader)


def declared(study: Study, *names: str) -> Study:
    features: list[dict[str, Any]] = [dict(each) for each in study.features]
    for each in features:
        each |= {"may_lead": True} if each["name"] in names else {}
    return replace(study, features=tuple(features))


def audited(study: Study, ceiling: float | None = None) -> Audit:
    guard = GuardConfig(max_skill=study.max_skill)
    return audit(study.config(), guard, study.table(), ceiling=ceiling)


def found(result: Audit, code: str) -> list[AuditFinding]:
    return [finding for finding in result.findings if finding.code == code]


@pytest.mark.parametrize(
    ("rows", "horizon", "ceiling"), [(3000, 1, 0.05), (3000, 10, 0.09), (1500, 21, 0.15)]
)
def test_the_ceiling_of_returns_rises_with_the_horizon_up_to_a_cap(
    rows: int, horizon: int, ceiling: float
) -> None:
    result = audited(returns_of(np.random.default_rng(3).standard_normal(rows), horizon))
    assert result.ceiling == pytest.approx(ceiling, abs=0.004)


def test_rows_on_which_luck_passes_the_ceiling_are_warned_of() -> None:
    noise = np.random.default_rng(3).standard_normal(900)
    (finding,) = found(audited(returns_of(noise, 63)), "few_independent_rows")
    assert (finding.severity, finding.where) == ("warning", "validation")
    assert "cannot tell a leak from luck: n/h = 187/63 = 3.0 independent rows" in finding.message
    assert finding.message.endswith("use more validation rows or a shorter data.target.horizon")
    assert not found(audited(returns_of(noise, 1)), "few_independent_rows")


def test_a_column_that_foretells_more_than_is_believable_blocks_and_the_message_names_the_key() -> None:
    result = audited(sessions())
    (finding,) = found(result, "leak_probe")
    assert (finding.severity, finding.where) == ("error", "leader")
    assert "set may_lead: true for leader in data.features" in finding.message
    assert result.ceiling == 0.05


def test_a_declared_leader_is_the_reference_of_the_same_ceiling() -> None:
    result = audited(declared(sessions(), "leader"))
    assert not {"leak_probe", "leads_target", "lifts_forecast"} & {
        finding.code for finding in result.findings if finding.severity != "info"
    }
    # The leader explains a quarter: 5 % less than what is left of the loss is believed, and no more.
    assert result.ceiling == pytest.approx(1 - 0.95 * 0.75, abs=0.04)


def test_beside_a_declared_leader_a_leak_still_blocks() -> None:
    study = sessions()
    ahead = np.append(np.diff(np.log(study.values("Close"))), 0.0)
    leak = ahead + 0.02 * np.random.default_rng(6).standard_normal(len(ahead))
    result = audited(declared(study.with_columns(leak=leak), "leader"))
    (finding,) = found(result, "leak_probe")
    assert finding.where == "leak"


def test_declaring_a_column_that_foretells_nothing_changes_nothing() -> None:
    noise, useless = np.random.default_rng(8).standard_normal((2, 2000))
    assert audited(declared(returns_of(noise, useless=useless), "useless")).ceiling == 0.05


def test_returns_that_follow_the_last_one_are_honest() -> None:
    for memory in (0.1, 0.3, 0.5):
        noise, moves = np.random.default_rng(9).standard_normal(3000), np.zeros(3000)
        for t in range(1, 3000):
            moves[t] = memory * moves[t - 1] + noise[t]
        assert audited(returns_of(moves)).ok(strict=False)


def test_a_spread_that_reverts_is_honest_once_its_level_is_declared() -> None:
    noise, level = np.random.default_rng(10).standard_normal(3000), np.zeros(3000)
    for t in range(1, 3000):
        level[t] = 0.8 * level[t - 1] + noise[t]
    change = np.diff(level, prepend=0.0)
    study = returns_of(change, 5, level=level)
    (finding,) = found(audited(study), "leak_probe")
    assert "set may_lead: true" in finding.message
    assert audited(declared(study, "level")).ok(strict=False)


def test_what_was_exported_is_judged_by_the_ceiling_that_it_was_made_under() -> None:
    result = audited(sessions(), ceiling=0.4)
    assert not found(result, "leak_probe")
    assert result.ceiling == 0.4
