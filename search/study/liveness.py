"""Heartbeats: how a worker shows that it is alive, and how others learn that it is gone.

On this machine the system knows at once that a process is dead. For every other worker the store has a count
that grows with each heartbeat; a worker whose count does not grow for long enough is gone. Clocks of machines
are never compared, so a clock that jumps makes no worker look dead. A store that is away does not either,
because nobody can read the counts then.

Three callers ask in three ways:

    LivenessTracker   a worker about one other worker: it observes the counts at each heartbeat of its own
    StallDetector     a watcher about a whole study, at each poll: trials that begin or end are changes, too
    watch_workers     a command about all workers at once: it reads the counts twice and waits in between
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from search.config.layers import Layer
from search.errors import AnswerIsNo
from search.process_identity import is_dead
from storage import query, workers
from storage.commands import ballast_command
from storage.engine import Store
from storage.errors import StoreError
from storage.tables import Worker
from storage.verdicts import CONCLUSIVE, Verdict

log = logging.getLogger("ballast.workers")

HEARTBEAT_INTERVAL_S = 5.0
MAX_MISSED_BEATS = 12
"""One minute without a beat: ten times the longest pause that a garbage collection, a backup or a slow disk
was measured to cause."""
NO_HEARTBEAT_S = HEARTBEAT_INTERVAL_S * MAX_MISSED_BEATS
"""Seconds without a beat after which a worker of another machine counts as gone."""
NO_WORKER_S = 15.0
"""Seconds without any registered worker after which a study counts as left. The workers of a run that is
continued need some seconds to register."""


@dataclass(frozen=True)
class _BeatCount:
    beats: int | None
    """None if the worker is not registered in the study."""
    unchanged: int
    """In how many observations in a row the count has not grown."""


class LivenessTracker:
    """Counts in how many observations in a row each worker has shown no heartbeat; reads and writes nothing.

    One thread calls `observe`, another `is_lost`: the counts are replaced as a whole and never changed.
    """

    def __init__(self, misses: int = MAX_MISSED_BEATS) -> None:
        self._misses = misses
        self._counts: dict[str, _BeatCount] = {}
        self._asked: set[str] = set()

    def observe(self, beats: Mapping[str, int]) -> None:
        """Take note of the beats of all registered workers, by name."""
        counts = {}
        for name in {*beats, *self._counts, *tuple(self._asked)}:
            before, now = self._counts.get(name), beats.get(name)
            stands = before is not None and before.beats == now
            counts[name] = _BeatCount(now, before.unchanged + 1 if before is not None and stands else 0)
        self._counts = counts

    def is_lost(self, worker: str) -> bool:
        """Whether a worker has missed too many beats, or is not registered.

        A worker registers before it starts a trial. The last observation can be older than that registration,
        so a worker counts as absent only after two observations that follow the first question about it.
        """
        self._asked.add(worker)
        count = self._counts.get(worker, _BeatCount(None, 0))
        return count.unchanged >= (1 if count.beats is None else self._misses)


class Heartbeat:
    """While the block runs, `worker` is registered in the study and a thread of its own sends heartbeats."""

    def __init__(
        self,
        store: Store,
        study: str,
        worker: str,
        device: str | None = None,
        *,
        interval: float = HEARTBEAT_INTERVAL_S,
        misses: int = MAX_MISSED_BEATS,
    ) -> None:
        self._store, self._study, self.worker, self._device = store, study, worker, device
        self._interval = interval
        self._tracker = LivenessTracker(misses)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="ballast-heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        workers.register_worker(self._store, self._study, self.worker, self._device)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        if error is not None and not isinstance(error, AnswerIsNo):
            # The worker fails in the middle of a trial. Other workers need its row to find and settle that
            # trial. If the store is away, it would also be waited for once more.
            return
        self._thread.join()
        workers.unregister_worker(self._store, self._study, self.worker)

    def is_gone(self, worker: str) -> bool:
        """Whether `worker` runs no trial any more; a process that does not respond counts, too."""
        return is_dead(worker) or self._tracker.is_lost(worker)

    def _beat(self) -> None:
        while not self._leaving.wait(self._interval):
            try:
                self._tracker.observe(workers.record_heartbeat(self._store, self._study, self.worker))
            except StoreError as error:
                log.warning("no heartbeat: %s", error)


def active_workers(store: Store, name: str) -> list[Worker]:
    """The registered workers of a study that are not known to be gone."""
    return [row for row in workers.registered_workers(store, name) if not is_dead(row.worker)]


IsSilent = Callable[[str, str], bool]
"""Called with a study and a worker: whether that worker sends no heartbeats."""


def watch_workers(store: Store, names: Sequence[str], seconds: float) -> IsSilent:
    """Wait for `seconds`, and tell which workers of the studies sent no heartbeat meanwhile.

    An unregistered worker is silent. Without a running trial there is no wait. If `seconds` is 0, or there
    was no wait, no worker is silent.
    """
    if seconds <= 0 or not any(query.running(store, name) for name in names):
        return lambda name, worker: False
    before = _beats(store, names)
    time.sleep(seconds)
    after = _beats(store, names)
    return lambda name, worker: before.get((name, worker)) == after.get((name, worker))


def _beats(store: Store, names: Sequence[str]) -> dict[tuple[str, str], int]:
    return {
        (name, row.worker): row.beats for name in names for row in workers.registered_workers(store, name)
    }


class StallDetector:
    """Finds out, from one poll to the next, whether any worker still runs a study.

    A study can be left before it has all its trials, and no row says so. The time between two polls counts
    for one heartbeat interval at most: no worker counts as gone because the store was away.
    """

    def __init__(self, store: Store, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._name, self._clock = store, name, clock
        self._state: object = None
        self._unchanged_s, self._polled_at = 0.0, clock()

    def poll(self) -> bool:
        """Whether trials were begun and neither trials nor heartbeats changed for long enough.

        Raises StudyUnknown.
        """
        counts = query.verdict_counts(self._store, self._name)
        beats = {row.worker: row.beats for row in active_workers(self._store, self._name)}
        now, state = self._clock(), (counts, beats)
        passed = min(now - self._polled_at, HEARTBEAT_INTERVAL_S)
        self._unchanged_s = self._unchanged_s + passed if state == self._state else 0.0
        self._polled_at, self._state = now, state
        return self._unchanged_s >= (NO_HEARTBEAT_S if beats else NO_WORKER_S) and self._has_begun(counts)

    def _has_begun(self, counts: Mapping[Verdict | None, int]) -> bool:
        """Whether the study has trials of its own; imported trials, all conclusive, do not count."""
        return bool(counts.keys() - CONCLUSIVE) or query.count_conclusive(self._store, self._name) > 0


def stall_message(store: Store, name: str) -> str:
    """The sentence about a study that was left, with the command that continues it."""
    study, done = query.study(store, name), query.count_conclusive(store, name)
    return (
        f"nobody is at work on study {name!r}, which has {done} of {study.wanted} trials; go on with: "
        f"{ballast_command('run', study.study_file, store=store.url, name=_overridden_name(store, name))}"
    )


def _overridden_name(store: Store, name: str) -> str | None:
    """The name if the command line set it; None if it is that of the study file."""
    layers = query.setting_layers(store, name).get("study.name", ())
    return name if any(row.layer == Layer.CLI for row in layers) else None
