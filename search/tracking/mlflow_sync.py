"""Sends a study to MLflow once or while it runs, and tries again while MLflow does not answer."""

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

_INTERVAL_S = 2.0
_LONGEST_INTERVAL_S = 30.0
_CHECK_S = 0.1


@dataclass(frozen=True)
class TrackingStatus:
    """How many of the ended trials of a study MLflow has."""

    sent: int
    """Trials that this process has sent completely."""
    there: int
    """Trials that MLflow has completely."""
    left: int
    """Ended trials that MLflow does not have completely."""
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `track --json` prints."""
        return asdict(self)


def sync_once(store: Store, name: str, uri: str, *, hurry: bool = False) -> TrackingStatus:
    """Send what MLflow does not have, and check that it arrived; with `hurry` each request waits only
    seconds.
    """
    with mlflow_environment(uri) as address, with_short_timeout() if hurry else nullcontext():
        tracker = _MlflowSync(store, name, address)
        while tracker.sync(ending=True) and tracker.problem is None:
            tracker.sender = None  # a new sender finds runs that two senders made twice
        return tracker.status()


def sync_until_done(
    store: Store,
    name: str,
    uri: str,
    should_end: Callable[[], bool],
    tell: Callable[[TrackingStatus], None],
    *,
    attached: bool = False,
) -> TrackingStatus:
    """Send what is new every two seconds until the study has its trials, or once more after `should_end`.

    A run knows when its study ends. If not `attached` to a run, sending also ends when no worker is active
    any more (search/study/liveness.py), and a warning says so. `tell` is called with every change of the
    status. While MLflow does not answer, each interval is twice as long as the one before, up to 30 s.
    """
    with mlflow_environment(uri) as address:
        tracker, last_status, wait = (
            _MlflowSync(store, name, address, watches=not attached),
            None,
            _INTERVAL_S,
        )
        while True:
            ending = should_end()
            with with_short_timeout() if ending else nullcontext():
                tracker.sync(ending=ending)
            if (status := tracker.status()) != last_status:
                last_status = status
                tell(status)
            if ending or tracker.finished:
                return status
            wait = _INTERVAL_S if tracker.problem is None else min(2 * wait, _LONGEST_INTERVAL_S)
            _pause(wait, should_end)


class _MlflowSync:
    """Makes a new sender after each failure, and counts what was sent."""

    def __init__(self, store: Store, name: str, uri: str, *, watches: bool = False) -> None:
        self._detector = StallDetector(store, name) if watches else None
        self._store, self._name, self._uri = store, name, uri
        self._sent = self._there = self._ended = 0
        self.sender: MlflowSender | None = None
        self.problem: str | None = None
        self.finished = False
        """Whether everything is sent and nothing more will come."""

    def sync(self, *, ending: bool) -> int:
        """Send what is new and return how many trials it completed; `ending` says that this may be the
        last call.
        """
        sent, self.problem = 0, None
        try:
            was_complete = is_complete(self._store, self._name)  # before sending: a trial may end meanwhile
            is_abandoned = self._detector is not None and self._detector.poll()
            live = not is_abandoned and (not ending or bool(active_workers(self._store, self._name)))
            counts = query.verdict_counts(self._store, self._name)
            self._ended = sum(n for verdict, n in counts.items() if verdict is not None)
            if self.sender is None:
                client = connect_mlflow(self._uri)
                with warn_if_slow(self._uri):
                    self.sender = MlflowSender(client, self._store, self._name)
            sender, before = self.sender, self.sender.complete_trials
            try:
                sender.send(live=live)
            finally:
                sent, self._there = sender.complete_trials - before, sender.complete_trials
                self._sent += sent
            self.problem = next((str(refusal) for refusal in sender.rejected.values()), None)
            self.finished = (was_complete or is_abandoned) and self.problem is None
            if self.finished and not was_complete:
                log.warning("%s", stall_message(self._store, self._name))
        except (MlflowError, StoreError) as failure:
            self.sender, self.problem = None, str(failure)
        return sent

    def status(self) -> TrackingStatus:
        """Return how much of the study is sent."""
        left = max(0, self._ended - self._there)
        return TrackingStatus(self._sent, self._there, left, self.problem)


def not_sent_message(store: Store, name: str, left: int, problem: str | None) -> str:
    """Return the sentence about a study that is not completely in MLflow, with the command that sends it."""
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
        time.sleep(_CHECK_S)
