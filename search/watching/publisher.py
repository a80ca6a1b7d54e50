"""Keeps the page of a study up to date while it runs, in a small share of the time."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from optuna.storages import BaseStorage

from search.study import OpenStudy
from search.watching.publish import publish_study, shows
from storage import query
from storage.engine import Store

log = logging.getLogger("ballast.dashboard")

SHARE = 0.005
"""Pages take at most this share of the time: after a second of writing them follow 199 of rest."""
_REST_S = 5.0
"""And no page is written anew sooner than this."""


@contextmanager
def published(study: OpenStudy) -> Iterator[None]:
    """Publish the study while the block runs, and when it ends. Never raises anything of its own."""
    if not study.resolved.file.tracking.dashboard:
        yield
        return
    with publishing(study.store, study.optuna._storage, lambda: [study.name]):
        yield


@contextmanager
def publishing(store: Store, storage: BaseStorage, names: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Publish the studies that `names` lists, while the block runs and when it ends."""
    printer = _Printer(replace(store, patience=0.0), storage, names)
    thread = threading.Thread(target=printer.work, name="publisher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        printer.stop.set()
        thread.join()


class _Printer:
    """Publishes what has changed since it looked last, then rests many times as long as that took."""

    def __init__(self, store: Store, storage: BaseStorage, names: Callable[[], Sequence[str]]) -> None:
        self.stop = threading.Event()
        self._store, self._storage, self._names = store, storage, names
        self._seen: dict[str, tuple[int, int]] = {}
        self._has_warned = False

    def work(self) -> None:
        """Publish until it is told to stop, and then once more."""
        while True:
            is_last, began = self.stop.is_set(), time.monotonic()
            self._look()
            if is_last:
                return
            took = time.monotonic() - began
            self.stop.wait(max(_REST_S, took * (1 / SHARE - 1)))

    def _look(self) -> None:
        try:
            for name in self._names():
                self._publish(name)
        except Exception as error:  # no study ends over its page
            level = logging.DEBUG if self._has_warned else logging.WARNING
            log.log(level, "optuna-dashboard does not show the present state of the study: %s", error)
            self._has_warned = True

    def _publish(self, name: str) -> None:
        counts = query.verdict_counts(self._store, name)
        stamp = sum(counts.values()), counts.get(None, 0)
        if self._seen.get(name) != stamp and shows(self._store, name):
            publish_study(self._store, self._storage, name)
        self._seen[name] = stamp
