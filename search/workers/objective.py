"""One trial, start to end: sampled parameters in, verdict recorded and told.

suggest ──► resolve (clamp) ──► record start ──► fit ──► judge ──► record end ──► tell
                                      │           └► record epochs and findings meanwhile
                                      └► tried before: copy its result ──┘
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import optuna

from search.config.layers import Layer
from search.config.resolved_study import ResolvedTrial
from search.errors import RequestError
from search.record import row_mapping as recording
from search.sampling.ask import AskedTrial
from search.sampling.queue import queued_params, requested_params, was_queued
from search.sampling.retry import retry_origin
from search.store_files import log_to_file
from search.study import backend as books
from search.study.studies import OpenStudy
from search.verdict import CRASHED, OVERRIDE_NOT_APPLIED, TAKEN_OVER, Judgement, judge
from search.workers.cached_trials import (
    cached_epochs,
    find_cached_trial,
    finish_cached_trial,
    judge_repeated_point,
)
from search.workers.progress import Progress, TrialEnd
from storage import query, record, tables
from storage.errors import StoreError, TrialExists, TrialFinished, TrialTaken, TrialUnknown
from storage.verdicts import CONCLUSIVE, Verdict
from trainer.training import checksummed_file as sealed
from trainer.training.result import EpochReport, Finding, TrialResult

log = logging.getLogger("ballast.trial")

_FLUSH_S = 2.0
"""Quick epochs are recorded together, at most this many seconds after they have passed. A finding is rare
and is recorded at once."""


@dataclass(frozen=True)
class TrialContext:
    """What a worker needs for every trial it runs."""

    study: OpenStudy
    worker: str
    progress: Progress
    should_stop: Callable[[], bool]
    device: str | None = None
    """The worker's own device, which comes before training.device."""


def run_trial(bench: TrialContext, asked: AskedTrial) -> Judgement:
    """Run one trial to its verdict; record it, then tell Optuna.

    A StoreError, or one of Optuna's storage, is raised: the trial stays running, for others to take over. One
    that others have taken over, because this worker was held for dead, is left to them.
    """
    trial = asked.trial
    try:
        return _run(bench, trial, asked.drawn)
    except (TrialExists, TrialTaken, TrialFinished, optuna.exceptions.UpdateFinishedTrialError) as error:
        log.warning("trial %d was given to another worker while this one was away: %s", trial.number, error)
        return Judgement(Verdict.INTERRUPTED, (TAKEN_OVER,), "another worker has taken it over")


def _run(bench: TrialContext, trial: optuna.Trial, drawn: Mapping[str, str]) -> Judgement:
    study = bench.study
    requested = requested_params(trial)
    drawn = _drawn_at_first(study, trial, drawn)
    try:
        resolved = study.resolved.trial(requested, queued=was_queued(trial), device=bench.device, drawn=drawn)
    except RequestError as error:
        why = f"{error}; it was enqueued as {requested}, enqueue it again with keys of the space alone"
        row = books.begin_trial(study.books, bench.worker, trial)
        return _end(bench, trial, _TrialState(row), Judgement(Verdict.FAILED, (OVERRIDE_NOT_APPLIED,), why))
    known = {key: len(setting.overrides) for key, setting in study.resolved.settings.items()}
    settings = recording.setting_rows(study.name, resolved.changed.values(), trial.number, skip=known)
    twin = find_cached_trial(study, resolved)
    repeats = twin is not None and study.resolved.file.study.sampler == "grid"
    row = books.begin_trial(
        study.books,
        bench.worker,
        trial,
        settings,
        configuration=resolved.digest,
        twin=None if repeats else twin,
    )
    bench.progress.trial_began(trial.number, resolved.config.training.epochs)
    course = _TrialState(row, guard_position=_own_layers(resolved, known, recording.LEARNING_RATE))
    if twin is not None:
        if repeats:
            return _end(bench, trial, course, judge_repeated_point(twin))
        return _copy(bench, trial, course, twin)
    path = study.files.log_of(trial.number)
    with log_to_file(path):
        judgement = _judged(bench, trial, course, resolved)
        log.debug("trial %d is %s: %s", trial.number, judgement.verdict, judgement.message)
    course.log = recording.log_row(study.name, trial.number, path)
    return _end(bench, trial, course, judgement)


def _drawn_at_first(study: OpenStudy, trial: optuna.Trial, drawn: Mapping[str, str]) -> Mapping[str, str]:
    """Who chose each value; of a trial that is taken up again, who did so when it was first tried."""
    origin = retry_origin(trial)
    if origin.root is None:
        return drawn
    taken_up, queued = f"taken up again from trial {origin.root}", queued_params(trial) or {}
    try:
        rows = query.settings(study.store, study.name, origin.root)
    except TrialUnknown:
        rows = []  # its worker died before it was on record
    told = {row.key: f", where it was {row.reason}" for row in rows if row.layer == Layer.SAMPLED}
    return {**drawn, **{key: f"{taken_up}{told.get(key, '')}" for key in queued}}


@dataclass
class _TrialState:
    """What has become of a trial so far, and what of it is not on record yet."""

    row: tables.Trial
    guard_position: int = 0
    result: TrialResult | None = None
    log: tables.Artifact | None = None
    told: int = 0
    """Epochs that are on record or waiting."""
    waiting: list[tables.Epoch] = field(default_factory=list)
    findings: list[tables.Finding] = field(default_factory=list)
    """All so far, on record or not."""
    recorded: int = 0
    """How many of `findings` are on record."""
    began: float = field(default_factory=time.monotonic)
    flushed: float = field(default_factory=time.monotonic)


