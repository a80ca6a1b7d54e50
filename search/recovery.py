"""Puts in order what a killed worker left behind: trials that nobody runs, and verdicts that Optuna missed.

A trial's end is two commits, ours and then Optuna's. Whatever moment a worker dies in, one of these holds:

    our record          Optuna      what is done
    ──────────────────────────────────────────────────────────────────────────────
    no row              RUNNING     recorded as interrupted, told FAIL, queued again
    running, dead       RUNNING     recorded as interrupted, told FAIL, queued again
    has a verdict       RUNNING     Optuna is told the verdict on record
"""

import logging
from datetime import datetime, timedelta

import optuna
from optuna.trial import TrialState

from search import recording
from search.objective import conclude, start
from search.study import OpenStudy
from search.verdict import WORKER_DIED, Judgement
from search.worker import WORKER, is_dead, this_worker
from storage import query, tables
from storage.errors import TrialUnknown
from storage.verdicts import Verdict

log = logging.getLogger("ballast.recovery")

_OWNERLESS = timedelta(minutes=2)
"""A worker signs a trial at once; only a lock on the database, of a minute at most, can come between."""

_DIED = Judgement(
    Verdict.INTERRUPTED, (WORKER_DIED,), "its worker is gone; its parameters will be tried again"
)


def recover(study: OpenStudy) -> list[int]:
    """Bring the trials of dead workers to an end; their numbers. Trials of living workers are left alone."""
    running = study.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [frozen.number for frozen in running if _recover(study, frozen)]


def _recover(study: OpenStudy, frozen: optuna.trial.FrozenTrial) -> bool:
    row = _row(study, frozen.number)
    if not _is_orphan(row, frozen):
        return False
    trial, judgement = optuna.Trial(study.optuna, frozen._trial_id), _DIED
    if row is None:
        row = start(study, frozen.user_attrs.get(WORKER, this_worker()), trial)
    if row.verdict is not None:
        judgement = Judgement(row.verdict, tuple(row.reasons), row.message or "")
    else:
        epochs = query.epochs(study.store, study.name, row.number)
        recording.finish_trial(study.store, row, _DIED, epochs=epochs)
    conclude(study, trial, judgement, row.value)
    log.info("trial %d: its worker is gone; it is %s", frozen.number, judgement.verdict)
    return True


def _is_orphan(row: tables.Trial | None, frozen: optuna.trial.FrozenTrial) -> bool:
    """Whether nobody runs this trial. One that has no owner yet is given time to get one."""
    owner = row.worker if row is not None else frozen.user_attrs.get(WORKER)
    if owner is not None:
        return is_dead(owner)
    started = frozen.datetime_start
    return started is not None and datetime.now() - started > _OWNERLESS


def _row(study: OpenStudy, number: int) -> tables.Trial | None:
    try:
        return query.trial(study.store, study.name, number)
    except TrialUnknown:
        return None
