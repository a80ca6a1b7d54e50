"""Whether our record and Optuna's agree on every trial, and what brings them to agree again."""

import time
from collections.abc import Callable, Iterator

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from search.process_identity import is_dead, this_worker
from search.sampling.optuna_storage import has_optuna_tables, optuna_storage
from search.study.backend import open_backend
from search.study.liveness import HEARTBEAT_INTERVAL_S, MAX_MISSED_BEATS
from search.study.orphans import orphan_message, orphaned_studies
from search.verdict import ADDED_ELSEWHERE, ENDED_ELSEWHERE
from search.workers.recovery import record_additions, recover_trials
from storage import query, tables, workers
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


NO_HEARTBEAT_S = HEARTBEAT_INTERVAL_S * MAX_MISSED_BEATS
"""Seconds without a beat after which a worker of another machine is held for gone, as workers hold it."""
_Silent = Callable[[str, str], bool]
"""Whether a worker, named second, of a study shows no life."""
_NO_STATE_OF_OURS = frozenset({ADDED_ELSEWHERE, ENDED_ELSEWHERE})


def reconcile(store: Store, *, watch: float = 0.0) -> list[str]:
    """Bring the trials of dead workers to an end, as a run does, and record what others have added to Optuna;
    one sentence for each.

    Workers of other machines are held for living unless they are watched for `watch` seconds and show no
    beat in them.
    """
    if not has_optuna_tables(store):
        return []
    storage = optuna_storage(store)
    known = {study.study_name for study in optuna.get_all_study_summaries(storage, include_best_trial=False)}
    lost = set(orphaned_studies(store))  # which of their numbers mean which trials nobody can tell
    names = [study.name for study in query.studies(store) if study.name in known - lost]
    silent = _silent(store, names, watch)
    return [said for name in names for said in _reconcile(store, storage, name, silent)]


def _reconcile(store: Store, storage: BaseStorage, name: str, silent: _Silent) -> Iterator[str]:
    books, me = open_backend(store, storage, name), this_worker()
    for number in recover_trials(books, me, lambda worker: is_dead(worker) or silent(name, worker)):
        yield f"trial {number} of {name!r}: its worker is gone; it has been brought to an end"
    for number in record_additions(books, me):
        yield f"trial {number} of {name!r}: somebody else has added it to Optuna; it is on record as failed"


def _silent(store: Store, names: list[str], watch: float) -> _Silent:
    """Whether a worker of a study gave no sign of life while it was watched; nobody, where none was."""
    if watch <= 0 or not any(query.running(store, name) for name in names):
        return lambda name, worker: False
    before = _beats(store, names)
    time.sleep(watch)
    after = _beats(store, names)
    return lambda name, worker: before.get((name, worker)) == after.get((name, worker))


def _beats(store: Store, names: list[str]) -> dict[tuple[str, str], int]:
    return {
        (name, row.worker): row.beats for name in names for row in workers.registered_workers(store, name)
    }


def inconsistencies(store: Store) -> list[str]:
    """One sentence for each trial that the two parts tell differently; nothing is written."""
    studies = query.studies(store)
    if not studies:
        return []
    if not has_optuna_tables(store):
        return [orphan_message(store, study.name) for study in studies]
    storage, lost = optuna_storage(store), set(orphaned_studies(store))
    return [
        sentence
        for study in studies
        for sentence in (
            [orphan_message(store, study.name)] if study.name in lost else _of_study(store, storage, study)
        )
    ]


def _of_study(store: Store, storage: BaseStorage, study: tables.Study) -> Iterator[str]:
    rows = {row.number: row for row in query.trials(store, study.name)}
    settles = f"the next run of {study.name!r} settles it"
    stays = "Ballast goes by its record, Optuna keeps what it was told; nothing is to be done"
    for trial in storage.get_all_trials(storage.get_study_id_from_name(study.name), deepcopy=False):
        if trial.state is TrialState.WAITING:
            continue
        row = rows.pop(trial.number, None)
        if row is None:
            yield (
                f"trial {trial.number} of {study.name!r} is {trial.state.name} in Optuna, "
                f"not on record; {settles}"
            )
        elif not _agree(row, trial.state):
            hint = stays if row.verdict and trial.state.is_finished() else settles
            yield (
                f"trial {trial.number} of {study.name!r} is {row.verdict or 'running'} on record, "
                f"{trial.state.name} in Optuna; {hint}"
            )


def _agree(row: tables.Trial, state: TrialState) -> bool:
    """A trial that others have ended in Optuna may be there in any state that is an end."""
    if _NO_STATE_OF_OURS & set(row.reasons):
        return state.is_finished()
    return state in _STATES[row.verdict]
