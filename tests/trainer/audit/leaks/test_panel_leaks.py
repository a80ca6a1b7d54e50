"""Leaks in one series of a panel and in all, and series whose times are shifted."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.panel_leaks import LEAKS, Panel, clean_panel, is_found, leaks_of, planted
from trainer.audit.audit import audit
from trainer.audit.check_split import few_rows_findings
from trainer.audit.leaks.check_alignment import alignment_findings
from trainer.audit.leaks.check_leads import lead_findings
from trainer.audit.leaks.check_leaks import leak_findings
from trainer.audit.leaks.leads import find_leads
from trainer.config import GuardConfig
from trainer.data.windows import Dataset, prepare_last_fold

SERIES, ROWS = 6, 700


def panel(seed: int = 0, correlation: float = 0.3, kind: str = "return", rows: int = ROWS) -> Panel:
    return clean_panel(SERIES, rows, correlation, kind, np.random.default_rng(seed))


def prepared(made: Panel) -> Dataset:
    return prepare_last_fold(made.config(), made.table())


def test_a_lead_too_weak_in_each_series_is_found_in_all_of_them_together() -> None:
    made = panel()
    ahead = np.concatenate([made.returns[1:], np.zeros((1, SERIES))])
    made.columns["x"][:] += 0.1 * ahead / ahead.std(axis=0)
    leads = find_leads(prepared(made), [3, 4])
    assert {(lead.feature, lead.series) for lead in leads} >= {("x", "")}
    assert "z" not in {lead.feature for lead in leads}


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_rows_of_one_moment_count_as_one_observation(correlation: float) -> None:
    """A column that is common to all series has no more proof than in one of them."""
    alarms = 0
    for seed in range(5):
        made = panel(seed, correlation)
        made.columns["x"][:] = made.columns["x"][:, :1]
        alarms += bool(find_leads(prepared(made), [3]))
    assert alarms == 0


def test_a_lead_of_all_series_is_told_once() -> None:
    made = planted(panel(), LEAKS["tomorrow's return"], range(SERIES), np.random.default_rng(1))
    (finding,) = lead_findings(prepared(made), 0.15, made.config(), None)
    assert (finding.where, finding.series, finding.severity) == ("x", (), "error")


def test_a_series_a_row_too_early_is_named_and_an_honest_panel_is_left_alone() -> None:
    assert alignment_findings(prepared(panel())) == []
    (finding,) = alignment_findings(prepared(replace(panel(), shifted=2)))
    assert finding.series == ("S002",)
    assert "it moves 1 row before 5 of the 5 other series" in finding.message
    assert "as if its times were 1 row too early" in finding.message


def test_series_without_a_relation_have_no_alignment() -> None:
    assert alignment_findings(prepared(panel(correlation=0.0))) == []


def test_a_leak_hidden_by_a_sign_is_found_in_the_one_series_that_has_it() -> None:
    hidden = LEAKS["the target, its sign in another column"]
    made = planted(panel(), hidden, [4], np.random.default_rng(1))
    found = [each for each in leak_findings(prepared(made), 0.15, made.config()) if each.code == "leak_probe"]
    assert [(each.series, each.severity) for each in found] == [(("S004",), "error")]
    assert {"x", "z"} & set(found[0].where.split(", "))


def test_the_ceiling_counts_moments_and_not_rows() -> None:
    made = panel()
    result = audit(made.config(), GuardConfig(), made.table())
    moments = result.rows["validation"] // SERIES
    few = [each for each in result.findings if each.code == "few_independent_rows"]
    assert [each.value for each in few] == [each.value for each in few_rows_findings(moments, 5, 0.15)]
    assert result.ceiling is not None
    assert result.ceiling > 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in ("return", "volatility") for name in leaks_of(kind)]
)
@pytest.mark.parametrize("chosen", [3, None])
def test_every_planted_leak_is_named(name: str, kind: str, chosen: int | None) -> None:
    into = range(SERIES) if chosen is None else [chosen]
    made = planted(panel(kind=kind, rows=1500), LEAKS[name], into, np.random.default_rng(1))
    assert is_found(made.findings(), chosen)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["return", "volatility"])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.7])
def test_clean_panels_are_not_accused(kind: str, correlation: float) -> None:
    assert panel(9, correlation, kind, 1500).findings() == []
