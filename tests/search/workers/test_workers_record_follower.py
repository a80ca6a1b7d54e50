"""The leading process reports what its workers do, in whatever order they record it."""

from typing import TYPE_CHECKING, Any

import pytest

from search.record import row_mapping
from search.verdict import Judgement
from search.workers.pool import RecordFollower
from search.workers.progress import NoProgress, TrialEnd
from storage import query, record, tables
from storage.verdicts import Verdict

if TYPE_CHECKING:
    from tests.search_fixtures import Launch, Launched, WriteStudy


class Listener(NoProgress):
    def __init__(self) -> None:
        self.events: list[str] = []

    def trial_began(self, number: int, epochs: int) -> None:
        self.events.append(f"{number} began")

    def trial_ended(self, end: TrialEnd) -> None:
        self.events.append(f"{end.number} ended")


def started(run: "Launched", number: int) -> tables.Trial:
    row = tables.Trial(
        study="small", number=number, params={}, seed=1, started_at=row_mapping.now(), worker="w:1:1"
    )
    record.start_trial(run.store, row, [])
    return row


def ended(run: "Launched", row: tables.Trial) -> None:
    judgement = Judgement(Verdict.FAILED, ("crashed",), "it died")
    row_mapping.finish_trial(run.store, row, judgement, worker="w:1:1", duration_s=1.0)


def test_a_trial_that_is_recorded_after_a_later_one_is_reported_too(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run, listener = launch(write_study(), "study.trials=1"), Listener()
    follower = RecordFollower(run.study, listener)
    later = started(run, 2)
    follower.poll()
    earlier = started(run, 1)
    follower.poll()
    ended(run, earlier)
    ended(run, later)
    follower.poll()
    follower.poll()
    assert listener.events == ["2 began", "1 began", "1 ended", "2 ended"]


def test_a_queued_trial_keeps_its_number_and_is_reported_when_it_begins(
    write_study: "WriteStudy", launch: "Launch"
) -> None:
    run, listener = launch(write_study(), "study.trials=1"), Listener()
    started(run, 3)
    follower = RecordFollower(run.study, listener)
    started(run, 1)
    follower.poll()
    assert listener.events == ["1 began"]


def test_a_number_that_never_comes_does_not_make_every_poll_read_the_whole_study(
    write_study: "WriteStudy", launch: "Launch", monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(write_study(), "study.trials=1")
    follower = RecordFollower(run.study, Listener())
    for number in range(2, 12):  # 1 waits in the queue for ever
        ended(run, started(run, number))
    follower.poll()
    genuine, read = query.trials_from, list[int]()

    def counted(*asked: Any) -> list[tables.Trial]:
        found = genuine(*asked)
        read.append(len(found))
        return found

    monkeypatch.setattr(query, "trials_from", counted)
    follower.poll()
    ended(run, started(run, 12))
    follower.poll()
    assert read == [0, 1]
