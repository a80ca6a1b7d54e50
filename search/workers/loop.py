"""The worker: claims, asks, runs and tells trials until the study has as many as wanted, or time is up."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from optuna.exceptions import UpdateFinishedTrialError

from search.errors import AnswerIsNo
from search.process_identity import this_worker
from search.sampling.ask import AskedTrial, ask
from search.sampling.grid_sampler import SharedGridSampler
from search.sampling.queue import waiting_trials
from search.sampling.retry import retry_origin
from search.sampling.stop_rules import stop_reason
from search.study.liveness import Heartbeat
from search.study.studies import OpenStudy
from search.verdict import Judgement
from search.workers.objective import TrialContext, run_trial
from search.workers.progress import Progress
from search.workers.recovery import record_additions, recover_trials, return_trial
from storage import query, workers
from storage.commands import ballast_command
from storage.verdicts import Verdict

log = logging.getLogger("ballast.run")

_FAILURES_IN_A_ROW = 3
_INTERRUPTED = "it was interrupted"
_LOOK_AGAIN_S = 0.5
_RECOVER_S = 10.0
"""How often a busy worker looks for trials that others left; one without a trial looks all the time."""


@dataclass(frozen=True)
class RunEnd:
    """Why a run ended: `done` of `wanted` trials have a conclusive verdict."""

    done: int
    wanted: int
    reason: str
    interrupted: bool = False
    """Whether somebody asked for it to end."""


def run_worker(
    study: OpenStudy,
    progress: Progress,
    should_stop: Callable[[], bool],
    *,
    device: str | None = None,
    time_left: float | None = None,
) -> RunEnd:
    """Run trials until the study has as many conclusive ones as are wanted, or a reason to end before.

    The study's trials are counted, not this worker's: a run that is taken up again, or has company, goes on
    to the same number. Past `study.timeout`, or what a run of several workers has left of it (`time_left`, in
    seconds), no new trial starts; the running one is finished. AnswerIsNo when three configurations in a row
    fail, because the fourth would too.
    """
    from trainer.training.loop import (
        prepare_kernel,  # torch is imported where a trial is run, and nowhere before
    )

    training = study.resolved.trial_config.training
    prepare_kernel(training.kernel, device or training.device)
    report_study_start(study, progress)
    with Heartbeat(study.store, study.name, this_worker(), device) as attendance:
        bench = TrialContext(study, attendance.worker, progress, should_stop, device)
        return _WorkerLoop(bench, attendance, time_left).work()


def report_study_start(study: OpenStudy, progress: Progress) -> None:
    """Tell a progress where the study stands."""
    counts = query.verdict_counts(study.store, study.name)
    ended = {verdict: n for verdict, n in counts.items() if verdict is not None}
    for _, verdict, _ in query.conclusive_values(study.store, study.name, inherited=True):
        ended[verdict] -= 1  # it informs the search, and is none of the trials asked for
    wanted = query.study(study.store, study.name).wanted
    progress.began(ended, query.best_trial(study.store, study.name), wanted)


class _WorkerLoop:
    """One worker's time at a study."""

    def __init__(self, bench: TrialContext, attendance: Heartbeat, time_left: float | None) -> None:
        timeout = bench.study.resolved.file.study.timeout if time_left is None else time_left
        self._bench, self._study, self._attendance = bench, bench.study, attendance
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._recovered = -math.inf
        self._failing: set[int] = set()

    def work(self) -> RunEnd:
        """Run one trial after the other; while others have the last ones, wait: they may die over them."""
        study, me = self._study, self._bench.worker
        record_additions(study.books, me)
        while True:
            self._recover(_RECOVER_S)
            given_out = self._grid_is_given_out()
            claim = workers.claim_trial(study.store, study.name, me, take=not given_out)
            reason = self._reason_to_end(claim, given_out)
            if reason is not None:
                return RunEnd(claim.done, claim.wanted, reason, interrupted=reason == _INTERRUPTED)
            if claim.granted:
                asked = self._ask()
                if asked is not None:
                    self._count(run_trial(self._bench, asked), retry_origin(asked.trial).first)
            else:
                time.sleep(_LOOK_AGAIN_S)
                self._recover(_LOOK_AGAIN_S)

    def _ask(self) -> AskedTrial | None:
        """A trial; None where this worker was held for dead between its claim and its trial, as one whose
        machine sleeps: then others have settled the trial, or one of them has claimed its place.
        """
        study, me = self._study, self._bench.worker
        try:
            asked = ask(study.optuna, study.resolved.file.study, study.resolved.space, me)
        except UpdateFinishedTrialError as error:
            log.warning("a trial was settled by another worker while this one was away: %s", error)
            return None
        store, name = study.store, study.name
        if workers.is_registered(store, name, me) or workers.claim_trial(store, name, me).granted:
            return asked
        return_trial(study.books, me, asked.trial)
        return None

    def _recover(self, every: float) -> None:
        if time.monotonic() - self._recovered >= every:
            recover_trials(self._study.books, self._bench.worker, self._attendance.is_gone)
            self._recovered = time.monotonic()

    def _reason_to_end(self, claim: workers.TrialClaim, given_out: bool) -> str | None:
        if claim.done >= claim.wanted:
            waiting = " (what waits in the queue stays there)" if waiting_trials(self._study.optuna) else ""
            return f"nothing is left to do{waiting}"
        if self._bench.should_stop():
            return _INTERRUPTED
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "the time is up"
        if given_out and claim.busy == 0 and not waiting_trials(self._study.optuna):
            return "every point of the grid has been tried"
        stop = self._study.resolved.file.study.stop
        if stop.no_better_for is None:
            return None
        store, name = self._study.store, self._study.name
        return stop_reason(
            query.conclusive_values(store, name), stop, query.conclusive_values(store, name, inherited=True)
        )

    def _grid_is_given_out(self) -> bool:
        """Whether a grid has no point left. An interrupted one counts as tried in Optuna, though it waits."""
        study, section = self._study.optuna, self._study.resolved.file.study
        if section.sampler != "grid" or waiting_trials(study):
            return False
        return SharedGridSampler(self._study.resolved.space, section.seed).is_exhausted(study)

    def _count(self, judgement: Judgement, first: int) -> None:
        """Tell configurations that fail apart from one that is tried again; `first` is its first trial."""
        if judgement.verdict is not Verdict.FAILED:
            self._failing.clear()
            return
        self._failing.add(first)
        if len(self._failing) == _FAILURES_IN_A_ROW:
            raise AnswerIsNo(
                f"{_FAILURES_IN_A_ROW} configurations failed in a row, the last with: {judgement.message}. "
                f"Look at them: {ballast_command('trials', self._study.name, verdict='failed')}"
            )
