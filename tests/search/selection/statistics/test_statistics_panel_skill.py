"""Skill by series and by year."""

import numpy as np
import pytest

from search.selection.statistics.panel_skill import panel_skill

TIMES = np.array(["2019-05-01", "2020-05-01", "2019-05-01", "2020-05-01", "2020-06-01"], "datetime64[ns]")
SERIES = np.array([0, 0, 2, 2, 2])
NAMES = ("A", "without rows", "C")


def test_skill_is_told_by_series_by_year_and_by_both() -> None:
    losses, naive = np.array([1.0, 2.0, 3.0, 1.0, 1.0]), np.array([2.0, 2.0, 2.0, 2.0, 2.0])
    found = panel_skill(TIMES, SERIES, NAMES, losses, naive, "har")
    assert [(each.name, each.rows) for each in found.by_series] == [("A", 2), ("C", 3)]
    assert [each.skill for each in found.by_series] == [pytest.approx(0.25), pytest.approx(1 / 6)]
    assert [each.name for each in found.by_year] == ["2019", "2020"]
    assert [each.skill for each in found.by_year] == [pytest.approx(0.0), pytest.approx(1 / 3)]
    assert found.by_series_and_year == {
        ("A", "2019"): 0.5,
        ("A", "2020"): 0.0,
        ("C", "2019"): -0.5,
        ("C", "2020"): 0.5,
    }
    assert (found.reference, found.share_better) == ("har", 1.0)


def test_a_reference_without_loss_leaves_no_skill() -> None:
    found = panel_skill(TIMES, SERIES, NAMES, np.ones(5), np.array([0, 0, 2.0, 2, 2]), "zero")
    assert [each.skill for each in found.by_series] == [None, 0.5]
    assert found.share_better == 0.5
