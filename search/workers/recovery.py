"""Puts in order what dead workers left behind: trials that nobody runs, and verdicts that Optuna missed.

A trial's end is two commits, ours and then Optuna's. Whatever moment a worker dies in, one of these holds:

    our record            Optuna      what is done, by the one worker that takes the trial over
    ──────────────────────────────────────────────────────────────────────────────────────────
    no row                RUNNING     recorded as interrupted, told FAIL, queued again
    running, owner dead   RUNNING     recorded as interrupted, told FAIL, queued again
    has a verdict         RUNNING     Optuna is told the verdict on record
    running, owner dead   finished    recorded as failed: somebody else, at the dashboard or in code, ended it
    no row                finished    recorded as failed: somebody else added it

A trial is taken over by writing one's own name over the dead owner's, which one worker alone can do. If that
one dies over it, it is the dead owner, and the table holds again.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from search.process_identity import WORKER
from search.record import row_mapping as recording
from search.sampling.retry import enqueue_retry
from search.study.backend import StudyBackend, begin_trial, conclude_trial
from search.study.trial_import import import_origin as taken_from
from search.verdict import ADDED_ELSEWHERE, ENDED_ELSEWHERE, TAKEN_OVER, WORKER_DIED, Judgement
from storage import query, record, tables, workers
from storage.errors import TrialExists, TrialFinished, TrialTaken, TrialUnknown
from storage.verdicts import Verdict

log = logging.getLogger("ballast.recovery")

_OWNERLESS = timedelta(minutes=2)
_QUICKER = (TrialExists, TrialTaken, TrialFinished, UpdateFinishedTrialError)
"""Another worker has settled the trial, or its own one has come back and ended it after all."""

_DIED = Judgement(
    Verdict.INTERRUPTED, (WORKER_DIED,), "its worker is gone; its parameters will be tried again"
)

_LATE = Judgement(
    Verdict.INTERRUPTED, (TAKEN_OVER,), "its worker was held for dead before it began; another has its place"
)

_ENDED = Judgement(
    Verdict.FAILED, (ENDED_ELSEWHERE,), "somebody else has ended it in Optuna, at the dashboard or in code"
)

_ADDED = Judgement(
    Verdict.FAILED,
    (ADDED_ELSEWHERE,),
    "somebody else has added it to Optuna or ended it there; what was trained is not known",
)


def recover_trials(books: StudyBackend, me: str, is_gone: Callable[[str], bool]) -> list[int]:
    """Bring the trials of dead workers to an end, and strike those workers out; the trials' numbers.

    To be called by a worker, `me`, that runs no trial: one that is its own by name is one that its creation's
    lost answer left to nobody. Trials of living workers are left alone.
    """
    entered = [row.worker for row in workers.registered_workers(books.store, books.name)]
    dead = [worker for worker in entered if worker != me and is_gone(worker)]
    # After that: whoever is dead by now starts no trial that is not among these.
    running = books.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    settled = [frozen.number for frozen in running if _recover(books, frozen, me, is_gone)]
    settled += [row.number for row in _ended_elsewhere(books) if _settle(books, row, me, is_gone)]
    # Whose trial another one is just settling stays entered, as busy: were it struck out before that trial is
    # queued again, a new one would be started in its place.
    needed = {frozen.user_attrs.get(WORKER) for frozen in running if frozen.number not in settled}
    for worker in dead:
        if worker not in needed:
            workers.unregister_worker(books.store, books.name, worker)
    return settled


def record_additions(books: StudyBackend, me: str) -> list[int]:
    """Put on record, as failed, what others have added to Optuna's part and ended there; the numbers.

    Samplers learn of such a trial whatever is done here, because Optuna keeps what has ended. It is never the
    best one, and does not count. A trial that this study is taking over from another one is left to that.
    """
    known = query.trial_numbers(books.store, books.name)
    ended = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    added = [
        frozen
        for frozen in books.optuna.get_trials(deepcopy=False, states=ended)
        if frozen.number not in known and taken_from(frozen) is None
    ]
    return [frozen.number for frozen in added if _put_on_record(books, frozen, me)]


def _put_on_record(books: StudyBackend, frozen: FrozenTrial, me: str) -> bool:
    try:
        recording.finish_trial(books.store, begin_trial(books, me, frozen), _ADDED, worker=me, duration_s=0.0)
    except _QUICKER:
        return False
    log.warning("trial %d: %s", frozen.number, _ADDED.message)
    return True


def _ended_elsewhere(books: StudyBackend) -> list[tables.Trial]:
    """The trials that run on our record alone."""
    rows = query.running(books.store, books.name)
    if not rows:
        return []
    trials = books.optuna.get_trials(deepcopy=False)
    return [row for row in rows if trials[row.number].state.is_finished()]


def _settle(books: StudyBackend, row: tables.Trial, me: str, is_gone: Callable[[str], bool]) -> bool:
    try:
        if row.worker != me and not (
            is_gone(row.worker) and record.take_over(books.store, books.name, row.number, row.worker, me)
        ):
            return False
        _finish(books, row, me, _ENDED)
    except _QUICKER:
        return False  # its owner was, and has told both by now
    log.warning("trial %d: %s", row.number, _ENDED.message)
    return True


def return_trial(books: StudyBackend, me: str, trial: optuna.Trial) -> None:
    """End a trial of `me` that never began: its place is another's. Its configuration waits in the queue."""
    try:
        row = begin_trial(books, me, trial)
        recording.finish_trial(books.store, row, _LATE, worker=me, duration_s=0.0)
        enqueue_retry(books.optuna, trial)
        conclude_trial(books, trial, _LATE)
    except _QUICKER:
        return  # another worker was


