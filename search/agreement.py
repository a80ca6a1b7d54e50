"""Whether our record and Optuna's agree on every trial, and what brings them to agree again."""

from collections.abc import Iterator

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from search.books import open_books
from search.optuna_storage import has_optuna_tables, optuna_storage
from search.recovery import recover
from search.worker import is_dead, this_worker
from storage import query, tables
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


def reconcile(store: Store) -> list[str]:
    """Bring the trials of this machine's dead workers to an end, as a run does; one sentence for each.

    Of a worker on another machine nothing is known without watching it, which is what runs and workers do.
    """
    if not has_optuna_tables(store):
        return []
    storage = optuna_storage(store)
    known = {study.study_name for study in optuna.get_all_study_summaries(storage, include_best_trial=False)}
    return [
        f"trial {number} of {study.name!r}: its worker is gone; it has been brought to an end"
        for study in query.studies(store)
        if study.name in known
        for number in recover(open_books(store, storage, study.name), this_worker(), is_dead)
    ]


def disagreements(store: Store) -> list[str]:
    """One sentence for each trial that the two parts tell differently; nothing is written."""
    studies = query.studies(store)
    if not studies:
        return []
    if not has_optuna_tables(store):
        return [f"{store.shown_url} has {len(studies)} studies, but no tables of Optuna"]
    storage = optuna_storage(store)
    return [sentence for study in studies for sentence in _of_study(store, storage, study)]


def _of_study(store: Store, storage: BaseStorage, study: tables.Study) -> Iterator[str]:
    try:
        known = storage.get_study_id_from_name(study.name)
    except KeyError:
        yield f"study {study.name!r} is on record, but Optuna does not know it"
        return
    rows = {row.number: row for row in query.trials(store, study.name)}
    hint = f"the next run of {study.name!r} settles it"
    for trial in storage.get_all_trials(known, deepcopy=False):
        if trial.state is TrialState.WAITING:
            continue
        row = rows.pop(trial.number, None)
        if row is None:
            yield (
                f"trial {trial.number} of {study.name!r} is {trial.state.name} in Optuna, "
                f"not on record; {hint}"
            )
        elif trial.state not in _STATES[row.verdict]:
            yield (
                f"trial {trial.number} of {study.name!r} is {row.verdict or 'running'} on record, "
                f"{trial.state.name} in Optuna; {hint}"
            )
    for number in rows:
        yield f"trial {number} of {study.name!r} is on record, but Optuna does not know it"
