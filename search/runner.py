"""The worker: asks, runs and tells trials until the study has as many as were wanted, or time is up."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from search.errors import AnswerIsNo
from search.objective import Bench, run_trial
from search.optimizers import Grid
from search.progress import Progress
from search.queue import clamp_queue, suggest
from search.recovery import recover
from search.space import to_distributions
from search.study import OpenStudy
from search.telling import quiet
from search.worker import WORKER, this_worker
from storage import query
from storage.verdicts import Verdict

log = logging.getLogger("ballast.run")

CONCLUSIVE = (Verdict.ACCEPTED, Verdict.UNPROMISING, Verdict.UNSTABLE, Verdict.SUSPICIOUS)
"""Verdicts that count towards the trials asked for; the others are taken up again, or say nothing."""

_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class RunEnd:
    """Why a run ended: `done` of `wanted` trials have a conclusive verdict."""

    done: int
    wanted: int
    reason: str


def run(study: OpenStudy, progress: Progress, should_stop: Callable[[], bool]) -> RunEnd:
    """Run trials until `study.trials` are conclusive, `study.timeout` is over or a stop is asked for.

    The study's trials are counted, not this run's: a run that is taken up again goes on to the same number.
    Past the timeout no new trial starts; the running one is finished. AnswerIsNo when trials fail three
    times in a row, because the fourth would too.
    """
    section = study.resolved.file.study
    recover(study)
    bench = Bench(study, this_worker(), progress, should_stop)
    distributions = to_distributions(study.resolved.space)
    deadline = None if section.timeout is None else time.monotonic() + section.timeout
    counts = query.verdict_counts(study.store, study.name)
    ended = {verdict: n for verdict, n in counts.items() if verdict is not None}
    progress.began(ended, query.best_trial(study.store, study.name), section.trials)
    failures = 0
    while (done := conclusive(study)) < section.trials:
        reason = _reason_to_end(study, deadline, should_stop)
        if reason is not None:
            return RunEnd(done, section.trials, reason)
        judgement = run_trial(bench, _ask(bench, distributions))
        failures = failures + 1 if judgement.verdict is Verdict.FAILED else 0
        if failures == _FAILURES_IN_A_ROW:
            raise AnswerIsNo(
                f"{failures} trials failed in a row, the last with: {judgement.message}. "
                f"Look at them: ballast trials {study.name} --verdict failed"
            )
    waiting = " (what waits in the queue stays there)" if _waiting(study) else ""
    return RunEnd(done, section.trials, f"nothing is left to do{waiting}")


def conclusive(study: OpenStudy) -> int:
    """How many trials of the study count towards the number asked for."""
    counts = query.verdict_counts(study.store, study.name)
    return sum(counts.get(verdict, 0) for verdict in CONCLUSIVE)


def _reason_to_end(study: OpenStudy, deadline: float | None, should_stop: Callable[[], bool]) -> str | None:
    if should_stop():
        return "it was interrupted"
    if deadline is not None and time.monotonic() >= deadline:
        return "the time is up"
    sampler = study.optuna.sampler
    # An interrupted point counts as tried for Optuna, though it waits in the queue.
    if isinstance(sampler, Grid) and sampler.is_exhausted(study.optuna) and not _waiting(study):
        return "every point of the grid has been tried"
    return None


def _waiting(study: OpenStudy) -> bool:
    return bool(study.optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _ask(bench: Bench, distributions: dict[str, optuna.distributions.BaseDistribution]) -> optuna.Trial:
    """The next trial, owned by this worker before anything is suggested for it."""
    study = bench.study
    clamp_queue(study.optuna, study.storage, study.resolved.space)
    with quiet():
        trial = study.optuna.ask()
        trial.set_user_attr(WORKER, bench.worker)
        for name, distribution in distributions.items():
            suggest(trial, name, distribution)
    return trial
