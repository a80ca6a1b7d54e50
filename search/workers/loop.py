"""The worker loop: claims, asks and runs trials until the study has as many as wanted, or time is up."""

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
from search.study.voiding import settle_voids
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
_POLL_S = 0.5
_RECOVER_S = 10.0
"""How often a busy worker looks for trials of dead workers; a waiting one does so at every poll."""


@dataclass(frozen=True)
class RunEnd:
    """Why a run ended: `done` of `wanted` trials have a conclusive verdict."""

    done: int
    wanted: int
    reason: str
    interrupted: bool = False
    """Whether the run was asked to stop."""


def run_worker(
    study: OpenStudy,
    progress: Progress,
    should_stop: Callable[[], bool],
    *,
    device: str | None = None,
    time_left: float | None = None,
) -> RunEnd:
    """Run trials until the study has as many conclusive ones as are wanted, or there is a reason to end
    earlier. Unless it was interrupted, the worker of the best trial then measures which columns carry it.

    The study's trials are counted, not this worker's: a continued run, or one of several workers, ends at the
    same number. After `study.timeout`, or after `time_left` seconds if a run of several workers has used part
    of it, no new trial starts; the running one is finished. AnswerIsNo if three configurations in a row fail,
    because the fourth would fail too.
    """
    from trainer.kernels.choice import prepare_kernel  # imports torch, which only running trials needs

    training = study.resolved.trial_config.training
    prepare_kernel(training.kernel, device or training.device)
    report_study_start(study, progress)
    with Heartbeat(study.store, study.name, this_worker(), device) as heartbeat:
        context = TrialContext(study, heartbeat.worker, progress, should_stop, device)
        end = _WorkerLoop(context, heartbeat, time_left).work()
    if not end.interrupted:
        context.best.record_importances(study, should_stop)
    return end


def report_study_start(study: OpenStudy, progress: Progress) -> None:
    """Tell `progress` the state of the study at the start of the run."""
    counts = query.verdict_counts(study.store, study.name)
    ended = {verdict: n for verdict, n in counts.items() if verdict is not None}
    for _, verdict, _ in query.conclusive_values(study.store, study.name, imported=True):
        ended[verdict] -= 1  # imported: it informs the search, but does not count towards the trials wanted
    wanted = query.study(study.store, study.name).wanted
    progress.run_began(ended, query.best_trial(study.store, study.name), wanted)


class _WorkerLoop:
    """One worker's run of a study."""

    def __init__(self, context: TrialContext, heartbeat: Heartbeat, time_left: float | None) -> None:
        timeout = context.study.resolved.file.study.timeout if time_left is None else time_left
        self._context, self._study, self._heartbeat = context, context.study, heartbeat
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._recovered = -math.inf
        self._failing: set[int] = set()

    def work(self) -> RunEnd:
        """Run one trial after another. While others run the last ones, wait: these workers may die."""
        study, me = self._study, self._context.worker
        record_additions(study.backend, me)
        while True:
            self._recover(_RECOVER_S)
            exhausted = self._grid_is_exhausted()
            claim = workers.claim_trial(study.store, study.name, me, take=not exhausted)
            reason = self._reason_to_end(claim, exhausted)
            if reason is not None:
                return RunEnd(claim.done, claim.wanted, reason, interrupted=reason == _INTERRUPTED)
            if claim.granted:
                asked = self._ask()
                if asked is not None:
                    self._count(run_trial(self._context, asked), retry_origin(asked.trial).first)
            else:
                time.sleep(_POLL_S)
                self._recover(_POLL_S)

    def _ask(self) -> AskedTrial | None:
        """The next trial, or None if another worker took it over in the meantime. Other workers take this one
        for dead if it pauses between its claim and its trial, as when its machine sleeps.
        """
        study, me = self._study, self._context.worker
        try:
            asked = ask(study.optuna, study.resolved.file.study, study.resolved.space, me)
        except UpdateFinishedTrialError as error:
            log.warning("a trial was settled by another worker while this one was away: %s", error)
            return None
        store, name = study.store, study.name
        if workers.is_registered(store, name, me) or workers.claim_trial(store, name, me).granted:
            return asked
        return_trial(study.backend, me, asked.trial)
        return None

    def _recover(self, every: float) -> None:
        if time.monotonic() - self._recovered >= every:
            recover_trials(self._study.backend, self._context.worker, self._heartbeat.is_gone)
            settle_voids(self._study.store, self._study.name)
            self._recovered = time.monotonic()

    def _reason_to_end(self, claim: workers.TrialClaim, exhausted: bool) -> str | None:
        if claim.done >= claim.wanted:
            waiting = " (what waits in the queue stays there)" if waiting_trials(self._study.optuna) else ""
            return f"nothing is left to do{waiting}"
        if self._context.should_stop():
            return _INTERRUPTED
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "the time is up"
        if exhausted and claim.busy == 0 and not waiting_trials(self._study.optuna):
            return "every point of the grid has been tried"
        stop = self._study.resolved.file.study.stop
        if stop.no_better_for is None:
            return None
        store, name = self._study.store, self._study.name
        return stop_reason(
            query.conclusive_values(store, name), stop, query.conclusive_values(store, name, imported=True)
        )

    def _grid_is_exhausted(self) -> bool:
        """Whether no grid point is left. Optuna counts interrupted points as tried, but they are queued."""
        study, section = self._study.optuna, self._study.resolved.file.study
        if section.sampler != "grid" or waiting_trials(study):
            return False
        return SharedGridSampler(self._study.resolved.space, section.seed).is_exhausted(study)

    def _count(self, judgement: Judgement, first: int) -> None:
        """Raise AnswerIsNo at the third configuration in a row that fails. `first` is the first trial of the
        configuration, so that one that is tried again counts once.
        """
        if judgement.verdict is not Verdict.FAILED:
            self._failing.clear()
            return
        self._failing.add(first)
        if len(self._failing) == _FAILURES_IN_A_ROW:
            raise AnswerIsNo(
                f"{_FAILURES_IN_A_ROW} configurations failed in a row, the last with: {judgement.message}. "
                f"Look at them: {ballast_command('trials', self._study.name, verdict='failed')}"
            )
