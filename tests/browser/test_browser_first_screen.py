"""The first screen of the report and of the dashboard, in every state of a study, in light and in dark."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from benchmarks.pictures import pages
from search.record.verification_answer import ANSWERS, VerificationAnswer
from search.watching.pages.html import to_html
from search.watching.pages.report import report_blocks
from search.watching.view import StudyView, study_view
from storage.engine import open_store
from storage.verdicts import Verdict
from tests.browser.contrast import low_contrasts
from tests.browser.served_study import STUDY
from tests.search.watching.pages.panel_results import panel_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from tests.browser.served_study import Served

LAPTOP, PHONE = (1280, 800), pages.NARROW
QUESTIONS = 6
STATES = ("finished", *ANSWERS, "running", "all failed", "without trials", "a panel")
LONG_STORE = "postgresql://ballast@postgres.example.com:5432/ballast"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def views(store: str) -> Mapping[str, StudyView]:
    """The small study, and what it would be in other states."""
    opened = open_store(store)
    view = study_view(opened, STUDY)
    opened.close()
    summary, best = view.summary, view.summary.best
    assert best is not None
    report = {
        "skill": 0.0239,
        "interval": {"low": -0.0709, "high": 0.1187, "level": 0.95},
        "baseline": {"name": "har"},
        "validation": {"skill": best.skill},
        "seeds": [{}] * 5,
        "value": 0.5,
        "strongest_rival": {"name": "boosted", "loss": 0.5, "skill": 0.001, "verdict": "cannot tell"},
    }
    answered = {
        answer: replace(
            view, summary=replace(summary, verified=VerificationAnswer(answer, best.number, NOON, report))
        )
        for answer in ANSWERS
    }
    none = replace(summary, best=None, above_naive=0, measured=None)
    failed = [replace(trial, verdict=Verdict.FAILED, message="out of memory " * 40) for trial in view.trials]
    return {
        "finished": view,
        **answered,
        "running": replace(view, conclusive=3, summary=replace(summary, verdicts={"running": 2})),
        "all failed": replace(
            view, trials=failed, summary=replace(none, verdicts={Verdict.FAILED: len(failed)})
        ),
        "without trials": replace(view, trials=[], findings=[], summary=replace(none, verdicts={})),
        "a panel": replace(view, panel=panel_of(20)),
    }


@pytest.fixture(scope="module", params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def laptop(browser: "Browser", scheme: str) -> Iterator["Page"]:
    with pages.window(browser, LAPTOP, color_scheme=scheme) as window, pages.page(window) as watched:
        yield watched.page


@pytest.fixture(scope="module")
def phone(browser: "Browser", scheme: str) -> Iterator["Page"]:
    with pages.window(browser, PHONE, color_scheme=scheme) as window, pages.page(window) as watched:
        yield watched.page


def answers(page: "Page") -> "Locator":
    return page.locator("table", has=page.locator("th", has_text=re.compile("^question$")))


def bottom(element: "Locator") -> float:
    box = element.bounding_box()
    assert box is not None
    return float(box["y"] + box["height"])


@pytest.mark.parametrize("state", STATES)
def test_the_first_screen_of_the_report_answers_without_scrolling(
    laptop: "Page", phone: "Page", views: Mapping[str, StudyView], state: str
) -> None:
    page = to_html(state, report_blocks(views[state], [], LONG_STORE))
    for shown in (laptop, phone):
        shown.set_content(page)
        assert answers(shown).locator("tbody tr").count() == QUESTIONS
        assert low_contrasts(shown, "main") == []
    assert bottom(answers(laptop)) <= LAPTOP[1]
    if state != "cannot tell":  # then there is nothing to type but to wait
        assert bottom(laptop.locator("pre").first) <= LAPTOP[1]
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_text_stands_out_on_the_whole_report_with_its_figures(laptop: "Page", report: str) -> None:
    pages.open_report(laptop, report)
    assert low_contrasts(laptop, "main") == []


def test_the_dashboard_opens_on_the_note_and_its_first_screen_answers(
    laptop: "Page", served: "Served", scheme: str
) -> None:
    laptop.goto(served.dashboard)
    answers(laptop).wait_for()
    assert laptop.url.endswith("/dashboard/studies/1/note")
    assert answers(laptop).locator("tbody tr").count() == QUESTIONS
    command = laptop.locator("pre").first
    assert bottom(answers(laptop)) < bottom(command) <= LAPTOP[1]
    card = ".MuiCard-root:has(table)"
    assert low_contrasts(laptop, card) == []
    laptop.locator('a[href$="/dashboard/studies/1"]').first.click()  # Optuna's own page is one click away
    pages.wait_for_plots(laptop, pages.dashboard_plots())
    for plot in pages.dashboard_plots():
        assert low_contrasts(laptop, plot) == []


def test_the_note_fits_a_phone(phone: "Page", served: "Served") -> None:
    phone.goto(served.dashboard)
    answers(phone).wait_for()
    assert answers(phone).locator("tbody tr").count() == QUESTIONS
