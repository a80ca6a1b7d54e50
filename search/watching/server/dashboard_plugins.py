"""Changes optuna-dashboard's answers, with plugins of Bottle, the framework that it is written with."""

from collections.abc import Callable, Sequence
from typing import Any

from bottle import HTTPResponse, Route, redirect, response
from optuna.artifacts.exceptions import ArtifactNotFound

from search.selection.summary import summarise
from search.watching.pages.html import to_html
from search.watching.pages.html_assets import figure_text_rule
from search.watching.pages.studies_page import note_path, studies_page
from search.watching.plots.figures import PLOT_IDS
from search.watching.server.dashboard_storage import DashboardStorage
from search.watching.view import MAX_CURVES
from storage.engine import Store

_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Types that a browser may show on their own: pictures that cannot hold scripts."""
_EMBEDDED = frozenset(
    {"image/svg+xml", "audio/mpeg", "audio/ogg", "audio/wav", "audio/x-wav", "video/mp4", "video/webm"}
)
"""Types that the page must know to embed a file; an embedded file runs no scripts."""
_NO_RIGHTS = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_OPTUNA_PAGES = "/dashboard"
_FIGURE = '[id^="user-defined-plot:"]'
_WHOLE_FIGURE = f"{_FIGURE} {{ height: auto !important; min-height: 450px }}"
"""Optuna's page cuts a figure at 450 pixels; some of ours have two or three parts below each other."""
_FIGURE_STYLE = f"{figure_text_rule(_FIGURE)}\n{_WHOLE_FIGURE}"
_NO_NOTE: dict[str, Any] = {"version": 0, "body": ""}


class StartPagePlugin:
    """A Bottle plugin that makes the server's root the page that a reader wants first.

    With one study that is the study's note, with several a list of them with their answers. Optuna's own list
    stays at `/dashboard`, and its pages are in the menu beside each note.
    """

    name, api = "ballast-start", 2

    def __init__(self, store: Store, storage: DashboardStorage) -> None:
        self._store = store
        self._storage = storage

    def apply(self, callback: Callable[..., Any], route: Route) -> Callable[..., Any]:
        """Wrap the route of the root."""
        if (route.method, route.rule) != ("GET", "/"):
            return callback

        def answer() -> Any:
            studies = {
                study._study_id: summarise(self._store, study.study_name)
                for study in self._storage.get_all_studies()
                if self._storage.has_record(study._study_id)
            }
            if not studies:
                return callback()
            if len(studies) == 1:
                return redirect(note_path(_OPTUNA_PAGES, *studies), 302)
            response.content_type = "text/html; charset=utf-8"
            return to_html("Studies", studies_page(studies, _OPTUNA_PAGES))

        return answer


class FigureTextPlugin:
    """A Bottle plugin that gives the text of our figures the colour of the page's text, light or dark, and
    shows high figures whole.

    A figure is one JSON for both, and no colour has a contrast of 4.5 on white and on dark. Optuna chooses
    the text of its own plots itself. Text on a coloured ground, as in a hover label, keeps its colour.
    """

    name, api = "ballast-figure-text", 2

    def apply(self, callback: Callable[..., Any], route: Route) -> Callable[..., Any]:
        """Wrap the route of Optuna's page, which is one for all addresses."""
        if not route.rule.startswith(f"{_OPTUNA_PAGES}<"):
            return callback

        def answer(*where: Any, **named: Any) -> Any:
            page = callback(*where, **named)
            if not isinstance(page, HTTPResponse) or not hasattr(page.body, "read"):
                return page  # a HEAD request, or the browser has the page already
            with page.body:
                text = page.body.read().decode()
            policy = page.headers.get("Content-Security-Policy")
            headers = {} if policy is None else {"Content-Security-Policy": policy}
            styled = text.replace("</head>", f"<style>{_FIGURE_STYLE}</style></head>", 1)
            return HTTPResponse(styled, headers={"Content-Type": "text/html; charset=UTF-8", **headers})

        return answer


