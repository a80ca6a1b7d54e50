"""The table of series and the heat map of a panel: the best and the worst series, the others summed up."""

import numpy as np
import pytest

from search.watching.blocks import Heading, Paragraph, TableBlock
from search.watching.pages.panel_sections import MOST_SERIES, listed_series, panel_blocks
from search.watching.plots.series_years import plot_series_years
from tests.search.watching.pages.panel_results import panel_of


def test_every_series_of_a_small_panel_has_a_row_the_best_first() -> None:
    heading, told, table = panel_blocks(panel_of(3))
    assert isinstance(heading, Heading)
    assert isinstance(told, Paragraph)
    assert isinstance(table, TableBlock)
    assert "is below that of har in 3 of 3 series (100%)" in told.text
    assert [row[0] for row in table.rows] == ["S00", "S01", "S02"]
    assert table.rows[0][1] == 400
    assert table.rows[0][4] == "+0.5000"


def test_of_many_series_the_best_and_the_worst_are_listed_and_the_others_are_one_row() -> None:
    panel = panel_of(50)
    listed = listed_series(panel.skill.by_series)
    assert len(listed) == MOST_SERIES + 1
    assert listed[MOST_SERIES // 2].name == "20 series between them"
    assert sum(each.rows for each in listed) == 50 * 400
    total = sum(each.rows * each.loss for each in listed) / (50 * 400)
    assert total == pytest.approx(np.mean([1 + number / 10 for number in range(50)]))


def test_a_study_of_one_series_has_no_section() -> None:
    assert panel_blocks(None) == []


def test_the_heat_map_has_a_row_for_each_listed_series_and_a_column_for_each_year() -> None:
    (trace,) = plot_series_years(panel_of(50)).figure["data"]
    assert trace["x"] == ["2020", "2021"]
    assert len(trace["y"]) == len(trace["z"]) == MOST_SERIES
    assert trace["y"][0] == "S00"
    assert trace["z"][0] == [0.5, 0.5]
    assert trace["zmax"] == -trace["zmin"] == 1.0
