"""The heartbeat of a worker, and how it learns that another one is gone.

Of a process on this machine the system knows whether it lives. Of others the store has a count that grows
with each beat; one that stands still for long enough, as far as this worker could look, belongs to nobody. No
clock is compared with another, so that a clock that jumps kills no one; nor does a store that is away,
because nobody can look then.
"""

import logging
import threading
from collections.abc import Mapping
from types import TracebackType

from search.worker import is_dead, is_local
from storage import workers
from storage.engine import Store
from storage.errors import StoreError

log = logging.getLogger("ballast.workers")

INTERVAL_S = 5.0
MISSES = 12
"""A minute without a beat: ten times what a garbage collection, a backup or a slow disk was seen to take."""


class Pulse:
    """Counts for how many looks in a row each worker's beats have stood still. Pure bookkeeping."""

    def __init__(self, misses: int = MISSES) -> None:
        self._misses = misses
        self._still: dict[str, int] = {}
        self._beats: dict[str, int] | None = None

    def look(self, beats: Mapping[str, int]) -> None:
        """Take note of the beats of all workers that are entered."""
        before = self._beats or {}
        self._still = {
            name: self._still.get(name, 0) + 1 if before.get(name) == count else 0
            for name, count in beats.items()
        }
        self._beats = dict(beats)

    def is_lost(self, worker: str) -> bool:
        """Whether a worker has stood still for too long, or has left; nobody is before the first look."""
        if self._beats is None:
            return False
        return worker not in self._beats or self._still[worker] >= self._misses


class Attendance:
    """While the block runs, `worker` is entered in the study and its heart beats in a thread of its own."""

    def __init__(
        self,
        store: Store,
        study: str,
        worker: str,
        device: str | None = None,
        *,
        interval: float = INTERVAL_S,
        misses: int = MISSES,
    ) -> None:
        self._store, self._study, self.worker, self._device = store, study, worker, device
        self._interval = interval
        self._pulse = Pulse(misses)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._live, name="ballast-heartbeat", daemon=True)

    def __enter__(self) -> "Attendance":
        workers.join(self._store, self._study, self.worker, self._device)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        if isinstance(error, StoreError):
            return  # The store is away, and would be waited for once more; others will find this row.
        self._thread.join()
        workers.leave(self._store, self._study, self.worker)

    def is_gone(self, worker: str) -> bool:
        """Whether nobody runs what `worker` runs."""
        return is_dead(worker) if is_local(worker) else self._pulse.is_lost(worker)

    def _live(self) -> None:
        while not self._leaving.wait(self._interval):
            try:
                self._pulse.look(workers.beat(self._store, self._study, self.worker))
            except StoreError as error:
                log.warning("no heartbeat: %s", error)
