"""Which workers are gone is found by counting heartbeats, never by comparing clocks."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search.errors import AnswerIsNo
from search.process_identity import host_identity, this_worker
from search.study.liveness import Heartbeat, LivenessTracker
from storage import workers
from storage.engine import Store

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, WriteStudy

ELSEWHERE = "another-host-00000000:7:7"


@pytest.fixture
def store(write_study: "WriteStudy", launch: "Launch") -> Store:
    return launch(write_study(study={"trials": 1})).store


def test_no_worker_is_lost_before_the_first_observation() -> None:
    assert not LivenessTracker(misses=1).is_lost(ELSEWHERE)


def test_a_worker_whose_count_does_not_grow_for_long_enough_is_lost() -> None:
    tracker = LivenessTracker(misses=3)
    for _ in range(3):
        tracker.observe({ELSEWHERE: 5})
    assert not tracker.is_lost(ELSEWHERE)
    tracker.observe({ELSEWHERE: 5})
    assert tracker.is_lost(ELSEWHERE)


def test_one_beat_starts_the_count_again() -> None:
    tracker = LivenessTracker(misses=2)
    for beats in (5, 5, 6, 6):
        tracker.observe({ELSEWHERE: beats})
    assert not tracker.is_lost(ELSEWHERE)


def test_a_worker_that_has_left_is_gone() -> None:
    tracker = LivenessTracker()
    tracker.observe({ELSEWHERE: 1})
    tracker.observe({})
    assert not tracker.is_lost(ELSEWHERE)
    tracker.observe({})
    assert tracker.is_lost(ELSEWHERE)


def test_a_worker_that_joined_after_the_last_observation_is_not_lost() -> None:
    tracker = LivenessTracker()
    tracker.observe({})
    assert not tracker.is_lost(ELSEWHERE)
    tracker.observe({ELSEWHERE: 1})
    assert not tracker.is_lost(ELSEWHERE)


def test_a_worker_that_is_not_registered_is_lost_two_observations_later() -> None:
    tracker = LivenessTracker()
    assert not tracker.is_lost(ELSEWHERE)
    tracker.observe({})
    assert not tracker.is_lost(ELSEWHERE)
    tracker.observe({})
    assert tracker.is_lost(ELSEWHERE)


def test_a_worker_is_entered_while_it_works_and_no_longer(store: Store) -> None:
    with Heartbeat(store, "small", this_worker(), "cpu") as heartbeat:
        (entered,) = workers.registered_workers(store, "small")
        assert (entered.worker, entered.device) == (heartbeat.worker, "cpu")
    assert workers.registered_workers(store, "small") == []


def test_a_worker_that_leaves_its_trial_behind_counts_until_others_have_settled_it(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), Heartbeat(store, "small", this_worker()):
        raise KeyboardInterrupt
    assert [worker.worker for worker in workers.registered_workers(store, "small")] == [this_worker()]


def test_a_worker_that_gives_up_between_two_trials_leaves(store: Store) -> None:
    with pytest.raises(AnswerIsNo), Heartbeat(store, "small", this_worker()):
        raise AnswerIsNo("3 configurations failed in a row")
    assert workers.registered_workers(store, "small") == []


def test_its_heart_beats_and_it_hears_others_stand_still(store: Store) -> None:
    workers.register_worker(store, "small", ELSEWHERE)
    with Heartbeat(store, "small", this_worker(), interval=0.02, misses=3) as heartbeat:
        assert not heartbeat.is_gone(ELSEWHERE)
        deadline = time.monotonic() + 30
        while not heartbeat.is_gone(ELSEWHERE) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert heartbeat.is_gone(ELSEWHERE)
        assert max(worker.beats for worker in workers.registered_workers(store, "small")) >= 3


def test_a_process_of_this_machine_is_checked_directly(store: Store) -> None:
    say = "from search.process_identity import this_worker; print(this_worker(), flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", say],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    with Heartbeat(store, "small", this_worker()) as heartbeat:
        assert not heartbeat.is_gone(name)
        child.kill()
        child.communicate()
        assert heartbeat.is_gone(name)


def test_two_machines_of_one_name_are_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = host_identity()
    assert mine == host_identity()
    genuine = Path.read_text

    def other_kernel(path: Path, *args: str, **named: str) -> str:
        return "another boot" if path.name == "boot_id" else genuine(path, *args, **named)

    monkeypatch.setattr(Path, "read_text", other_kernel)
    assert host_identity() != mine
    assert host_identity().rpartition("-")[0] == mine.rpartition("-")[0]
