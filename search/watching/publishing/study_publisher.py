"""Keeps the page of a study up to date while it runs, in a small share of the time."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from optuna.storages import BaseStorage, get_storage

from search.record.continuation import recorded_value
from search.sampling.optuna_storage import direct_storage
from search.selection.summary import summarise
from search.watching.publishing.study_page import publish_study
from storage import query
from storage.engine import Store

log = logging.getLogger("ballast.dashboard")

_SHARE, _SHARE_OF_A_SERVER = 0.005, 0.1
"""Pages take at most this share of the time: after a second of writing them follow 199 of rest, or 9 in a
process that does nothing else."""
_REST_S = 5.0
"""And no page is written anew sooner than this."""


_LAST_WAIT_S = 30.0
"""How long the end of a run waits for the last page at most."""


@contextmanager
def publish_while_running(store: Store, name: str, *, shown: bool = True) -> Iterator[None]:
    """Publish the study `name` while the block runs, and when it ends; does nothing unless it is `shown`.

    Never raises anything of its own.
    """
    if not shown:
        yield
        return
    store = replace(store, patience=0.0)  # no study waits for its page
    # Made here and not in the thread: it joins the pool of connections, which nobody may use meanwhile.
    storage = get_storage(direct_storage(store))
    printer = StudyPublisher(store, lambda: storage, lambda: [name], _SHARE)
    with _at_work(printer):
        yield
        printer.once_more = True


def publish_once(store: Store, name: str) -> None:
    """Publish the study as it is now, if it is to be shown. Never raises anything of its own."""
    store = replace(store, patience=0.0)
    StudyPublisher(store, lambda: get_storage(direct_storage(store)), lambda: [name], _SHARE).look(
        lambda: False
    )


@contextmanager
def publish_all_while_serving(store: Store, ready: Callable[[], BaseStorage]) -> Iterator[None]:
    """Publish all studies of a store while the block runs, for a server: whoever runs them may not do so.

    `ready` gives Optuna's storage; it is called in the thread that publishes.
    """

    def names() -> list[str]:
        return [study.name for study in query.studies(store)]

    with _at_work(StudyPublisher(store, ready, names, _SHARE_OF_A_SERVER)):
        yield


@contextmanager
def _at_work(printer: "StudyPublisher") -> Iterator[None]:
    thread = threading.Thread(target=printer.work, name="publisher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        printer.stop.set()
        thread.join(_LAST_WAIT_S)


class StudyPublisher:
    """Publishes what has changed since it looked last, then rests many times as long as that took."""

    def __init__(
        self,
        store: Store,
        ready: Callable[[], BaseStorage],
        names: Callable[[], Sequence[str]],
        share: float,
    ) -> None:
        self.stop = threading.Event()
        self.once_more = False
        """Whether to look a last time after the stop."""
        self._store, self._ready, self._names, self._share = store, ready, names, share
        self._storage: BaseStorage | None = None
        self._seen: dict[str, object] = {}
        self._has_warned = False

    def work(self) -> None:
        """Publish until it is told to stop."""
        while not self.stop.is_set():
            began = time.monotonic()
            self.look(self.stop.is_set)
            took = time.monotonic() - began
            self.stop.wait(max(_REST_S, took * (1 / self._share - 1)))
        if self.once_more:
            self.look(lambda: False)

    def look(self, is_over: Callable[[], bool]) -> None:
        """Publish what has changed, up to where it is over."""
        try:
            self._storage = self._storage or self._ready()
            names = self._names()
        except Exception as error:  # nobody ends over a page
            self._warn(error)
            return
        for name in names:
            if is_over():
                return
            try:
                self._publish(self._storage, name)
            except KeyError:
                continue  # deleted at the dashboard: Optuna does not know it any more
            except Exception as error:
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        level = logging.DEBUG if self._has_warned else logging.WARNING
        log.log(level, "optuna-dashboard does not show the present state of the study: %s", error)
        self._has_warned = True

    def _publish(self, storage: BaseStorage, name: str) -> None:
        now = summarise(self._store, name)
        stamp = now.verdicts, now.verified, now.measured  # what changes when no trial does, too
        if self._seen.get(name) == stamp:
            return
        if not is_published(self._store, name) or publish_study(self._store, storage, name):
            self._seen[name] = stamp


def is_published(store: Store, name: str) -> bool:
    """Whether a study is to be published: `tracking.dashboard`, as it was started or last continued."""
    return bool(recorded_value("tracking.dashboard", query.setting_layers(store, name)))
