"""Sends a study as far as it has come, or for as long as it runs, whether MLflow is there or not."""

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from search.study.liveness import StallDetector, active_workers, stall_message
from search.tracking.mlflow_client import (
    MlflowError,
    connect_mlflow,
    mlflow_environment,
    warn_if_slow,
    with_short_timeout,
)
from search.tracking.mlflow_sender import MlflowSender, is_complete, track_command
from storage import query
from storage.engine import Store
from storage.errors import StoreError

log = logging.getLogger("ballast.mlflow")

_LOOK_S = 2.0
_LONGEST_LOOK_S = 30.0
_NOTICE_S = 0.1


@dataclass(frozen=True)
class TrackingStatus:
    """How far a study is: trials that MLflow has to their end, and those that ended and it has not."""

    sent: int
    """Of those that are there, what was sent just now."""
    there: int
    left: int
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The shape that `track --json` promises."""
        return asdict(self)


def sync_once(store: Store, name: str, uri: str, *, hurry: bool = False) -> TrackingStatus:
    """Send what is not there yet, and look whether it is; `hurry`: wait for each answer for seconds only."""
    with mlflow_environment(uri) as address, with_short_timeout() if hurry else nullcontext():
        standing = _MlflowSync(store, name, address)
        while standing.look(ending=True) and standing.problem is None:
            standing.sender = None  # a fresh look finds what another sender made twice
        return standing.standing()


def sync_until_done(
    store: Store,
    name: str,
    uri: str,
    should_end: Callable[[], bool],
    tell: Callable[[TrackingStatus], None],
    *,
    attached: bool = False,
) -> TrackingStatus:
    """Send what is new every two seconds, until the study has its trials or once more after `should_end`.

    Unless it is `attached` to a run, which knows when the study ends, a study that nobody is at work on any
    more (search/study/liveness.py) is at its end too; that is told on the log. `tell` is called with
    every
    change.
    If MLflow is away it is asked again after twice the time, up to 30 s.
    """
    with mlflow_environment(uri) as address:
        follower, told, wait = _MlflowSync(store, name, address, watches=not attached), None, _LOOK_S
        while True:
            ending = should_end()
            with with_short_timeout() if ending else nullcontext():
                follower.look(ending=ending)
            if (standing := follower.standing()) != told:
                told = standing
                tell(standing)
            if ending or follower.finished:
                return standing
            wait = _LOOK_S if follower.problem is None else min(2 * wait, _LONGEST_LOOK_S)
            _pause(wait, should_end)


class _MlflowSync:
    """A sender that is made again after each failure, and what is known of it meanwhile."""

    def __init__(self, store: Store, name: str, uri: str, *, watches: bool = False) -> None:
        self._detector = StallDetector(store, name) if watches else None
        self._store, self._name, self._uri = store, name, uri
        self._sent = self._there = self._ended = 0
        self.sender: MlflowSender | None = None
        self.problem: str | None = None
        self.finished = False
        """Whether all is sent and nothing more will come."""

    def look(self, *, ending: bool) -> int:
        """Send what is new; how many trials came to their end by it. `ending`: there may be no other look."""
        sent, self.problem = 0, None
        try:
            was_complete = is_complete(self._store, self._name)  # before the look: a trial may end during it
            was_left = self._detector is not None and self._detector.poll()
            live = not was_left and (not ending or bool(active_workers(self._store, self._name)))
            counts = query.verdict_counts(self._store, self._name)
            self._ended = sum(n for verdict, n in counts.items() if verdict is not None)
            if self.sender is None:
                client = connect_mlflow(self._uri)
                with warn_if_slow(self._uri):
                    self.sender = MlflowSender(client, self._store, self._name)
            sender, before = self.sender, self.sender.there
            try:
                sender.send(live=live)
            finally:
                sent, self._there = sender.there - before, sender.there
                self._sent += sent
            self.problem = next((str(refusal) for refusal in sender.refused.values()), None)
            self.finished = (was_complete or was_left) and self.problem is None
            if self.finished and not was_complete:
                log.warning("%s", stall_message(self._store, self._name))
        except (MlflowError, StoreError) as failure:
            self.sender, self.problem = None, str(failure)
        return sent

    def standing(self) -> TrackingStatus:
        """How far the study is."""
        left = max(0, self._ended - self._there)
        return TrackingStatus(self._sent, self._there, left, self.problem)


def not_sent_message(store: Store, name: str, left: int, problem: str | None) -> str:
    """What is said of a study that is not in MLflow to its end, in one sentence."""
    why = "" if problem is None else f" ({problem})"
    what, them = (
        (f"{left} trials of study {name!r} are not in MLflow{why}; they are", "them")
        if left > 1
        else (f"{'1 trial' if left else 'the end'} of study {name!r} is not in MLflow{why}; it is", "it")
    )
    return f"{what} kept in the store, send {them} later: {track_command(store, name)}"


def _pause(seconds: float, should_end: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not should_end():
        time.sleep(_NOTICE_S)
