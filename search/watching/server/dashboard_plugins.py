"""What is changed of optuna-dashboard's answers, as plugins of Bottle, which it is made with."""

from collections.abc import Callable, Sequence
from typing import Any

from bottle import HTTPResponse, Route, response
from optuna.artifacts.exceptions import ArtifactNotFound

from search.watching.plots.figures import PLOT_IDS
from search.watching.server.dashboard_storage import DashboardStorage
from search.watching.view import MAX_CURVES

_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Types that a browser may show by themselves: pictures that hold no scripts."""
_EMBEDDED = frozenset(
    {"image/svg+xml", "audio/mpeg", "audio/ogg", "audio/wav", "audio/x-wav", "video/mp4", "video/webm"}
)
"""Types that the page needs to know in order to embed a file, which runs no script in it."""
_NO_RIGHTS = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_NO_NOTE: dict[str, Any] = {"version": 0, "body": ""}


class StudyPagePlugin:
    """A plugin of Bottle that arranges what a study's page is drawn from: plots in their order, and trials.

    Their notes are put back where the page looks for them. Of more than MAX_CURVES trials, every n-th keeps
    its intermediate values: the page draws a line for each, and took ten seconds to draw 2,000.
    """

    name, api = "ballast-trials", 2

    def __init__(self, showcase: DashboardStorage) -> None:
        self._showcase = showcase

    def apply(self, callback: Callable[..., Any], route: Route) -> Callable[..., Any]:
        """Wrap the one answer that holds trials."""
        if (route.method, route.rule) != ("GET", "/api/studies/<study_id:int>"):
            return callback

        def answer(study_id: int) -> Any:
            told = callback(study_id=study_id)
            if isinstance(told, dict) and "trials" in told:
                notes = self._showcase.notes_of(study_id)
                for trial in [*told["trials"], *told["best_trials"]]:
                    trial["note"] = notes.get(trial["trial_id"], _NO_NOTE)
                _thin(told["trials"])
                told["plotly_graph_objects"].sort(key=_place)  # they come in any order, another each time
            return told

        return answer


def _place(plot: dict[str, Any]) -> tuple[int, str]:
    """Ours in the order of the report, others after them."""
    return (PLOT_IDS.index(plot["id"]) if plot["id"] in PLOT_IDS else len(PLOT_IDS)), plot["id"]


def _thin(trials: Sequence[dict[str, Any]]) -> None:
    every = -(-max((trial["number"] + 1 for trial in trials), default=1) // MAX_CURVES)
    for trial in trials:
        if trial["number"] % every:
            trial["intermediate_values"] = []


class RefuseRenamePlugin:
    """A plugin of Bottle that refuses to rename a study of ours: its record is kept under its name."""

    name, api = "ballast-names", 2

    def __init__(self, showcase: DashboardStorage) -> None:
        self._showcase = showcase

    def apply(self, callback: Callable[..., Any], route: Route) -> Callable[..., Any]:
        """Wrap the one request that renames."""
        if route.rule != "/api/studies/<study_id:int>/rename":
            return callback

        def answer(study_id: int) -> Any:
            if not self._showcase.is_ours(study_id):
                return callback(study_id=study_id)
            response.status = 409
            return {"reason": "the record of this study is kept under its name; use: ballast rename OLD NEW"}

        return answer


class ArtifactPlugin:
    """A plugin of Bottle that hands out the files of trials so that a browser runs none of them.

    Anybody who reaches the dashboard, and any worker, may leave a file there, under our own origin. Pictures
    are shown; whatever else is saved, and would have no rights if a browser opened it all the same. A file
    that is not on this machine is answered in words.
    """

    name, api = "ballast-files", 2

    def apply(self, callback: Callable[..., Any], route: Route) -> Callable[..., Any]:
        """Wrap the answers that are files of trials."""
        if not route.rule.startswith("/artifacts/"):
            return callback

        def answer(**where: Any) -> Any:
            try:
                told = callback(**where)
            except ArtifactNotFound as error:
                return HTTPResponse(str(error), status=404, headers={"Content-Type": "text/plain"})
            return _sandboxed(told) if isinstance(told, HTTPResponse) else told

        return answer


def _sandboxed(file: HTTPResponse) -> HTTPResponse:
    kind = str(file.content_type).split(";")[0].strip().lower()
    file.headers["Content-Type"] = kind if kind in _SHOWN or kind in _EMBEDDED else "application/octet-stream"
    file.headers["Content-Security-Policy"] = _NO_RIGHTS
    if kind not in _SHOWN:
        file.headers["Content-Disposition"] = "attachment"  # the page's links name the file
    return file