class StudyPagePlugin:
    """A Bottle plugin that prepares the answer from which a study's page is drawn.

    It sorts the plots and puts each trial's note where the page looks for it. If there are more than
    MAX_CURVES trials, only every n-th keeps its intermediate values: the page draws a line for each trial,
    and took ten seconds to draw 2,000.
    """

    name, api = "ballast-trials", 2

    def __init__(self, storage: DashboardStorage) -> None:
        self._storage = storage

    def apply(self, callback: Callable[..., Any], route: Route) -> Callable[..., Any]:
        """Wrap the one route whose answer holds trials."""
        if (route.method, route.rule) != ("GET", "/api/studies/<study_id:int>"):
            return callback

        def answer(study_id: int) -> Any:
            answered = callback(study_id=study_id)
            if isinstance(answered, dict) and "trials" in answered:
                notes = self._storage.notes_of(study_id)
                for trial in [*answered["trials"], *answered["best_trials"]]:
                    trial["note"] = notes.get(trial["trial_id"], _NO_NOTE)
                _thin(answered["trials"])
                answered["plotly_graph_objects"].sort(key=_plot_order)  # the dashboard's order varies
            return answered

        return answer


def _plot_order(plot: dict[str, Any]) -> tuple[int, str]:
    """Sort Ballast's plots in the order of the report, other plots after them."""
    return (PLOT_IDS.index(plot["id"]) if plot["id"] in PLOT_IDS else len(PLOT_IDS)), plot["id"]


def _thin(trials: Sequence[dict[str, Any]]) -> None:
    every = -(-max((trial["number"] + 1 for trial in trials), default=1) // MAX_CURVES)
    for trial in trials:
        if trial["number"] % every:
            trial["intermediate_values"] = []


class RefuseRenamePlugin:
    """A Bottle plugin that refuses to rename a study of Ballast: its record is kept under its name."""

    name, api = "ballast-names", 2

    def __init__(self, storage: DashboardStorage) -> None:
        self._storage = storage

    def apply(self, callback: Callable[..., Any], route: Route) -> Callable[..., Any]:
        """Wrap the one route that renames a study."""
        if route.rule != "/api/studies/<study_id:int>/rename":
            return callback

        def answer(study_id: int) -> Any:
            if not self._storage.has_record(study_id):
                return callback(study_id=study_id)
            response.status = 409
            return {"reason": "the record of this study is kept under its name; use: ballast rename OLD NEW"}

        return answer


class ArtifactPlugin:
    """A Bottle plugin that serves the files of trials so that no browser runs them.

    Anybody who reaches the dashboard, and any worker, can add a file, which is then served from our own
    origin. Browsers show pictures and save all other files; if one opened such a file, a sandbox would take
    its rights. For a file that is not on this machine the answer is a sentence.
    """

    name, api = "ballast-files", 2

    def apply(self, callback: Callable[..., Any], route: Route) -> Callable[..., Any]:
        """Wrap the routes whose answers are files of trials."""
        if not route.rule.startswith("/artifacts/"):
            return callback

        def answer(**where: Any) -> Any:
            try:
                answered = callback(**where)
            except ArtifactNotFound as error:
                return HTTPResponse(str(error), status=404, headers={"Content-Type": "text/plain"})
            return _sandboxed(answered) if isinstance(answered, HTTPResponse) else answered

        return answer


def _sandboxed(file: HTTPResponse) -> HTTPResponse:
    kind = str(file.content_type).split(";")[0].strip().lower()
    file.headers["Content-Type"] = kind if kind in _SHOWN or kind in _EMBEDDED else "application/octet-stream"
    file.headers["Content-Security-Policy"] = _NO_RIGHTS
    if kind not in _SHOWN:
        file.headers["Content-Disposition"] = "attachment"  # the page's links name the file
    return file
