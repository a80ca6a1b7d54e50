"""A configuration that was tried before is not trained again: its trial copies the result on record."""

from collections.abc import Sequence

from search.config.resolved_study import ResolvedTrial
from search.record import row_mapping
from search.record.validation_rows import copied_forecasts
from search.study.studies import OpenStudy
from search.verdict import DUPLICATE, MAX_SECONDS, Judgement
from storage import query, record, tables
from storage.engine import Store
from storage.verdicts import Verdict


def find_cached_trial(study: OpenStudy, resolved: ResolvedTrial) -> tables.Trial | None:
    """The first conclusive trial of the same configuration; None if there is none or `study.duplicates` is
    `rerun`.

    For a grid, a running trial counts too, because no two trials may try the same point.
    """
    section = study.resolved.file.study
    if section.duplicates == "rerun":
        return None
    candidates = query.find_configuration(
        study.store, study.name, *resolved.digests, running=section.sampler == "grid"
    )
    # A trial that a time limit cut short might go on under the present limit.
    return next((trial for trial in candidates if MAX_SECONDS not in trial.reasons), None)


def judge_repeated_point(cached: tables.Trial) -> Judgement:
    """The verdict of a queued trial whose grid point another trial has tried or is trying.

    It is not conclusive. A copy would count towards the trials wanted, and another grid point would be left
    out.
    """
    does = "is trying" if cached.verdict is None else "has tried"
    why = f"trial {cached.number} {does} this point of the grid; it is not tried twice and does not count"
    return Judgement(Verdict.INTERRUPTED, (DUPLICATE,), why)


def cached_judgement(cached: tables.Trial) -> Judgement:
    """The verdict of a copy: that of the cached trial, with a message that names it."""
    assert cached.verdict is not None, "a cached trial is conclusive"
    message = f"same configuration as trial {cached.number}, whose result this is: {cached.message}"
    return Judgement(cached.verdict, (*cached.reasons, DUPLICATE), message)


def cached_epochs(store: Store, cached: tables.Trial, number: int) -> list[tables.Epoch]:
    """The epochs of the cached trial, as rows of trial `number`."""
    return [
        row_mapping.epoch_of_copy(epoch, cached.study, number)
        for epoch in query.epochs(store, cached.study, cached.number)
    ]


def finish_cached_trial(
    store: Store,
    row: tables.Trial,
    cached: tables.Trial,
    epochs: Sequence[tables.Epoch],
    *,
    worker: str,
    duration_s: float,
) -> Judgement:
    """Record that the trial of `row` ends as the cached trial did, in one transaction."""
    judgement = cached_judgement(cached)
    record.finish_trial(
        store,
        row.study,
        row.number,
        worker=worker,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        message=judgement.message,
        value=cached.value,
        skill=cached.skill,
        best_epoch=cached.best_epoch,
        epochs=cached.epochs,
        finished_at=row_mapping.now(),
        duration_s=duration_s,
        objectives=cached.objectives,
        remaining=epochs,
        forecasts=copied_forecasts(store, cached, row.study, row.number),
    )
    return judgement
