"""Whether a study has been left: it can end before it has its trials, and nothing on record says so."""

import time
from collections.abc import Callable, Mapping

from search.config.layers import Layer
from search.process_identity import is_dead
from search.study.liveness import HEARTBEAT_INTERVAL_S, MAX_MISSED_BEATS
from storage import query, workers
from storage.commands import ballast_command
from storage.engine import Store
from storage.tables import Worker
from storage.verdicts import CONCLUSIVE, Verdict

NO_WORKER_S = 15.0
"""Seconds without a worker: those of a run that is taken up again are not there at once."""
NO_HEARTBEAT_S = HEARTBEAT_INTERVAL_S * MAX_MISSED_BEATS
"""Seconds without a beat of those that are entered: they are lost, as to one another."""


def active_workers(store: Store, name: str) -> list[Worker]:
    """The workers that are entered and not known to be gone."""
    return [row for row in workers.registered_workers(store, name) if not is_dead(row.worker)]


class StallDetector:
    """Looks again and again whether anybody shows life. As in search/study/liveness.py, no clock is compared
    with
    another, and a look counts for a heartbeat at most: a store that was away has killed nobody.
    """

    def __init__(self, store: Store, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._name, self._clock = store, name, clock
        self._signs: object = None
        self._still, self._looked = 0.0, clock()

    def look(self) -> bool:
        """Whether trials were begun and nobody has been at work for long enough. Raises StudyUnknown."""
        counts = query.verdict_counts(self._store, self._name)
        beats = {row.worker: row.beats for row in active_workers(self._store, self._name)}
        now, signs = self._clock(), (counts, beats)
        passed = min(now - self._looked, HEARTBEAT_INTERVAL_S)
        self._still = self._still + passed if signs == self._signs else 0.0
        self._looked, self._signs = now, signs
        return self._still >= (NO_HEARTBEAT_S if beats else NO_WORKER_S) and self._has_begun(counts)

    def _has_begun(self, counts: Mapping[Verdict | None, int]) -> bool:
        """Trials that were taken over from another study are none of its own, and all conclusive."""
        return bool(counts.keys() - CONCLUSIVE) or query.count_conclusive(self._store, self._name) > 0


def stall_message(store: Store, name: str) -> str:
    """What is said of a study that was left, with the command that goes on with it."""
    study, done = query.study(store, name), query.count_conclusive(store, name)
    return (
        f"nobody is at work on study {name!r}, which has {done} of {study.wanted} trials; go on with: "
        f"{ballast_command('run', study.study_file, store=store.url, name=_other_name(store, name))}"
    )


def _other_name(store: Store, name: str) -> str | None:
    """The name, where it is not that of the study file."""
    acts = query.setting_layers(store, name).get("study.name", ())
    return name if any(act.layer == Layer.CLI for act in acts) else None
