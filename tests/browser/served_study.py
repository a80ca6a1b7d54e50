"""The names of the studies that the browser sees, and what a fixture tells of a served study."""

from typing import NamedTuple

from storage import tables
from storage.verdicts import Verdict

STUDY = "sp500-pictures"
HOSTILE_NAME = (
    "<img src=x onerror=window.hacked=1>|`a` [x](javascript:window.hacked=1) <script>window.hacked=1"
)
HOSTILE = f"{HOSTILE_NAME}</script>"
"""A study's name may have no slash."""


class Served(NamedTuple):
    """A study, and the dashboard that serves it."""

    store: str
    dashboard: str
    trials: list[tables.Trial]
    best: tables.Trial
    pictured: list[int]
    """The numbers of the trials that have a picture."""

    def first(self, verdict: Verdict) -> int:
        """The number of the first trial with this verdict."""
        return next(trial.number for trial in self.trials if trial.verdict is verdict)
