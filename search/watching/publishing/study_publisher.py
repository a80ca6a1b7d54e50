"""Keeps the page of a study up to date while it runs, in a small share of the time."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from optuna.storages import BaseStorage, get_storage

from search.record.column_importances import COLUMN_IMPORTANCES
from search.record.continuation import recorded_value
from search.sampling.optuna_storage import direct_storage
from search.selection.summary import summarise
from search.watching.publishing.study_page import publish_study
from storage import query
from storage.engine import Store

log = logging.getLogger("ballast.dashboard")

_SHARE, _SHARE_OF_A_SERVER = 0.005, 0.1
"""The share of the time that pages may take: one second of writing is followed by 199 s of rest, or by 9 s
in a process that does nothing else."""
_REST_S = 5.0
"""The shortest time between two writings of a page."""
_LAST_WAIT_S = 30.0
"""The longest time that the end of a run waits for the last page."""


@contextmanager
def publish_while_running(store: Store, name: str, *, shown: bool = True) -> Iterator[None]:
    """Publish the study `name` while the block runs and once more when it ends; do nothing unless `shown`.

    Raises nothing of its own.
    """
    if not shown:
        yield
        return
    store = replace(store, patience=0.0)  # no study waits for its page
    # Made here and not in the thread: it changes the pool of connections, which the block may already use.
    storage = get_storage(direct_storage(store))
    publisher = StudyPublisher(store, lambda: storage, lambda: [name], _SHARE)
    with _in_thread(publisher):
        yield
        publisher.publish_at_end = True


def publish_once(store: Store, name: str) -> None:
    """Publish the study as it is now, unless its dashboard is turned off. Raises nothing of its own."""
    store = replace(store, patience=0.0)
    StudyPublisher(store, lambda: get_storage(direct_storage(store)), lambda: [name], _SHARE).publish_changes(
        lambda: False
    )


@contextmanager
def publish_all_while_serving(store: Store, ready: Callable[[], BaseStorage]) -> Iterator[None]:
    """Publish all studies of a store while the block runs. A server does this, since their workers may not.

    `ready` returns Optuna's storage; it is called in the thread that publishes.
    """

    def names() -> list[str]:
        return [study.name for study in query.studies(store)]

    with _in_thread(StudyPublisher(store, ready, names, _SHARE_OF_A_SERVER)):
        yield


@contextmanager
def _in_thread(publisher: "StudyPublisher") -> Iterator[None]:
    thread = threading.Thread(target=publisher.run, name="publisher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        publisher.stop.set()
        thread.join(_LAST_WAIT_S)


class StudyPublisher:
    """Publishes the studies that have changed, then rests for many times as long as that took."""

    def __init__(
        self,
        store: Store,
        ready: Callable[[], BaseStorage],
        names: Callable[[], Sequence[str]],
        share: float,
    ) -> None:
        self.stop = threading.Event()
        self.publish_at_end = False
        """Whether to publish one last time after the stop."""
        self._store, self._ready, self._names, self._share = store, ready, names, share
        self._storage: BaseStorage | None = None
        self._seen: dict[str, object] = {}
        self._has_warned = False

    def run(self) -> None:
        """Publish until `stop` is set."""
        while not self.stop.is_set():
            began = time.monotonic()
            self.publish_changes(self.stop.is_set)
            took = time.monotonic() - began
            self.stop.wait(max(_REST_S, took * (1 / self._share - 1)))
        if self.publish_at_end:
            self.publish_changes(lambda: False)

    def publish_changes(self, is_over: Callable[[], bool]) -> None:
        """Publish each study that has changed, until `is_over` returns True."""
        try:
            self._storage = self._storage or self._ready()
            names = self._names()
        except Exception as error:  # a page is no reason to end a process
            self._warn(error)
            return
        for name in names:
            if is_over():
                return
            try:
                self._publish(self._storage, name)
            except KeyError:
                continue  # somebody deleted it in the dashboard: Optuna no longer knows it
            except Exception as error:
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        level = logging.DEBUG if self._has_warned else logging.WARNING
        log.log(level, "optuna-dashboard does not show the present state of the study: %s", error)
        self._has_warned = True

    def _publish(self, storage: BaseStorage, name: str) -> None:
        now, findings = summarise(self._store, name), query.finding_count(self._store, name)
        # Findings come while a trial runs; verifications, floors and importances change without a trial.
        importances = now.study.facts.get(COLUMN_IMPORTANCES)
        stamp = now.verdicts, findings, now.verified, now.measured, importances
        if self._seen.get(name) == stamp:
            return
        if not is_published(self._store, name) or publish_study(self._store, storage, name):
            self._seen[name] = stamp


def is_published(store: Store, name: str) -> bool:
    """Return `tracking.dashboard` of a study as it was started or last continued."""
    return bool(recorded_value("tracking.dashboard", query.setting_layers(store, name)))
