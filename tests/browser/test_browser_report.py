"""The report, opened from its file by a browser that has no network."""

from typing import TYPE_CHECKING

import pytest

from benchmarks.pictures import pages
from tests.browser.served_study import HOSTILE, HOSTILE_NAME

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_report_opens_offline_and_is_as_wide_as_the_window(
    browser: "Browser", size: tuple[int, int], report: str, dark: bool
) -> None:
    scheme = "dark" if dark else "light"
    with (
        pages.window(browser, size, offline=True, color_scheme=scheme) as window,
        pages.page(window) as watched,
    ):
        pages.open_report(watched.page, report)
        width = watched.page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0]
        for plot in watched.page.locator("figure .plot").all():
            assert plot.bounding_box()["width"] <= size[0]
        outside = [url for url in watched.requests if not url.startswith(("file:", "data:", "blob:"))]
        assert outside == []
        assert watched.complaints == []


def test_every_table_of_the_report_can_be_scrolled_where_it_is_too_wide(
    watched: pages.Watched, report: str, size: tuple[int, int]
) -> None:
    pages.open_report(watched.page, report)
    for box in watched.page.locator(".scroll").all():
        assert box.bounding_box()["width"] <= size[0]
        wide, seen = box.evaluate("box => [box.scrollWidth, box.clientWidth]")
        box.evaluate("box => box.scrollTo({ left: box.scrollWidth, behavior: 'instant' })")
        assert box.evaluate("box => box.scrollLeft") == pytest.approx(wide - seen, abs=1)


def test_contents_lead_to_the_sections(watched: pages.Watched, report: str) -> None:
    pages.open_report(watched.page, report)
    for link in watched.page.locator("nav a").all():
        target = link.get_attribute("href")
        assert watched.page.locator(f"h2{target}").count() == 1


def test_markup_in_the_names_of_a_report_is_text(watched: pages.Watched, hostile_report: str) -> None:
    pages.open_report(watched.page, hostile_report)
    page = watched.page
    assert page.evaluate("window.hacked") is None
    assert HOSTILE_NAME in page.title()
    assert page.get_by_text(HOSTILE).count() > 0
    assert page.locator("main img, main a[href^=javascript]").count() == 0
    for table in page.locator("table").all():
        assert len(set(table.evaluate("table => [...table.rows].map(row => row.cells.length)"))) == 1
