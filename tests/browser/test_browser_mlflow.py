"""The pages of a real MLflow server after `ballast track`."""

import re
from typing import TYPE_CHECKING

from benchmarks.pictures import pages
from storage.verdicts import Verdict
from tests.browser.served_study import STUDY

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

    from tests.browser.served_study import Served

OF_MLFLOW = {
    # a server without accounts has no current user, and MLflow 3's pages ask for one all the same
    "404: {}/ajax-api/2.0/mlflow/users/current",
    "console: Failed to load resource: the server responded with a status of 404 (Not Found)",
    # its charts are measured again while they are laid out: Chromium's word for that, which is no error
    "console: null ResizeObserver loop completed with undelivered notifications.",
}
"""What MLflow's own pages complain of, whatever is in them."""


def complaints(watched: pages.Watched, address: str) -> list[str]:
    """Without those that are MLflow's own."""
    known = {text.format(address) for text in OF_MLFLOW}
    return [text for text in watched.complaints if text not in known]


def test_the_runs_of_a_study_are_nested_under_its_own(
    window: "BrowserContext", mlflow: str, served: "Served"
) -> None:
    with pages.page(window) as watched:
        pages.open_runs(watched.page, mlflow, STUDY)
        watched.page.get_by_text(f"{len(served.trials) + 1} matching runs").wait_for()
        watched.page.get_by_text(f"trial {served.trials[-1].number}", exact=True).wait_for()
        assert complaints(watched, mlflow) == []


def test_the_run_of_a_trial_has_its_verdict_its_metrics_and_its_table_of_overrides(
    window: "BrowserContext", size: tuple[int, int], mlflow: str, served: "Served"
) -> None:
    number = served.first(Verdict.ACCEPTED)
    there = "attached"  # MLflow's pages leave next to no room for what they show on a phone
    with pages.page(window) as watched:
        page = watched.page
        run = pages.open_run(page, mlflow, STUDY, number)
        page.locator("body", has_text=re.compile(r"ballast\.verdict\s*:\s*accepted")).wait_for()
        page.goto(f"{run}/model-metrics")
        page.get_by_text("best_loss", exact=True).first.wait_for(state=there)
        page.locator(".js-plotly-plot .trace").first.wait_for(state=there)
        if size == pages.WIDE:  # on a phone MLflow has no room for the table, and does not draw it
            page.goto(f"{run}/artifacts/overrides.json")
            page.get_by_text("models.gru.learning_rate").first.wait_for()
            assert page.get_by_text("View as table").count() == 1
            assert page.get_by_text("sampled", exact=True).count() > 0
        assert complaints(watched, mlflow) == []
