"""A study counts as left if no worker has run it for long enough, and not before it has begun."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from search.process_identity import host_identity, this_worker
from search.study.liveness import (
    HEARTBEAT_INTERVAL_S,
    NO_HEARTBEAT_S,
    NO_WORKER_S,
    StallDetector,
    active_workers,
    stall_message,
)
from storage import workers
from storage.engine import Store

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

pytestmark = pytest.mark.slow

ELSEWHERE = "another-host-00000000:7:7"


class Clock:
    """Each reading is one heartbeat interval after the last."""

    def __init__(self, step: float = HEARTBEAT_INTERVAL_S) -> None:
        self._now, self._step = 0.0, step

    def __call__(self) -> float:
        self._now += self._step
        return self._now


@pytest.fixture
def store(write_study: "WriteStudy", launch: "Launch") -> Store:
    """A study of two trials, `small`, that no worker runs."""
    return launch(write_study()).store


def polls(detector: StallDetector, most: int = 100) -> Iterator[bool]:
    """Polls until the study is left, or `most` times."""
    for _ in range(most):
        yield (is_left := detector.poll())
        if is_left:
            return


def test_a_study_without_a_worker_is_left_after_some_seconds(store: Store) -> None:
    seen = list(polls(StallDetector(store, "small", Clock())))
    assert seen == [False] * round(NO_WORKER_S / HEARTBEAT_INTERVAL_S) + [True]


def test_a_worker_that_was_killed_on_this_machine_does_not_count(store: Store) -> None:
    workers.register_worker(store, "small", f"{host_identity()}:4194304:1")
    assert active_workers(store, "small") == []
    assert (
        len(list(polls(StallDetector(store, "small", Clock()))))
        == round(NO_WORKER_S / HEARTBEAT_INTERVAL_S) + 1
    )


@pytest.mark.slow
@pytest.mark.parametrize("worker", [ELSEWHERE, this_worker()], ids=["elsewhere", "here"])
def test_a_worker_without_a_beat_is_lost_after_a_minute_and_not_before(store: Store, worker: str) -> None:
    workers.register_worker(store, "small", worker)
    detector = StallDetector(store, "small", Clock())
    for _ in range(50):
        workers.record_heartbeat(store, "small", worker)
        assert not detector.poll()
    assert len(list(polls(detector))) == round(NO_HEARTBEAT_S / HEARTBEAT_INTERVAL_S)


def test_no_worker_counts_as_gone_because_the_store_was_away(store: Store) -> None:
    """The time between two polls counts for one heartbeat interval at most."""
    seen = list(polls(StallDetector(store, "small", Clock(step=3600.0))))
    assert len(seen) == round(NO_WORKER_S / HEARTBEAT_INTERVAL_S) + 1


@pytest.mark.slow
def test_a_study_that_has_not_begun_is_waited_for(
    store: Store, write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    """Imported trials are not its own."""
    path = write_study()
    refused = ballast("run", path, "--name", "more", "--continue-from", "small", "--timeout", "0.0001")
    assert refused.code == 0, refused.err
    assert not any(polls(StallDetector(store, "more", Clock()), 30))
    assert ballast("run", path, "--name", "more").code == 0
    assert any(polls(StallDetector(store, "more", Clock()), 30))


def test_the_message_names_the_study_file_and_a_name_that_the_command_line_set(
    store: Store, write_study: "WriteStudy", ballast: "Ballast"
) -> None:
    path = write_study()
    assert ballast("run", path, "--name", "an other", "--trials", 1).code == 0
    at = store.shown_url
    assert stall_message(store, "small") == (
        "nobody is at work on study 'small', which has 2 of 2 trials; go on with: "
        f"ballast run {path} --store {at}"
    )
    assert stall_message(store, "an other").endswith(f"ballast run {path} --store {at} --name 'an other'")
