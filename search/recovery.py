"""Puts in order what dead workers left behind: trials that nobody runs, and verdicts that Optuna missed.

A trial's end is two commits, ours and then Optuna's. Whatever moment a worker dies in, one of these holds:

    our record            Optuna      what is done, by the one worker that takes the trial over
    ──────────────────────────────────────────────────────────────────────────────────────────
    no row                RUNNING     recorded as interrupted, told FAIL, queued again
    running, owner dead   RUNNING     recorded as interrupted, told FAIL, queued again
    has a verdict         RUNNING     Optuna is told the verdict on record

A trial is taken over by writing one's own name over the dead owner's, which one worker alone can do. If that
one dies over it, it is the dead owner, and the table holds again.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import optuna
from optuna.trial import FrozenTrial, TrialState

from search import recording
from search.books import Books, conclude, start
from search.verdict import WORKER_DIED, Judgement
from search.worker import WORKER
from storage import query, record, tables, workers
from storage.errors import TrialExists, TrialFinished, TrialUnknown
from storage.verdicts import Verdict

log = logging.getLogger("ballast.recovery")

_OWNERLESS = timedelta(minutes=2)
_DIED = Judgement(
    Verdict.INTERRUPTED, (WORKER_DIED,), "its worker is gone; its parameters will be tried again"
)


def recover(books: Books, me: str, is_gone: Callable[[str], bool]) -> list[int]:
    """Bring the trials of dead workers to an end, and strike those workers out; the trials' numbers.

    To be called by a worker, `me`, that runs no trial: one that is its own by name is one that its creation's
    lost answer left to nobody. Trials of living workers are left alone.
    """
    entered = [row.worker for row in workers.present(books.store, books.name)]
    dead = [worker for worker in entered if worker != me and is_gone(worker)]
    # After that: whoever is dead by now starts no trial that is not among these.
    running = books.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    settled = [frozen.number for frozen in running if _recover(books, frozen, me, is_gone)]
    # Whose trial another one is just settling stays entered, as busy: were it struck out before that trial is
    # queued again, a new one would be started in its place.
    needed = {frozen.user_attrs.get(WORKER) for frozen in running if frozen.number not in settled}
    for worker in dead:
        if worker not in needed:
            workers.leave(books.store, books.name, worker)
    return settled


def _recover(books: Books, frozen: FrozenTrial, me: str, is_gone: Callable[[str], bool]) -> bool:
    row = _row(books, frozen.number)
    owner = row.worker if row is not None else frozen.user_attrs.get(WORKER)
    if not (_is_ownerless(frozen) if owner is None else owner == me or is_gone(owner)):
        return False
    trial, judgement = optuna.Trial(books.optuna, frozen._trial_id), _DIED
    try:
        if row is None:
            row = start(books, me, trial)
        elif row.worker != me and not record.take_over(books.store, books.name, row.number, row.worker, me):
            return False
        if row.verdict is not None:
            judgement = Judgement(row.verdict, tuple(row.reasons), row.message or "")
        else:
            _finish(books, row, me)
    except (TrialExists, TrialFinished):
        return False  # another worker was quicker
    conclude(books, trial, judgement, row.value)
    log.info("trial %d: its worker is gone; it is %s", frozen.number, judgement.verdict)
    return True


def _is_ownerless(frozen: FrozenTrial) -> bool:
    """Whether a trial that was never signed, because somebody asked Optuna for it by hand, is given up."""
    started = frozen.datetime_start
    return started is not None and datetime.now() - started > _OWNERLESS


def _finish(books: Books, row: tables.Trial, me: str) -> None:
    """Nobody knows for how long it has been dead: its epochs tell how long it was at work."""
    epochs = query.epochs(books.store, books.name, row.number)
    seconds = sum(epoch.seconds for epoch in epochs)
    log_row = recording.log_row(books.name, row.number, books.files.log_of(row.number))
    recording.finish_trial(
        books.store,
        row,
        _DIED,
        worker=me,
        duration_s=seconds,
        epochs=len(epochs),
        artifacts=[] if log_row is None else [log_row],
    )


def _row(books: Books, number: int) -> tables.Trial | None:
    try:
        return query.trial(books.store, books.name, number)
    except TrialUnknown:
        return None