def _recover(books: StudyBackend, frozen: FrozenTrial, me: str, is_gone: Callable[[str], bool]) -> bool:
    row = _row(books, frozen.number)
    owner = row.worker if row is not None else frozen.user_attrs.get(WORKER)
    if not (_is_ownerless(frozen) if owner is None else owner == me or is_gone(owner)):
        return False
    trial, judgement = optuna.Trial(books.optuna, frozen._trial_id), _DIED
    try:
        if row is None:
            row = begin_trial(books, me, trial)
        elif row.worker != me and not record.take_over(books.store, books.name, row.number, row.worker, me):
            return False
        if row.verdict is not None:
            judgement = Judgement(row.verdict, tuple(row.reasons), row.message or "")
        else:
            _finish(books, row, me, _DIED)
        folds = recording.best_folds(query.epochs(books.store, books.name, row.number), row.best_epoch)
        conclude_trial(books, trial, judgement, row.value, row.skill, folds=folds)
    except _QUICKER:
        return False  # another worker was, or its owner, who was just about to end
    log.info("trial %d: its worker is gone; it is %s", frozen.number, judgement.verdict)
    return True


def _is_ownerless(frozen: FrozenTrial) -> bool:
    """Whether a trial that was never signed, because somebody asked Optuna for it by hand, is given up.

    Optuna's clock is all that is known of it; no trial of a worker of ours is judged by one.
    """
    started = frozen.datetime_start
    return started is not None and datetime.now() - started > _OWNERLESS


def _finish(books: StudyBackend, row: tables.Trial, me: str, judgement: Judgement) -> None:
    """Nobody knows for how long it has been dead: its epochs tell how long it was at work."""
    epochs = query.epochs(books.store, books.name, row.number)
    seconds = sum(epoch.seconds for epoch in epochs)
    own = query.settings(books.store, books.name, row.number)
    log_row = recording.log_row(books.name, row.number, books.files.log_of(row.number))
    recording.finish_trial(
        books.store,
        row,
        judgement,
        worker=me,
        duration_s=seconds,
        epochs=len(epochs),
        findings=query.findings(books.store, books.name, row.number),
        guard_position=sum(setting.key == recording.LEARNING_RATE for setting in own),
        artifacts=[] if log_row is None else [log_row],
    )


def _row(books: StudyBackend, number: int) -> tables.Trial | None:
    try:
        return query.trial(books.store, books.name, number)
    except TrialUnknown:
        return None
