"""A configuration that was tried before is not trained again: its trial gets the result that is known."""

from collections.abc import Sequence

from search.config.resolved_study import ResolvedTrial
from search.record import row_mapping as recording
from search.record.validation_rows import copied_forecasts
from search.study.studies import OpenStudy
from search.verdict import DUPLICATE, MAX_SECONDS, Judgement
from storage import query, record, tables
from storage.engine import Store
from storage.verdicts import Verdict


def find_cached_trial(study: OpenStudy, resolved: ResolvedTrial) -> tables.Trial | None:
    """The first conclusive trial of the same configuration, where `study.duplicates` wants it reused.

    Of a grid one that is running will do: no two trials have the same of its points.
    """
    section = study.resolved.file.study
    if section.duplicates == "rerun":
        return None
    known = query.find_configuration(
        study.store, study.name, *resolved.digests, running=section.sampler == "grid"
    )
    # What a time limit cut short might go on under the present one.
    return next((trial for trial in known if MAX_SECONDS not in trial.reasons), None)


def judge_repeated_point(twin: tables.Trial) -> Judgement:
    """The verdict of a queued trial whose point of the grid another trial has.

    It is not conclusive: a copy would count as one of the trials, and a point of the grid be left out for it.
    """
    does = "is trying" if twin.verdict is None else "has tried"
    why = f"trial {twin.number} {does} this point of the grid; it is not tried twice and does not count"
    return Judgement(Verdict.INTERRUPTED, (DUPLICATE,), why)


def cached_judgement(twin: tables.Trial) -> Judgement:
    """The verdict of a copy: its twin's, and where it is from."""
    assert twin.verdict is not None, "a twin has come to a conclusion"
    told = f"same configuration as trial {twin.number}, whose result this is: {twin.message}"
    return Judgement(twin.verdict, (*twin.reasons, DUPLICATE), told)


def cached_epochs(store: Store, twin: tables.Trial, number: int) -> list[tables.Epoch]:
    """The twin's epochs, as those of trial `number`."""
    return [
        recording.epoch_of_copy(epoch, twin.study, number)
        for epoch in query.epochs(store, twin.study, twin.number)
    ]


def finish_cached_trial(
    store: Store,
    row: tables.Trial,
    twin: tables.Trial,
    epochs: Sequence[tables.Epoch],
    *,
    worker: str,
    duration_s: float,
) -> Judgement:
    """Record that the trial of `row` ends as its twin did, in one transaction."""
    judgement = cached_judgement(twin)
    record.finish_trial(
        store,
        row.study,
        row.number,
        worker=worker,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        message=judgement.message,
        value=twin.value,
        skill=twin.skill,
        best_epoch=twin.best_epoch,
        epochs=twin.epochs,
        finished_at=recording.now(),
        duration_s=duration_s,
        remaining=epochs,
        forecasts=copied_forecasts(store, twin, row.study, row.number),
    )
    return judgement
