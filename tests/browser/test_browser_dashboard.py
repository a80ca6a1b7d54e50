"""The pages of optuna-dashboard, as a browser draws them from what we put there."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from benchmarks.pictures import pages
from search.watching.plots.figures import PLOT_IDS, figures
from search.watching.view import study_view
from storage.engine import open_store
from storage.verdicts import Verdict
from tests.browser.served_study import STUDY

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator

    from tests.browser.served_study import Served

VERDICTS = (Verdict.ACCEPTED, Verdict.UNPROMISING, Verdict.UNSTABLE, Verdict.SUSPICIOUS)
FILES = ("yaml", "json", "png")


def cells(table: "Locator") -> list[list[str]]:
    """The text of a table, row by row, with its head."""
    rows: list[list[str]] = table.evaluate(
        "table => [...table.rows].map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return rows


def skill_attribute(skill: float | None) -> str:
    """As the dashboard shows it: a trial without a skill has no such attribute."""
    return "" if skill is None else str(skill)


def with_head(note: "Locator", head: str) -> list[list[str]]:
    """The one table of a note whose first column is called so."""
    return cells(note.locator("table", has=note.page.locator("th", has_text=re.compile(f"^{head}$"))))


def test_the_page_of_a_study_draws_our_plots_and_marks_our_best_and_what_is_not_to_be_believed(
    watched: pages.Watched, served: "Served"
) -> None:
    page, best = watched.page, served.best
    pages.open_study(page, served.dashboard)  # waits for each of PLOTS
    page.get_by_text(f"Best Trial (number={best.number})").wait_for()
    assert page.get_by_text(str(best.value), exact=True).count() == 1
    curves = page.locator("#graph-intermediate-values")
    curves.get_by_text(f"trial #{served.first(Verdict.SUSPICIOUS)} (infeasible)").wait_for()
    assert curves.get_by_text(re.compile(rf"^trial #{best.number}\s*$")).count() == 1


def test_a_high_figure_of_several_parts_is_shown_whole(watched: pages.Watched, served: "Served") -> None:
    pages.open_study(watched.page, served.dashboard)
    figure = watched.page.locator('[id="user-defined-plot:residuals"]')
    wanted = figure.evaluate("figure => figure.layout.height")
    assert figure.evaluate("figure => figure.closest('.MuiCard-root').clientHeight") >= wanted > 450


def test_the_plots_are_those_of_the_study(served: "Served") -> None:
    store = open_store(served.store)
    ids = [plot.id for plot in figures(study_view(store, STUDY))]
    assert ids == [known for known in PLOT_IDS if known in ids]
    store.close()


def test_the_note_of_a_study_is_read_as_tables(watched: pages.Watched, served: "Served") -> None:
    note = pages.open_note(watched.page, served.dashboard)
    counts = dict(with_head(note, "verdict"))
    for verdict in VERDICTS:
        assert int(counts[verdict]) == sum(trial.verdict is verdict for trial in served.trials)
    clamped = {row[0]: row for row in with_head(note, "clamped")}
    assert "0.1" in clamped["models.gru.learning_rate"][1]
    assert "0.01" in clamped["models.gru.learning_rate"][1]
    assert {len(row) for row in clamped.values()} == {3}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_page_of_a_trial_tells_why_it_ended_and_where_its_settings_are_from(
    watched: pages.Watched, served: "Served", verdict: Verdict
) -> None:
    number = served.first(verdict)
    note = pages.open_trial(watched.page, served.dashboard, number)
    assert note.get_by_text(re.compile(f"^{verdict}")).count() == 1
    overrides = with_head(note, "key")
    width = len(overrides[0])
    assert {len(row) for row in overrides} == {width}
    rate = served.trials[number].params["models.gru.learning_rate"]
    told = "".join("".join(row) for row in overrides)
    assert "models.gru.learning_rate" in told
    assert f"{rate:.6g}" in told


def test_the_files_of_a_trial_are_on_its_page(watched: pages.Watched, served: "Served") -> None:
    number = served.pictured[0]  # it has all of them
    pages.open_trial(watched.page, served.dashboard, number)
    name = f"trial-{number:05d}"
    for kind in FILES:
        watched.page.get_by_text(f"{name}.{kind}").first.wait_for()
    picture = watched.page.locator(f'img[alt="{name}.png"]')
    picture.wait_for()
    watched.page.wait_for_function("image => image.naturalWidth > 0", arg=picture.element_handle())
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [640, 480]


def test_verdict_and_skill_are_columns_of_the_table_of_trials_which_is_sorted_by_skill(
    watched: pages.Watched, served: "Served"
) -> None:
    table = pages.open_table(watched.page, served.dashboard)
    head = [name.partition("\n")[0] for name in table.locator("th").all_inner_texts()]
    verdict, skill = (head.index(f"UserAttribute {name}") for name in ("verdict", "skill"))
    rows = cells(table)[1:]
    assert [row[verdict] for row in rows] == [trial.verdict for trial in served.trials]
    assert [row[skill] for row in rows] == [skill_attribute(trial.skill) for trial in served.trials]
    for _ in range(2):  # the second click turns the order around
        table.get_by_text("UserAttribute skill").click()
    highest = max(trial.skill for trial in served.trials if trial.skill is not None)
    table.locator("tbody tr").first.get_by_text(str(highest)).wait_for()


@pytest.mark.parametrize("kind", ["study", "note", "trial"])
def test_markup_in_names_and_messages_is_text(watched: pages.Watched, hostile: "Served", kind: str) -> None:
    page = watched.page
    if kind == "study":
        pages.open_study(page, hostile.dashboard)
    else:
        note = (
            pages.open_note(page, hostile.dashboard)
            if kind == "note"
            else pages.open_trial(page, hostile.dashboard, 0)
        )
        assert note.get_by_text("<img src=x onerror").count() > 0
        assert note.locator("img, script, a[href^=javascript]").count() == 0
        for table in note.locator("table").all():
            assert len({len(row) for row in cells(table)}) == 1
    assert page.evaluate("window.hacked") is None


def test_a_read_only_dashboard_lets_no_browser_delete_a_study(
    window: "BrowserContext", read_only: str
) -> None:
    with pages.page(window) as watched:
        page = watched.page
        page.goto(f"{read_only}dashboard/")
        page.get_by_text(STUDY).first.wait_for()
        told = page.evaluate(
            """async () => {
                const answer = await fetch("/api/studies/1", {
                    method: "DELETE",
                    headers: { "Content-Type": "application/json" },
                    body: JSON.stringify({ remove_associated_artifacts: true }),
                });
                return [answer.status, await answer.json()];
            }"""
        )
        assert told[0] == 403
        assert "read-only" in told[1]["reason"]
        assert any("403" in complaint for complaint in watched.complaints)
        page.reload()
        page.get_by_text(STUDY).first.wait_for()
        studies = json.loads(page.request.get(f"{read_only}api/studies").text())
        assert len(studies["study_summaries"]) == 1


_UPLOAD = """async ([name, body]) => {
    const file = `data:text/html;base64,${btoa(body)}`;
    const answer = await fetch("/api/artifacts/1", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ file, filename: name }),
    });
    return (await answer.json()).artifact_id;
}"""
_SCRIPT = "<script>window.opener.hacked = window.hacked = 1</script>"


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "page.xhtml", "script.js", "unknown"])
def test_a_file_that_somebody_uploads_is_saved_under_its_name_and_runs_nothing(
    watched: pages.Watched, hostile: "Served", name: str
) -> None:
    page = watched.page
    page.goto(f"{hostile.dashboard}dashboard/")
    artifact = page.evaluate(_UPLOAD, [name, _SCRIPT])  # by the page itself, which may
    with page.expect_download() as saved:
        page.evaluate(
            """([address, name]) => {
                const link = document.createElement("a");
                [link.href, link.download] = [address, name];
                link.click();
            }""",
            [f"/artifacts/1/{artifact}", name],
        )
    assert saved.value.suggested_filename == name
    with page.expect_download(), page.expect_popup():
        page.evaluate("address => void window.open(address)", f"/artifacts/1/{artifact}")
    assert page.evaluate("window.hacked") is None
    watched.complaints.clear()  # that a download is no page


def test_a_picture_that_somebody_uploads_is_shown_and_one_with_scripts_runs_none(
    watched: pages.Watched, hostile: "Served"
) -> None:
    page = watched.page
    page.goto(f"{hostile.dashboard}dashboard/")
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5"><script>top.hacked = 1</script></svg>'
    artifact = page.evaluate(_UPLOAD, ["picture.svg", svg])
    size = page.evaluate(
        """async address => {
            const image = document.body.appendChild(document.createElement("img"));
            image.src = address;
            await image.decode();
            return [image.naturalWidth, image.naturalHeight];
        }""",
        f"/artifacts/1/{artifact}",
    )
    assert size == [7, 5]
    assert page.evaluate("window.hacked") is None


_ATTACK = """async address => {
    const send = (path, options) => fetch(address + path, options).then(
        answer => answer.type, () => "nothing");
    const json = { "Content-Type": "application/json" };
    return [
        await send("api/studies/1", { method: "DELETE", headers: json, body: "{}" }),
        await send("api/studies", { method: "POST", mode: "no-cors", body: '{"study_name": "x"}' }),
        await send("api/studies/1", {}),
    ];
}"""


def test_a_page_from_elsewhere_reads_changes_and_frames_nothing(
    window: "BrowserContext", served: "Served"
) -> None:
    """The second request is one that browsers send without asking first; the server must refuse it."""
    with elsewhere() as other, pages.page(window) as watched:
        page = watched.page
        page.goto(other)
        told = page.evaluate(_ATTACK, served.dashboard)
        assert told == ["nothing"] * 3
        frame = page.evaluate_handle(
            """address => new Promise(done => {
                const frame = document.body.appendChild(document.createElement("iframe"));
                frame.onload = () => done(frame);
                frame.src = address;
            })""",
            f"{served.dashboard}dashboard/",
        )
        shown = frame.as_element().content_frame()
        assert "Optuna Dashboard" not in shown.content()
        assert any("frame-ancestors" in complaint for complaint in watched.complaints)
        answer = page.request.get(f"{served.dashboard}api/studies").json()
        assert len(answer["study_summaries"]) == 1


@contextmanager
def elsewhere() -> Iterator[str]:
    """An empty page of another origin; its address."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>elsewhere</title><link rel=icon href=data:,>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
