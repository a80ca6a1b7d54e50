"""Sends a study as far as it has come, or for as long as it runs, whether MLflow is there or not."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from search.tracking.connection import NotTaken, connect, surroundings
from search.tracking.sender import Sender, complete, send_command
from storage import query
from storage.engine import Store
from storage.errors import StoreError

_LOOK_S = 2.0
_LONGEST_LOOK_S = 30.0
_NOTICE_S = 0.1


@dataclass(frozen=True)
class Standing:
    """How far a study is: trials that MLflow has to their end, and those that ended and it has not."""

    sent: int
    """Of those that are there, what was sent just now."""
    there: int
    left: int
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The shape that `track --json` promises."""
        return asdict(self)


def send_once(store: Store, name: str, uri: str) -> Standing:
    """Send what is not there yet, and look whether it is."""
    with surroundings(uri) as address:
        standing = _Follower(store, name, address)
        while standing.look(live=False) and standing.problem is None:
            standing.sender = None  # a fresh look finds what another sender made twice
        return standing.standing()


def follow(
    store: Store, name: str, uri: str, should_end: Callable[[], bool], tell: Callable[[Standing], None]
) -> Standing:
    """Send what is new every two seconds, until the study has its trials or once more after `should_end`.

    `tell` is called with every change. If MLflow is away it is asked again after twice the time, up to 30 s.
    """
    with surroundings(uri) as address:
        follower, told, wait = _Follower(store, name, address), None, _LOOK_S
        while True:
            ending = should_end()
            follower.look(live=not ending)
            if (standing := follower.standing()) != told:
                told = standing
                tell(standing)
            if ending or follower.finished:
                return standing
            wait = _LOOK_S if follower.problem is None else min(2 * wait, _LONGEST_LOOK_S)
            _pause(wait, should_end)


class _Follower:
    """A sender that is made again after each failure, and what is known of it meanwhile."""

    def __init__(self, store: Store, name: str, uri: str) -> None:
        self._store, self._name, self._uri = store, name, uri
        self._sent = self._there = self._ended = 0
        self.sender: Sender | None = None
        self.problem: str | None = None
        self.finished = False
        """Whether all is sent and nothing more will come."""

    def look(self, *, live: bool) -> int:
        """Send what is new; how many trials came to their end by it."""
        sent, self.problem = 0, None
        try:
            was_complete = complete(self._store, self._name)  # before the look: a trial may end during it
            counts = query.verdict_counts(self._store, self._name)
            self._ended = sum(n for verdict, n in counts.items() if verdict is not None)
            if self.sender is None:
                self.sender = Sender(connect(self._uri), self._store, self._name)
            sender, before = self.sender, self.sender.there
            try:
                sender.send(live=live)
            finally:
                sent, self._there = sender.there - before, sender.there
                self._sent += sent
            self.problem = next((str(refusal) for refusal in sender.refused.values()), None)
            self.finished = was_complete and self.problem is None
        except (NotTaken, StoreError) as failure:
            self.sender, self.problem = None, str(failure)
        return sent

    def standing(self) -> Standing:
        """How far the study is."""
        left = max(0, self._ended - self._there)
        return Standing(self._sent, self._there, left, self.problem)


def not_sent(store: Store, name: str, left: int, problem: str | None) -> str:
    """What a study that is not in MLflow to its end is said of, in one sentence."""
    why = "" if problem is None else f" ({problem})"
    return (
        f"{left} trials of study {name!r} are not in MLflow{why}; they are kept in the store, send them "
        f"later: {send_command(store, name)}"
    )


def _pause(seconds: float, should_end: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not should_end():
        time.sleep(_NOTICE_S)
