"""A configuration that was tried before is not trained again: its trial gets the result that is known."""

from collections.abc import Sequence

from search import recording
from search.rows import copied_forecasts
from search.study import OpenStudy
from search.verdict import DUPLICATE, MAX_SECONDS, Judgement
from storage import query, record, tables
from storage.engine import Store


def find_twin(study: OpenStudy, configuration: str) -> tables.Trial | None:
    """The first conclusive trial of the same configuration, where `study.duplicates` wants it reused."""
    if study.resolved.file.study.duplicates == "rerun":
        return None
    known = query.find_configuration(study.store, study.name, configuration)
    # What a time limit cut short might go on under the present one.
    return next((trial for trial in known if MAX_SECONDS not in trial.reasons), None)


def judgement_of(twin: tables.Trial) -> Judgement:
    """The verdict of a copy: its twin's, and where it is from."""
    assert twin.verdict is not None, "a twin has come to a conclusion"
    told = f"same configuration as trial {twin.number}, whose result this is: {twin.message}"
    return Judgement(twin.verdict, (*twin.reasons, DUPLICATE), told)


def epochs_of(store: Store, twin: tables.Trial, number: int) -> list[tables.Epoch]:
    """The twin's epochs, as those of trial `number`."""
    return [
        recording.epoch_of_copy(epoch, twin.study, number)
        for epoch in query.epochs(store, twin.study, twin.number)
    ]


def finish_copy(
    store: Store,
    row: tables.Trial,
    twin: tables.Trial,
    epochs: Sequence[tables.Epoch],
    *,
    worker: str,
    duration_s: float,
) -> Judgement:
    """Record that the trial of `row` ends as its twin did, in one transaction."""
    judgement = judgement_of(twin)
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
