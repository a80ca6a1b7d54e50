"""A real study behind its real servers, and a real browser in front of them; all of it once per session."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.pictures import pages, servers
from search.sampling.optuna_attributes import write_study_attributes
from search.sampling.optuna_storage import direct_storage
from search.watching.pages.markdown import to_markdown
from search.watching.pages.notes import trial_note
from search.watching.publishing import trial_notes
from search.watching.view import trial_view
from storage import query
from storage.engine import open_store
from tests.browser.served_study import HOSTILE, HOSTILE_NAME, STUDY, Served
from tests.search_fixtures import STUDY_SETTINGS, merged, prices

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

_SMALL = (
    *("--trials", "16", "--set", "training.epochs=5", "--set", "study.startup_trials=4"),
    *("--set", "training.kernel=torch"),
)
"""Of the study in the pictures, so that it takes half a minute, which is long enough for some trials to get a
picture, and still has trials of four verdicts.
"""

_FILE = Path(__file__).parents[2] / "benchmarks" / "pictures" / "study.yaml"

_HOSTILE: dict[str, Any] = {
    "study": {"name": HOSTILE_NAME, "trials": 1},
    "data": {
        "features": [
            {"name": "vol", "transform": "log_parkinson", "high": "High", "low": "Low"},
            {"name": HOSTILE, "column": HOSTILE, "transform": "raw"},
        ]
    },
    "tracking": {"dashboard": True},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if (missing := pages.what_is_missing()) is not None:
        for item in items:
            if "browser" in item.path.parts:
                item.add_marker(pytest.mark.skip(reason=missing))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if (missing := pages.what_is_missing()) is not None:
        terminalreporter.write_line(f"tests/browser is skipped: {missing}")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of the store that has the small study."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'ballast.db'}"
    servers.ballast(url, "run", str(_FILE), "--workers", "2", *_SMALL)
    return url


@pytest.fixture(scope="session")
def served(store: str) -> Iterator[Served]:
    """The dashboard of the small study."""
    with servers.dashboard(store) as address:
        yield _served(store, address, STUDY)


@pytest.fixture(scope="session")
def read_only(store: str) -> Iterator[str]:
    """The address of the same, which the browser cannot change."""
    with servers.dashboard(store, "--read-only") as address:
        yield address


@pytest.fixture(scope="session")
def mlflow(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow that the small study was sent to."""
    with servers.mlflow(tmp_path_factory.mktemp("mlflow")) as address:
        servers.ballast(store, "track", STUDY, "--mlflow", address)
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    with pages.browser() as browser:
        yield browser


@pytest.fixture(scope="session", params=[pages.WIDE, pages.NARROW], ids=["1280", "390"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    """A laptop's window and a phone's, in turn."""
    size: tuple[int, int] = request.param
    return size


@pytest.fixture(scope="session")
def window(browser: "Browser", size: tuple[int, int]) -> Iterator["BrowserContext"]:
    with pages.window(browser, size) as window:
        yield window


@pytest.fixture
def watched(window: "BrowserContext") -> Iterator[pages.Watched]:
    """A page of either size; at the end of the test it must have had nothing to complain of."""
    with pages.page(window) as watched:
        yield watched
        assert watched.complaints == []


@pytest.fixture(scope="session")
def report(store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the small study's report, which is a file."""
    return _report(store, STUDY, tmp_path_factory)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A study with markup in its name, in a column's, in what the audit says, and in a trial's message."""
    home = tmp_path_factory.mktemp("hostile")
    table = prices()
    table[HOSTILE] = np.where(table.index == 99, 1e3, table["Close"] % 1)  # an outlier, which the audit tells
    table.to_csv(home / "prices.csv", index=False)
    file, store = home / "study.yaml", f"sqlite:///{home / 'ballast.db'}"
    file.write_text(json.dumps(merged(STUDY_SETTINGS, _HOSTILE)))
    servers.ballast(store, "run", str(file))
    _hostile_message(store)
    with servers.dashboard(store) as address:
        yield _served(store, address, HOSTILE_NAME)


@pytest.fixture(scope="session")
def hostile_report(hostile: Served, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of its report."""
    return _report(hostile.store, HOSTILE_NAME, tmp_path_factory)


def _report(store: str, name: str, folders: pytest.TempPathFactory) -> str:
    path = folders.mktemp("report") / "report.html"
    servers.ballast(store, "report", name, "-o", str(path))
    return path.as_uri()


def _hostile_message(url: str) -> None:
    """Write the note of the trial anew, as if an exception of some library had been its end."""
    store = open_store(url)
    view, storage = trial_view(store, HOSTILE_NAME, 0), direct_storage(store)
    view.trial.message = HOSTILE
    study_id = storage.get_study_id_from_name(HOSTILE_NAME)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, 0)
    with store.session() as session:
        write_study_attributes(
            session, study_id, trial_notes.trial_note_attributes(trial_id, to_markdown(trial_note(view)))
        )
    store.close()


def _served(url: str, address: str, name: str) -> Served:
    store = open_store(url)
    trials, best = query.trials(store, name), query.best_trial(store, name)
    files = query.artifacts(store, name)
    pictured = [file.trial for file in files if file.kind == "picture" and file.trial is not None]
    store.close()
    assert best is not None
    return Served(url, address, list(trials), best, pictured)
