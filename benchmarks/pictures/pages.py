"""Pages in a real browser: opened, waited for, and watched for whatever they complain of.

The browser is Debian's Chromium, led by Playwright (extra `browser`), whose own downloads are not used.
"""

import json
import shutil
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

WIDE, NARROW = (1280, 900), (390, 844)
"""Pixels of a laptop's window and of a phone."""
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_PATIENCE_MS = 60_000

_ALWAYS_DRAWN = ("learning-curves", "skill", "space", "safe-ranges", "interventions", "seconds")
"""The ids of plots that every study has; the report draws them after those of its forecasts."""
_DRAWN = """plot => plot.data !== undefined && plot.data.length > 0
    && plot.querySelector(".main-svg") !== null && plot.querySelector(".trace, .shapelayer path") !== null"""
_ALL_DRAWN = f"""selectors => selectors.every(selector => {{
    const plot = document.querySelector(selector);
    return plot !== null && ({_DRAWN})(plot);
}})"""


def what_is_missing() -> str | None:
    """What must be installed before a page can be opened; None: nothing."""
    if find_spec("playwright") is None:
        return "Playwright is not installed; run: make test-browser"
    if _chromium() is None:
        return "there is no Chromium; on Debian: apt-get install chromium"
    return None


def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


@contextmanager
def browser() -> Iterator["Browser"]:
    """A browser, until the block ends. Needs that `what_is_missing` says None."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=_chromium(), args=list(_OPTIONS))
        yield opened
        opened.close()


@dataclass
class Watched:
    """A page, what it complained of, and the addresses that it asked."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        def console(message: object) -> None:
            if message.type == "error":  # type: ignore[attr-defined] # Playwright has no types here
                self.complaints.append(f"console: {message.text}")  # type: ignore[attr-defined]

        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda failed: self.complaints.append(f"no answer: {failed.url}"))
        self.page.on("response", self._look_at)

    def _look_at(self, response: object) -> None:
        if response.status >= 400:  # type: ignore[attr-defined]
            self.complaints.append(f"{response.status}: {response.url}")  # type: ignore[attr-defined]


@contextmanager
def window(browser: "Browser", size: tuple[int, int], **options: object) -> Iterator["BrowserContext"]:
    """What pages of `size` pixels are opened in: they share its cache; `options` are Playwright's."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, reduced_motion="reduce", **options
    )
    context.set_default_timeout(_PATIENCE_MS)
    yield context
    context.close()


@contextmanager
def page(window: "BrowserContext") -> Iterator[Watched]:
    """A fresh page."""
    watched = Watched(window.new_page())
    yield watched
    watched.page.close()


def wait_for_plots(page: "Page", selectors: Iterable[str]) -> None:
    """Wait until each of these elements is a plot with something drawn in it."""
    page.wait_for_function(_ALL_DRAWN, arg=list(selectors))


def dashboard_plots() -> list[str]:
    """Where the dashboard puts the plots that every study has."""
    return [f'[id="user-defined-plot:{name}"]' for name in _ALWAYS_DRAWN]


def report_plots() -> list[str]:
    """Where the report puts them."""
    return [f"#figure-{name} .plot" for name in _ALWAYS_DRAWN]


def open_study(page: "Page", dashboard: str, study: int = 1) -> None:
    """The page of a study, with its plots."""
    page.goto(f"{dashboard}dashboard/studies/{study}")
    wait_for_plots(page, dashboard_plots())


def open_note(page: "Page", dashboard: str, study: int = 1) -> "Locator":
    """The note of a study; returns it."""
    page.goto(f"{dashboard}dashboard/studies/{study}/note")
    return _note(page)


def open_trial(page: "Page", dashboard: str, number: int, study: int = 1) -> "Locator":
    """The page of a trial; returns its note."""
    page.goto(f"{dashboard}dashboard/studies/{study}/trials?numbers={number}")
    page.get_by_role("heading", name=f"Trial {number} ").wait_for()
    return _note(page)


def open_table(page: "Page", dashboard: str, study: int = 1) -> "Locator":
    """The table of trials; returns it."""
    page.goto(f"{dashboard}dashboard/studies/{study}/smartSelection")
    table = page.locator("table")
    table.locator("tbody tr").first.wait_for()
    return table


def open_report(page: "Page", address: str) -> None:
    """The report, with its plots."""
    page.goto(address)
    wait_for_plots(page, report_plots())


def _note(page: "Page") -> "Locator":
    note = page.locator(".MuiCard-root").filter(has=page.locator("table")).first
    note.wait_for()
    return note


def open_runs(page: "Page", mlflow: str, study: str) -> None:
    """MLflow's table of a study's runs, with those of its trials unfolded."""
    page.goto(f"{mlflow}/#/experiments/{_experiment(mlflow, study)}/runs?workflowType=machine_learning")
    page.get_by_role("link", name=study, exact=True).last.wait_for()
    page.locator(".ag-row button").first.click()


def open_run(page: "Page", mlflow: str, study: str, number: int) -> str:
    """MLflow's page of a trial; returns its address, to which its other tabs add a name."""
    experiment = _experiment(mlflow, study)
    wanted = {"experiment_ids": [experiment], "filter": f"tags.`ballast.trial` = '{number}'"}
    (run,) = _asked(f"{mlflow}/api/2.0/mlflow/runs/search", wanted)["runs"]
    address = f"{mlflow}/#/experiments/{experiment}/runs/{run['info']['run_id']}"
    page.goto(address)
    page.get_by_role("heading", name=f"trial {number}").wait_for()
    return address


def _experiment(mlflow: str, study: str) -> str:
    wanted = {"filter": f"name = '{study}'", "max_results": 10}
    (found,) = _asked(f"{mlflow}/api/2.0/mlflow/experiments/search", wanted)["experiments"]
    return str(found["experiment_id"])


def _asked(address: str, question: Mapping[str, object]) -> Any:
    request = urllib.request.Request(
        address, json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())