def _end(bench: TrialContext, trial: optuna.Trial, course: _TrialState, judgement: Judgement) -> Judgement:
    study, row, result = bench.study, course.row, course.result
    # Of a resumed trial that was stopped while it told its old epochs.
    untold = () if result is None else result.epochs[course.told :]
    missed = () if result is None else result.findings[len(course.findings) :]
    recording.finish_trial(
        study.store,
        row,
        judgement,
        result,
        worker=bench.worker,
        duration_s=time.monotonic() - course.began,
        remaining=[*course.waiting, *(recording.epoch_row(study.name, row.number, each) for each in untold)],
        findings=[
            *course.findings,
            *(recording.finding_row(study.name, row.number, each) for each in missed),
        ],
        artifacts=[] if course.log is None else [course.log],
        guard_position=course.guard_position,
    )
    value, skill = (None, None) if result is None else (result.value, result.skill)
    folds = () if result is None else recording.best_folds(result.epochs, result.best_epoch)
    books.conclude_trial(study.books, trial, judgement, value, skill, folds=folds)
    if judgement.verdict in CONCLUSIVE:
        sealed.remove_checksummed(study.files.checkpoint_of(retry_origin(trial).first))
    bench.progress.trial_ended(TrialEnd(trial.number, judgement, value, skill, row.started_at))
    return judgement


def _copy(bench: TrialContext, trial: optuna.Trial, course: _TrialState, twin: tables.Trial) -> Judgement:
    """Give the trial the result of its twin, epoch by epoch, as if it had been trained."""
    study, row = bench.study, course.row
    epochs = cached_epochs(study.store, twin, trial.number)
    for epoch in epochs:
        trial.report(epoch.validation_loss, epoch.epoch)
    seconds = time.monotonic() - course.began
    judgement = finish_cached_trial(study.store, row, twin, epochs, worker=bench.worker, duration_s=seconds)
    folds = recording.best_folds(epochs, twin.best_epoch)
    books.conclude_trial(study.books, trial, judgement, twin.value, twin.skill, folds=folds)
    bench.progress.trial_ended(TrialEnd(trial.number, judgement, twin.value, twin.skill, row.started_at))
    return judgement


def _own_layers(resolved: ResolvedTrial, known: Mapping[str, int], key: str) -> int:
    """How many layers of a setting are the trial's own, on top of those that the study has recorded."""
    setting = resolved.changed.get(key)
    return 0 if setting is None else len(setting.overrides) - known[key]


def _judged(
    bench: TrialContext, trial: optuna.Trial, course: _TrialState, resolved: ResolvedTrial
) -> Judgement:
    try:
        course.result = _fit(bench, trial, course, resolved)
    except (StoreError, optuna.exceptions.OptunaError):
        raise
    except Exception as error:  # whatever a trial dies of becomes its verdict, and its traceback the log's
        log.exception("trial %d died", trial.number)
        return Judgement(Verdict.FAILED, (CRASHED,), f"{type(error).__name__}: {error}")
    return judge(course.result, resolved.values)


def _fit(
    bench: TrialContext, trial: optuna.Trial, course: _TrialState, resolved: ResolvedTrial
) -> TrialResult:
    from trainer.training.loop import fit  # torch is imported where a trial is run, and nowhere before

    study, warmup = bench.study, bench.study.resolved.file.study.pruner_warmup

    def on_finding(finding: Finding) -> None:
        course.findings.append(recording.finding_row(study.name, course.row.number, finding))
        _flush(study, course, bench.worker)

    def on_epoch(report: EpochReport) -> bool:
        _record(study, course, report, bench.worker)
        trial.report(report.validation_loss, report.epoch)
        bench.progress.epoch_passed(trial.number, report)
        # Every pruner says no before the warm-up's end.
        return report.epoch >= warmup and asks_pruner(report.epoch) and trial.should_prune()

    return fit(
        resolved.config,
        study.data.folds(resolved.config.data),
        baseline=study.data.baseline,
        ceiling=study.data.ceiling,
        seed=course.row.seed,
        on_epoch=on_epoch,
        on_finding=on_finding,
        should_stop=bench.should_stop,
        checkpoint=study.files.checkpoint_of(retry_origin(trial).first),
        checkpoint_key=study.key,
    )


def asks_pruner(epoch: int) -> bool:
    """Whether the pruner is asked after this epoch (0-based): after each of the first 200, then once in every
    hundredth of the trial so far.

    To ask it is to read every epoch of the running trials again, so that a trial of n would read n² of them.
    """
    return epoch % max(1, epoch // 100) == 0


def _record(study: OpenStudy, course: _TrialState, report: EpochReport, worker: str) -> None:
    course.waiting.append(recording.epoch_row(study.name, course.row.number, report))
    course.told += 1
    if time.monotonic() - course.flushed >= _FLUSH_S:
        _flush(study, course, worker)


def _flush(study: OpenStudy, course: _TrialState, worker: str) -> None:
    """Record the epochs and findings that are not on record yet."""
    new = course.findings[course.recorded :]
    record.record_epochs(study.store, study.name, course.row.number, course.waiting, worker, new)
    course.waiting.clear()
    course.recorded += len(new)
    course.flushed = time.monotonic()
