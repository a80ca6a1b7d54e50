"""The parts of a trial, by what they serve, and how long each takes while a study runs in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NamedTuple

import optuna

import search.record.row_mapping
import search.study.backend
import search.workers.loop
import search.workers.objective
import storage.record
import storage.workers
import trainer.training.loop
from search.config.resolved_study import ResolvedStudy
from search.watching.publishing import study_publisher
from search.watching.publishing.trial_publisher import TrialPublisher
from trainer.training.checkpoint import CheckpointFile

COUNTED = ("search", "record", "publishing")

Part = tuple[str, str, Any, str]
"""Kind, name, and the function in which that is done: its owner and its name there."""

PARTS: tuple[Part, ...] = (
    ("search", "ask", search.workers.loop, "ask"),
    ("search", "settings", ResolvedStudy, "trial"),
    ("search", "report", optuna.Trial, "report"),
    ("search", "prune", optuna.Trial, "should_prune"),
    ("search", "tell", search.study.backend, "conclude_trial"),
    ("record", "claim", storage.workers, "claim_trial"),
    ("record", "look for duplicates", search.workers.objective, "find_cached_trial"),
    ("record", "begin", search.study.backend, "begin_trial"),
    ("record", "epochs", storage.record, "record_epochs"),
    ("record", "checkpoints", CheckpointFile, "save"),
    ("record", "end", search.record.row_mapping, "finish_trial"),
    ("record", "look for the dead", search.workers.loop, "recover_trials"),
    ("record", "heartbeat", storage.workers, "record_heartbeat"),
    ("publishing", "page of the trial", TrialPublisher, "publish"),
    ("publishing", "page of the study", study_publisher.StudyPublisher, "publish_changes"),
    ("search", "the rest", search.workers.loop, "run_trial"),
    ("training", "set-up and result", trainer.training.loop, "fit"),
    ("training", "epochs of training", trainer.training.loop, "_timed_epoch"),
)


class Cost(NamedTuple):
    """Seconds."""

    cpu: float
    wall: float


@dataclass
class Ledger:
    """CPU and wall seconds by kind and name, each without the parts that were called from it."""

    spent: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    _thread: threading.local = field(default_factory=threading.local)

    def timed(self, part: tuple[str, str], act: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, on the clock."""
        own = self.spent.setdefault(part, [0.0, 0.0])

        @wraps(act)
        def call(*args: Any, **kwargs: Any) -> Any:
            outer = getattr(self._thread, "within", [0.0, 0.0])
            self._thread.within = within = [0.0, 0.0]
            began = time.thread_time(), time.perf_counter()
            try:
                return act(*args, **kwargs)
            finally:
                took = time.thread_time() - began[0], time.perf_counter() - began[1]
                for clock in (0, 1):
                    own[clock] += took[clock] - within[clock]
                    outer[clock] += took[clock]
                self._thread.within = outer

        return call

    def clear(self) -> None:
        """Begin anew."""
        for own in self.spent.values():
            own[:] = [0.0, 0.0]


@contextmanager
def on_the_clock(*more: Part) -> Iterator[Ledger]:
    """While the block runs, every part is timed, and `more`."""
    parts = (*PARTS, *more)
    ledger, genuine = Ledger(), [getattr(owner, name) for *_, owner, name in parts]
    for (kind, part, owner, name), act in zip(parts, genuine, strict=True):
        setattr(owner, name, ledger.timed((kind, part), act))
    try:
        yield ledger
    finally:
        for (*_, owner, name), act in zip(parts, genuine, strict=True):
            setattr(owner, name, act)
