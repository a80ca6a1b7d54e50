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

_SHARE, _SHARE_OF_A_SERVER = 0.005, 0.1
"""Pages take at most this share of the time: after a second of writing them follow 199 of rest, or 9 in a
process that does nothing else."""
_REST_S = 5.0
"""And no page is written anew sooner than this."""


@contextmanager
def published(study: OpenStudy) -> Iterator[None]:
    """Publish the study while the block runs, and when it ends. Never raises anything of its own."""
    if not study.resolved.file.tracking.dashboard:
        yield
        return
    with _publishing(_Printer(study.store, study.optuna._storage, lambda: [study.name], _SHARE)):
        yield


@contextmanager
def all_published(store: Store, storage: BaseStorage) -> Iterator[None]:
    """Publish all studies of a store while the block runs, for a server: whoever runs them may not do so."""

    def names() -> list[str]:
        return [study.name for study in query.studies(store)]

    with _publishing(_Printer(store, storage, names, _SHARE_OF_A_SERVER)):
        yield


@contextmanager
def _publishing(printer: "_Printer") -> Iterator[None]:
    thread = threading.Thread(target=printer.work, name="publisher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        printer.stop.set()
        thread.join()


class _Printer:
    """Publishes what has changed since it looked last, then rests many times as long as that took."""

    def __init__(
        self, store: Store, storage: BaseStorage, names: Callable[[], Sequence[str]], share: float
    ) -> None:
        self.stop = threading.Event()
        self._store, self._storage = replace(store, patience=0.0), storage
        self._names, self._share = names, share
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
            self.stop.wait(max(_REST_S, took * (1 / self._share - 1)))

    def _look(self) -> None:
        try:
            names = self._names()
        except Exception as error:  # nobody ends over a page
            self._warn(error)
            return
        for name in names:
            try:
                self._publish(name)
            except KeyError:
                continue  # deleted at the dashboard: Optuna does not know it any more
            except Exception as error:
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        level = logging.DEBUG if self._has_warned else logging.WARNING
        log.log(level, "optuna-dashboard does not show the present state of the study: %s", error)
        self._has_warned = True

    def _publish(self, name: str) -> None:
        counts = query.verdict_counts(self._store, name)
        stamp = sum(counts.values()), counts.get(None, 0)
        if self._seen.get(name) == stamp:
            return
        if not shows(self._store, name) or publish_study(self._store, self._storage, name):
            self._seen[name] = stamp
