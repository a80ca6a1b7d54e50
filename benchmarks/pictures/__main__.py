"""The study that the README shows, and the pictures of its pages.

    python -m benchmarks.pictures [--trials 200] [--store URL] [--many]

Runs benchmarks/pictures/study.yaml (about three minutes on two cores; with `--store`, a study that is there
already is only continued), serves it, and writes docs/img/*.png. Nothing in the study is planted: its
unstable trials drew learning rates of a millionth and below, at which weights hardly move and the guard calls
them frozen; its suspicious ones are honest, and pass a ceiling (`guard.max_skill` 0.13) that the study sets
at what a ridge regression nearly reaches on the same features. A search under such a ceiling has nothing
better to show than 0.13, and that is the point of one.

`--many` measures instead how long the page of a study of 2,000 trials takes until its plots are drawn.
"""

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from benchmarks.pictures import pages, servers
from benchmarks.pictures.terminal import as_page
from search.api.stores import DEFAULT_STORE
from storage import query
from storage.engine import open_store
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

STUDY = "sp500-pictures"
_FILE = Path(__file__).with_name("study.yaml")
_FOLDER = Path(__file__).parents[2] / "docs" / "img"
_COLOURS = 256
_ROWS = 12
_BROAD = (1900, 900)
"""A window in which the table of trials has room."""
MOST_BYTES = 150_000
"""Of a picture: a README with all of them still opens at once."""
_CHARTS = 3
"""Of losses, at MLflow's: the best, and those of training and of validation."""
_REPEATS = 3


class Served(NamedTuple):
    """Where everything is: addresses, and the numbers of the trials that are shown."""

    dashboard: str
    report: str
    mlflow: str
    best: int
    suspicious: int
    pictured: int
    """A trial that was published with its picture."""
    terminal: str


Shot = Callable[["Page", Served], bytes]


def study_page(page: "Page", served: Served) -> bytes:
    """All plots of the study's page, ours among them."""
    pages.open_study(page, served.dashboard)
    boxes = [page.locator(plot).bounding_box() for plot in pages.dashboard_plots()]
    return _taken(page, clip=_around(boxes), full_page=True)


def head(page: "Page", served: Served) -> bytes:
    """The top of the study's page, which is the dashboard's own."""
    pages.open_study(page, served.dashboard)
    return _taken(page)


def note(page: "Page", served: Served) -> bytes:
    """The study's note, below the command that names the store, which is a place on this machine."""
    found = pages.open_note(page, served.dashboard)
    found.get_by_role("heading", name="Skill", exact=True).evaluate("heading => heading.scrollIntoView()")
    return _taken(page)


def trial(page: "Page", served: Served) -> bytes:
    """The page of a suspicious trial."""
    pages.open_trial(page, served.dashboard, served.suspicious)
    return _taken(page)


def artifacts(page: "Page", served: Served) -> bytes:
    """The files of a trial that has all of them."""
    pages.open_trial(page, served.dashboard, served.pictured)
    name = f"trial-{served.pictured:05d}"
    page.locator(f'img[alt="{name}.png"]').wait_for()
    cards = page.locator(".MuiCard-root").filter(has_text=f"{name}.")
    cards.last.scroll_into_view_if_needed()
    return _taken(page, clip=_around([card.bounding_box() for card in cards.all()]))


def table(page: "Page", served: Served) -> bytes:
    """The table of trials by skill, without the names of workers, which are this machine's."""
    found = pages.open_table(page, served.dashboard)
    for _ in range(2):
        found.get_by_text("UserAttribute skill").click()
    page.evaluate("scrollTo(0, 0)")
    columns = [column.bounding_box() for column in found.locator("th").all()][:-2]
    rows = found.locator("tbody tr").all()[:_ROWS]
    clip = _around(columns) | {"height": sum(row.bounding_box()["height"] for row in rows)}
    return _taken(page, clip=clip, full_page=True)


def report(page: "Page", served: Served) -> bytes:
    """The report, from its top."""
    pages.open_report(page, served.report)
    return _taken(page)


def report_plots(page: "Page", served: Served) -> bytes:
    """A plot of the report."""
    pages.open_report(page, served.report)
    page.locator("#figure-space").scroll_into_view_if_needed()
    return bytes(page.locator("#figure-space").screenshot())


def runs(page: "Page", served: Served) -> bytes:
    """MLflow's table of runs."""
    pages.open_runs(page, served.mlflow, STUDY)
    page.locator(".ag-row").nth(9).wait_for()
    _close_assistant(page)
    return _taken(page)


def metrics(page: "Page", served: Served) -> bytes:
    """MLflow's charts of a trial's losses."""
    page.goto(f"{pages.open_run(page, served.mlflow, STUDY, served.best)}/model-metrics")
    page.get_by_placeholder("Search metric charts").fill("_loss")
    page.get_by_text("validation_loss", exact=True).first.wait_for()
    _close_assistant(page)
    page.locator(".js-plotly-plot .trace").nth(_CHARTS - 1).wait_for()
    return _taken(page)


def terminal(page: "Page", served: Served) -> bytes:
    """What `ballast trials` and `ballast explain` draw."""
    page.set_content(served.terminal)
    return bytes(page.locator("pre").screenshot())


