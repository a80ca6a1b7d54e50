"""The coverage of the bounds on the pages of a study, after `verify` has tested it."""

from typing import TYPE_CHECKING, Any

import pytest

from search.record.verification_answer import HOLDS
from search.watching.pages.interval_sections import coverage_blocks
from search.watching.pages.markdown import to_markdown
from search.watching.pages.notes import study_note
from search.watching.plots.figures import figures
from search.watching.view import study_view

if TYPE_CHECKING:
    from tests.search_fixtures import Answer, Launch, WriteStudy

TEST = {"statistic": 0.55, "p_value": 0.761}
LEVEL = {"rows": 1005, "covered": 0.799, "kupiec": TEST, "christoffersen": None, "by_time": None}
COVERAGE: dict[str, Any] = {
    "residuals": 2516,
    "following": 1000,
    "levels": [{**LEVEL, "level": 0.8}, {**LEVEL, "level": 0.95}],
    "calibration": [{"level": 0.8, "covered": 0.799}],
}


@pytest.mark.slow
def test_the_note_and_the_figures_show_the_newest_answer_about_the_bounds(
    write_study: "WriteStudy", launch: "Launch", answer: "Answer"
) -> None:
    store = launch(write_study()).store
    before = study_view(store, "small")
    assert "calibration" not in [plot.id for plot in figures(before)]
    best = before.summary.best
    assert best is not None
    answer(store, best.number, HOLDS, coverage=COVERAGE)
    after = study_view(store, "small")
    note = to_markdown(study_note(after))
    assert "The bounds of its forecasts on 1005 test rows" in note
    assert "|80 %|79.9 %|0.55 (0.761)|" in note
    assert figures(after)[-1].id == "calibration"


def test_an_answer_of_before_without_bounds_adds_nothing() -> None:
    assert coverage_blocks(None) == coverage_blocks({}) == coverage_blocks({"coverage": None}) == []


def test_answers_of_before_say_nothing_of_bounds_that_follow_errors() -> None:
    levels = [{name: value for name, value in LEVEL.items() if name != "by_time"} | {"level": 0.8}]
    sentence, _ = coverage_blocks({"coverage": {"residuals": 99, "levels": levels}})
    assert "follow the size" not in str(sentence)
