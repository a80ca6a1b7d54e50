"""Checks that the record and Optuna agree on every trial, and repairs what a run would repair."""

from collections.abc import Iterator

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from search.process_identity import is_dead, this_worker
from search.sampling.optuna_storage import has_optuna_tables, optuna_storage
from search.study.backend import open_backend
from search.study.liveness import IsSilent, watch_workers
from search.study.orphans import orphan_message, orphaned_studies
from search.study.voiding import settle_voids, voids_untold
from search.verdict import ADDED_ELSEWHERE, ENDED_ELSEWHERE
from search.workers.recovery import record_additions, recover_trials
from storage import query, tables, voids
from storage.engine import Store
from storage.verdicts import Verdict

_STATES = {
    None: {TrialState.RUNNING},
    Verdict.ACCEPTED: {TrialState.COMPLETE},
    Verdict.UNPROMISING: {TrialState.PRUNED, TrialState.COMPLETE},
    Verdict.UNSTABLE: {TrialState.PRUNED, TrialState.COMPLETE},
    Verdict.SUSPICIOUS: {TrialState.PRUNED, TrialState.COMPLETE},
    Verdict.INTERRUPTED: {TrialState.FAIL},
    Verdict.FAILED: {TrialState.FAIL},
}

_CHANGED_ELSEWHERE = frozenset({ADDED_ELSEWHERE, ENDED_ELSEWHERE})


def reconcile(store: Store, *, watch: float = 0.0) -> list[str]:
    """End the trials of dead workers, as a run does, and record what other programs have added to Optuna;
    returns one sentence for each trial.

    A worker of another machine counts as alive, unless `watch` is above 0 and it sends no heartbeat for that
    many seconds.
    """
    if not has_optuna_tables(store):
        return []
    storage = optuna_storage(store)
    known = {study.study_name for study in optuna.get_all_study_summaries(storage, include_best_trial=False)}
    orphaned = set(orphaned_studies(store))  # their trial numbers no longer mean the trials on record
    names = [study.name for study in query.studies(store) if study.name in known - orphaned]
    is_silent = watch_workers(store, names, watch)
    return [sentence for name in names for sentence in _reconcile(store, storage, name, is_silent)]


def _reconcile(store: Store, storage: BaseStorage, name: str, is_silent: IsSilent) -> Iterator[str]:
    backend, me = open_backend(store, storage, name), this_worker()
    for number in recover_trials(backend, me, lambda worker: is_dead(worker) or is_silent(name, worker)):
        yield f"trial {number} of {name!r}: its worker is gone; it has been brought to an end"
    for number in settle_voids(store, name):
        yield f"trial {number} of {name!r}: it was voided, and Optuna or the record did not know; now both do"
    for number in record_additions(backend, me):
        yield f"trial {number} of {name!r}: somebody else has added it to Optuna; it is on record as failed"


def inconsistencies(store: Store) -> list[str]:
    """One sentence for each trial on which the record and Optuna differ; writes nothing."""
    studies = query.studies(store)
    if not studies:
        return []
    if not has_optuna_tables(store):
        return [orphan_message(store, study.name) for study in studies]
    storage, orphaned = optuna_storage(store), set(orphaned_studies(store))
    return [
        sentence
        for study in studies
        for sentence in (
            [orphan_message(store, study.name)]
            if study.name in orphaned
            else _inconsistent_trials(store, storage, study)
        )
    ]


def _inconsistent_trials(store: Store, storage: BaseStorage, study: tables.StudyRow) -> Iterator[str]:
    yield from _unsettled_voids(store, study.name)
    rows = {row.number: row for row in query.trials(store, study.name)}
    will_settle = f"the next run of {study.name!r} settles it"
    may_stay = "Ballast goes by its record, Optuna keeps what it was told; nothing is to be done"
    for trial in storage.get_all_trials(storage.get_study_id_from_name(study.name), deepcopy=False):
        if trial.state is TrialState.WAITING:
            continue
        row = rows.pop(trial.number, None)
        if row is None:
            yield (
                f"trial {trial.number} of {study.name!r} is {trial.state.name} in Optuna, "
                f"not on record; {will_settle}"
            )
        elif not _agree(row, trial.state):
            hint = may_stay if row.verdict and trial.state.is_finished() else will_settle
            yield (
                f"trial {trial.number} of {study.name!r} is {row.verdict or 'running'} on record, "
                f"{trial.state.name} in Optuna; {hint}"
            )


def _unsettled_voids(store: Store, name: str) -> Iterator[str]:
    for number in voids_untold(store, name):
        yield f"trial {number} of {name!r} is voided on record, not in Optuna; the next run of it settles it"
    for number, source in voids.copies_to_void(store, name):
        of_study = "" if source.study == name else f" of {source.study!r}"
        yield (
            f"trial {number} of {name!r} is a copy of trial {source.trial}{of_study}, which was voided; "
            "the next run of it settles it"
        )


def _agree(row: tables.Trial, state: TrialState) -> bool:
    """Whether verdict and state agree. A trial that another program ended may have any final state."""
    if _CHANGED_ELSEWHERE & set(row.reasons):
        return state.is_finished()
    return state in _STATES[row.verdict]