PICTURES: Mapping[str, tuple[tuple[int, int], Shot]] = {
    "dashboard-study": (pages.WIDE, head),
    "dashboard-plots": (pages.WIDE, study_page),
    "dashboard-note": (pages.WIDE, note),
    "dashboard-trial": (pages.WIDE, trial),
    "dashboard-files": (pages.WIDE, artifacts),
    "dashboard-table": (_BROAD, table),
    "report": (pages.WIDE, report),
    "report-narrow": (pages.NARROW, report),
    "report-space-narrow": (pages.NARROW, report_plots),
    "mlflow-runs": (pages.WIDE, runs),
    "mlflow-metrics": (pages.WIDE, metrics),
    "terminal": (pages.WIDE, terminal),
}


def _around(boxes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The smallest box that holds all of these, as Playwright tells boxes."""
    left, top = (min(box[side] for box in boxes) for side in ("x", "y"))
    right = max(box["x"] + box["width"] for box in boxes)
    bottom = max(box["y"] + box["height"] for box in boxes)
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def _taken(page: "Page", **options: object) -> bytes:
    return bytes(page.screenshot(**options))


def _close_assistant(page: "Page") -> None:
    """MLflow offers to talk, over a third of its page."""
    offer = page.get_by_text("Ask questions about your")
    if offer.count():
        heading = page.get_by_text("MLflow Assistant")
        heading.locator("xpath=ancestor::*[.//button][1]").locator("button").last.click()
        offer.wait_for(state="hidden")


@contextmanager
def serving(store: str, folder: Path) -> Iterator[Served]:
    """The study behind all its servers."""
    opened = open_store(store)
    trials, best = query.trials(opened, STUDY), query.best_trial(opened, STUDY)
    with_picture = [file.trial for file in query.artifacts(opened, STUDY) if file.kind == "picture"]
    opened.close()
    if best is None:
        raise SystemExit("no trial was accepted: there is nothing to show")
    suspicious = next(trial.number for trial in trials if trial.verdict is Verdict.SUSPICIOUS)
    pictured = next(number for number in with_picture if number is not None)
    path = folder / "report.html"
    servers.ballast(store, "report", STUDY, "-o", str(path))
    with servers.dashboard(store) as dashboard, servers.mlflow(folder) as mlflow:
        servers.ballast(store, "track", STUDY, "--mlflow", mlflow)
        rate = ("explain", STUDY, "--trial", str(best.number), "--key", "learning_rate")
        terminal = as_page(store, ("trials", STUDY, "--verdict", "suspicious"), rate)
        yield Served(dashboard, path.as_uri(), mlflow, best.number, suspicious, pictured, terminal)


def take(browser: "Browser", served: Served) -> int:
    """Take every picture; how many of them are too large."""
    large = 0
    _FOLDER.mkdir(exist_ok=True)
    for name, (size, shot) in PICTURES.items():
        with pages.window(browser, size) as window, pages.page(window) as watched:
            picture = small(shot(watched.page, served))
        (_FOLDER / f"{name}.png").write_bytes(picture)
        large += len(picture) > MOST_BYTES
        print(f"docs/img/{name}.png  {len(picture) / 1e3:.0f} kB", flush=True)
    return large


def small(png: bytes) -> bytes:
    """The same picture with few colours, chosen so that the rare ones, those of verdicts, stay apart."""
    file = io.BytesIO()
    image = Image.open(io.BytesIO(png)).convert("RGB")
    few = image.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(file, "PNG", optimize=True)
    return file.getvalue()


def time_many() -> None:
    """Seconds until the page of a study of 2,000 trials has all our plots, and its table its rows."""
    from benchmarks.publishing import fill

    with tempfile.TemporaryDirectory() as name:
        store = fill(Path(name))
        with servers.dashboard(store, "--read-only") as address, pages.browser() as browser:
            for told, act in (("plots", pages.open_study), ("table", pages.open_table)):
                seconds = [_timed(browser, act, address) for _ in range(_REPEATS)]
                print(f"seconds to the {told}: first {seconds[0]:.1f}, median {_median(seconds)}")


def _median(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f}"


def _timed(browser: "Browser", act: Callable[["Page", str], object], address: str) -> float:
    with pages.window(browser, pages.WIDE) as window, pages.page(window) as watched:
        began = time.monotonic()
        act(watched.page, address)
        return time.monotonic() - began


def main() -> int:
    """Run the study and take the pictures; 1 where one is too large."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=200, help="trials of the study (200)")
    parser.add_argument("--store", help="where the study is, or is to be; else it is thrown away")
    parser.add_argument("--many", action="store_true", help="time the page of 2,000 trials instead")
    wanted = parser.parse_args()
    if (missing := pages.what_is_missing()) is not None:
        raise SystemExit(missing)
    if wanted.many:
        time_many()
        return 0
    with tempfile.TemporaryDirectory(prefix="ballast-pictures-") as name:
        store = wanted.store or DEFAULT_STORE
        if wanted.store is None:
            os.chdir(name)  # so that no picture tells where on this machine the store was
        servers.ballast(store, "run", str(_FILE), "--trials", str(wanted.trials), "--workers", "2")
        with serving(store, Path(name)) as served, pages.browser() as browser:
            return 1 if take(browser, served) else 0


if __name__ == "__main__":
    sys.exit(main())
