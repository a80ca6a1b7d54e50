"""Evaluations and what studies searched on, on each database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from storage import evaluations
from storage.engine import Store
from storage.record import create_study, finish_trial, start_trial
from storage.tables import DataFingerprint, Evaluation, StoredValidationRows, StudyRow, Trial
from storage.verdicts import Verdict

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def evaluation(kind: str = "verify", days: int = 0) -> Evaluation:
    """Of a hundred days, which begin `days` after a fixed date."""
    first = NOON + timedelta(days=days)
    return Evaluation(
        study="s",
        configuration=f"{kind} {days}",
        source="sample:sp500",
        content="ab",
        target="Close",
        first_time=first,
        last_time=first + timedelta(days=100),
        looked_at=NOON,
        looked_by="me@host",
        seeds=[1],
        kind=kind,
        series=b"\x00\xff",
    )


def test_those_near_a_span_of_time_are_found_and_given_back_as_they_were(store: Store) -> None:
    for days in (0, 150, 1000):
        evaluations.start_evaluation(store, evaluation(days=days))
    found = evaluations.evaluations_near(store, NOON, NOON + timedelta(days=100))
    assert [(each.configuration, each.series) for each in found] == [
        ("verify 0", b"\x00\xff"),
        ("verify 150", b"\x00\xff"),
    ]


def test_trainings_are_no_verifications_of_a_study(store: Store) -> None:
    for kind in ("train", "verify"):
        evaluations.start_evaluation(store, evaluation(kind))
    assert [each.kind for each in evaluations.verifications_of_study(store, "s")] == ["verify"]


def test_the_trials_that_came_to_a_conclusion_before_a_moment(
    store: Store,
    new_study: Callable[[str], StudyRow],
    new_data: Callable[[str], DataFingerprint],
    new_trial: Callable[[str, int], Trial],
) -> None:
    held_out = [StoredValidationRows(study="s", rows=b"rows", series=b"series")]
    create_study(store, new_study("s"), [], [], new_data("s"), held_out)
    verdicts = [Verdict.ACCEPTED, Verdict.UNPROMISING, Verdict.FAILED]
    for number, verdict in enumerate(verdicts):
        trial = new_trial("s", number)
        trial.source_study, trial.source_trial = ("old", 7) if number == 1 else (None, None)
        start_trial(store, trial, [])
        finish_trial(
            store,
            "s",
            number,
            worker=trial.worker,
            verdict=verdict,
            reasons=[],
            message="",
            value=None,
            skill=None,
            best_epoch=None,
            epochs=1,
            finished_at=NOON + timedelta(minutes=number),
            duration_s=1.0,
        )
    found = evaluations.conclusive_trials(store, ["s"], NOON + timedelta(hours=1))
    assert [(each.number, each.source) for each in found] == [(0, None), (1, ("old", 7))]
    assert evaluations.conclusive_trials(store, ["s"], NOON) == []
    (searched,) = evaluations.searched_rows(store)
    assert (searched.study, searched.source, searched.series) == ("s", "sample:sp500", b"series")
