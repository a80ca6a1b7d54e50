"""Settles what dead workers left behind: trials that no worker runs, and verdicts that Optuna was not told.

A trial ends with two commits, first in the record, then in Optuna. A worker can die at any moment; then one
of these cases holds:

    record                Optuna      what is done, by the one worker that takes the trial over
    ──────────────────────────────────────────────────────────────────────────────────────────
    no row                RUNNING     recorded as interrupted, told FAIL, queued again
    running, owner dead   RUNNING     recorded as interrupted, told FAIL, queued again
    has a verdict         RUNNING     Optuna is told the verdict on record
    running, owner dead   finished    recorded as failed: it was ended at the dashboard or in other code
    no row                finished    recorded as failed: it was added at the dashboard or in other code

A worker takes a trial over by replacing the dead owner's name with its own, which only one worker can do. If
that worker dies as well, it is the dead owner, and the table holds again.

Trials that somebody voids meanwhile are settled by search/study/voiding.py.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from search.process_identity import WORKER
from search.record import row_mapping
from search.sampling.retry import enqueue_retry
from search.study.backend import StudyBackend, begin_trial, conclude_trial
from search.study.trial_import import import_origin
from search.verdict import ADDED_ELSEWHERE, ENDED_ELSEWHERE, TAKEN_OVER, WORKER_DIED, Judgement
from storage import query, record, tables, workers
from storage.errors import TrialExists, TrialFinished, TrialTaken, TrialUnknown
from storage.verdicts import Verdict

log = logging.getLogger("ballast.recovery")

_OWNERLESS = timedelta(minutes=2)
_SETTLED_ALREADY = (TrialExists, TrialTaken, TrialFinished, UpdateFinishedTrialError)
"""Raised if another worker has settled the trial, or if its owner was alive and has ended it."""

_DIED = Judgement(
    Verdict.INTERRUPTED, (WORKER_DIED,), "its worker is gone; its parameters will be tried again"
)

_LATE = Judgement(
    Verdict.INTERRUPTED,
    (TAKEN_OVER,),
    "its worker was taken for dead before it began; another replaces it",
)

_ENDED = Judgement(
    Verdict.FAILED, (ENDED_ELSEWHERE,), "somebody else has ended it in Optuna, at the dashboard or in code"
)

_ADDED = Judgement(
    Verdict.FAILED,
    (ADDED_ELSEWHERE,),
    "somebody else has added it to Optuna or ended it there; what was trained is not known",
)


def recover_trials(backend: StudyBackend, me: str, is_gone: Callable[[str], bool]) -> list[int]:
    """End the trials of dead workers and unregister those workers; returns the trials' numbers.

    Called by a worker, `me`, that runs no trial. A running trial that has `me` as owner was created, but the
    store's answer was lost, so it is settled too. Trials of living workers are left alone.
    """
    registered = [row.worker for row in workers.registered_workers(backend.store, backend.name)]
    dead = [worker for worker in registered if worker != me and is_gone(worker)]
    # Read after the list of the dead: a worker on that list starts no trial that is not among these.
    running = backend.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    settled = [frozen.number for frozen in running if _recover(backend, frozen, me, is_gone)]
    settled += [row.number for row in _ended_elsewhere(backend) if _settle(backend, row, me, is_gone)]
    # A dead worker stays registered, and counts as busy, while another worker settles its trial. If it were
    # unregistered before that trial is queued again, a new trial would be started in its place.
    needed = {frozen.user_attrs.get(WORKER) for frozen in running if frozen.number not in settled}
    for worker in dead:
        if worker not in needed:
            workers.unregister_worker(backend.store, backend.name, worker)
    return settled


def record_additions(backend: StudyBackend, me: str) -> list[int]:
    """Record, as failed, the ended trials that other programs have added to Optuna; returns their numbers.

    Samplers learn from such a trial in any case, because Optuna keeps ended trials. It is never the best
    trial and does not count. Trials that this study imports from another one are not touched.
    """
    known = query.trial_numbers(backend.store, backend.name)
    ended = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    added = [
        frozen
        for frozen in backend.optuna.get_trials(deepcopy=False, states=ended)
        if frozen.number not in known and import_origin(frozen) is None
    ]
    return [frozen.number for frozen in added if _put_on_record(backend, frozen, me)]


def _put_on_record(backend: StudyBackend, frozen: FrozenTrial, me: str) -> bool:
    try:
        row_mapping.finish_trial(
            backend.store, begin_trial(backend, me, frozen), _ADDED, worker=me, duration_s=0.0
        )
    except _SETTLED_ALREADY:
        return False
    log.warning("trial %d: %s", frozen.number, _ADDED.message)
    return True


def _ended_elsewhere(backend: StudyBackend) -> list[tables.Trial]:
    """The trials that are running on record and finished in Optuna."""
    rows = query.running(backend.store, backend.name)
    if not rows:
        return []
    trials = backend.optuna.get_trials(deepcopy=False)
    return [row for row in rows if trials[row.number].state.is_finished()]


def _settle(backend: StudyBackend, row: tables.Trial, me: str, is_gone: Callable[[str], bool]) -> bool:
    try:
        if row.worker != me and not (
            is_gone(row.worker) and record.take_over(backend.store, backend.name, row.number, row.worker, me)
        ):
            return False
        _finish(backend, row, me, _ENDED)
    except _SETTLED_ALREADY:
        return False  # its owner was quicker, and has recorded and told its end
    log.warning("trial %d: %s", row.number, _ENDED.message)
    return True


def return_trial(backend: StudyBackend, me: str, trial: optuna.Trial) -> None:
    """End a trial of `me` whose place another worker has claimed, and queue its configuration again."""
    try:
        row = begin_trial(backend, me, trial)
        row_mapping.finish_trial(backend.store, row, _LATE, worker=me, duration_s=0.0)
        enqueue_retry(backend.optuna, trial)
        conclude_trial(backend, trial, _LATE)
    except _SETTLED_ALREADY:
        return  # another worker was quicker


def _recover(backend: StudyBackend, frozen: FrozenTrial, me: str, is_gone: Callable[[str], bool]) -> bool:
    row = _row(backend, frozen.number)
    owner = row.worker if row is not None else frozen.user_attrs.get(WORKER)
    if not (_is_ownerless(frozen) if owner is None else owner == me or is_gone(owner)):
        return False
    trial, judgement = optuna.Trial(backend.optuna, frozen._trial_id), _DIED
    try:
        if row is None:
            row = begin_trial(backend, me, trial)
        elif row.worker != me and not record.take_over(
            backend.store, backend.name, row.number, row.worker, me
        ):
            return False
        if row.verdict is not None:
            judgement = Judgement(row.verdict, tuple(row.reasons), row.message or "")
        else:
            _finish(backend, row, me, _DIED)
        epochs = query.epochs(backend.store, backend.name, row.number)
        best = row_mapping.best_epoch(epochs, row.best_epoch)
        conclude_trial(backend, trial, judgement, row.value, row.skill, best=best, objectives=row.objectives)
    except _SETTLED_ALREADY:
        return False  # another worker was quicker, or the owner, which was just about to end
    log.info("trial %d: its worker is gone; it is %s", frozen.number, judgement.verdict)
    return True


def _is_ownerless(frozen: FrozenTrial) -> bool:
    """Whether a trial without an owner, which another program asked Optuna for, counts as abandoned.

    Only its start time in Optuna is known. Trials with an owner are never judged by a clock.
    """
    started = frozen.datetime_start
    return started is not None and datetime.now() - started > _OWNERLESS


def _finish(backend: StudyBackend, row: tables.Trial, me: str, judgement: Judgement) -> None:
    """Record the end of the trial. Its duration is that of its epochs, as the time of death is not known."""
    epochs = query.epochs(backend.store, backend.name, row.number)
    seconds = sum(epoch.seconds for epoch in epochs)
    own = query.settings(backend.store, backend.name, row.number)
    log_row = row_mapping.log_row(backend.name, row.number, backend.files.log_of(row.number))
    row_mapping.finish_trial(
        backend.store,
        row,
        judgement,
        worker=me,
        duration_s=seconds,
        epochs=len(epochs),
        findings=query.findings(backend.store, backend.name, row.number),
        guard_position=sum(setting.key == row_mapping.LEARNING_RATE for setting in own),
        artifacts=[] if log_row is None else [log_row],
    )


def _row(backend: StudyBackend, number: int) -> tables.Trial | None:
    try:
        return query.trial(backend.store, backend.name, number)
    except TrialUnknown:
        return None
