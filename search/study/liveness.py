"""The heartbeat of a worker, and how it learns that another one is gone.

Of a process on this machine the system knows at once that it is dead. Of all the store has a count that grows
with each beat; one that stands still for long enough, as far as this worker could look, belongs to nobody. No
clock is compared with another, so that a clock that jumps kills no one; nor does a store that is away,
because nobody can look then.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from search.errors import AnswerIsNo
from search.process_identity import is_dead
from storage import workers
from storage.engine import Store
from storage.errors import StoreError

log = logging.getLogger("ballast.workers")

HEARTBEAT_INTERVAL_S = 5.0
MAX_MISSED_BEATS = 12
"""A minute without a beat: ten times what a garbage collection, a backup or a slow disk was seen to take."""


@dataclass(frozen=True)
class _BeatCount:
    beats: int | None
    """None: not entered in the study."""
    still: int
    """For how many looks in a row."""


class LivenessTracker:
    """Counts for how many looks in a row each worker has shown no life. Pure bookkeeping.

    One thread looks, another asks: what was seen is replaced as a whole, never changed.
    """

    def __init__(self, misses: int = MAX_MISSED_BEATS) -> None:
        self._misses = misses
        self._hearts: dict[str, _BeatCount] = {}
        self._asked: set[str] = set()

    def look(self, beats: Mapping[str, int]) -> None:
        """Take note of the beats of all workers that are entered."""
        seen = {}
        for name in {*beats, *self._hearts, *tuple(self._asked)}:
            before, now = self._hearts.get(name), beats.get(name)
            stands = before is not None and before.beats == now
            seen[name] = _BeatCount(now, before.still + 1 if before is not None and stands else 0)
        self._hearts = seen

    def is_lost(self, worker: str) -> bool:
        """Whether a worker stands still for too long, or is not entered.

        Whoever starts a trial is entered before it. But what was seen last can be older than that, so that
        it takes two looks after the first question to say that somebody is not there.
        """
        self._asked.add(worker)
        heart = self._hearts.get(worker, _BeatCount(None, 0))
        return heart.still >= (1 if heart.beats is None else self._misses)


class Heartbeat:
    """While the block runs, `worker` is entered in the study and its heart beats in a thread of its own."""

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
        self._pulse = LivenessTracker(misses)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._live, name="ballast-heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        workers.register_worker(self._store, self._study, self.worker, self._device)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        if error is not None and not isinstance(error, AnswerIsNo):
            # In the middle of a trial, which counts until others have found this row and settled both. Nor
            # would a store that is away be waited for once more.
            return
        self._thread.join()
        workers.unregister_worker(self._store, self._study, self.worker)

    def is_gone(self, worker: str) -> bool:
        """Whether nobody runs what `worker` runs; a process that was stopped runs nothing either."""
        return is_dead(worker) or self._pulse.is_lost(worker)

    def _live(self) -> None:
        while not self._leaving.wait(self._interval):
            try:
                self._pulse.look(workers.record_heartbeat(self._store, self._study, self.worker))
            except StoreError as error:
                log.warning("no heartbeat: %s", error)
