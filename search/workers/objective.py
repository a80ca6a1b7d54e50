"""One trial from start to end: sampled parameters in, verdict recorded and told to Optuna.

ask ──► resolve (clamp) ──► record start ──► fit ──► judge ──► record end ──► tell
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
from search.record import row_mapping
from search.sampling.ask import AskedTrial
from search.sampling.loss_first import report_loss, should_prune
from search.sampling.queue import queued_params, requested_params, was_queued
from search.sampling.retry import retry_origin
from search.seeds import seeds_of_trial
from search.selection.objectives import measured_objectives
from search.store_files import log_to_file
from search.study import backend
from search.study.studies import OpenStudy
from search.verdict import CRASHED, OVERRIDE_NOT_APPLIED, TAKEN_OVER, Judgement, judge
from search.workers.best_networks import BestNetworks
from search.workers.cached_trials import (
    cached_epochs,
    find_cached_trial,
    finish_cached_trial,
    judge_repeated_point,
)
from search.workers.progress import Progress, TrialEnd
from storage import query, record, tables
from storage.errors import StoreError, TrialExists, TrialFinished, TrialTaken, TrialUnknown
from storage.verdicts import CONCLUSIVE, VOIDED, Verdict
from trainer.atomic_files import remove_file
from trainer.training.result import EpochReport, Finding, TrialResult

log = logging.getLogger("ballast.trial")

_FLUSH_S = 2.0
"""Quick epochs are recorded together, at most this many seconds after they end.

A finding is rare and is recorded at once, with the epochs before it."""


@dataclass(frozen=True)
class TrialContext:
    """What a worker needs for every trial that it runs."""

    study: OpenStudy
    worker: str
    progress: Progress
    should_stop: Callable[[], bool]
    device: str | None = None
    """The worker's own device, which overrides training.device."""
    best: BestNetworks = field(default_factory=BestNetworks)


def run_trial(context: TrialContext, asked: AskedTrial) -> Judgement:
    """Run one trial to its verdict; record it, then tell Optuna.

    An error of the store or of Optuna's storage is raised: the trial stays running, so that another worker
    can take it over. If another worker has taken it over already, because this one seemed dead, it is left to
    that worker.
    """
    trial = asked.trial
    try:
        return _run(context, trial, asked.drawn_by)
    except (TrialExists, TrialTaken, TrialFinished, optuna.exceptions.UpdateFinishedTrialError) as error:
        log.warning("trial %d was given to another worker while this one was away: %s", trial.number, error)
        return Judgement(Verdict.INTERRUPTED, (TAKEN_OVER,), "another worker has taken it over")


def _run(context: TrialContext, trial: optuna.Trial, drawn: Mapping[str, str]) -> Judgement:
    study = context.study
    try:
        resolved = _resolve(context, trial, drawn)
    except RequestError as error:
        asked = requested_params(trial)
        why = f"{error}; it was enqueued as {asked}, enqueue it again with keys of the space alone"
        row = backend.begin_trial(study.backend, context.worker, trial)
        return _end(context, trial, _TrialState(row), Judgement(Verdict.FAILED, (OVERRIDE_NOT_APPLIED,), why))
    cached = find_cached_trial(study, resolved)
    repeats_point = cached is not None and study.resolved.file.study.sampler == "grid"
    state = _begin(context, trial, resolved, None if repeats_point else cached)
    if cached is not None and repeats_point:
        return _end(context, trial, state, judge_repeated_point(cached))
    if cached is not None:
        return _copy(context, trial, state, cached)
    path = study.files.log_of(trial.number)
    with log_to_file(path):
        judgement = _judged(context, trial, state, resolved)
        log.debug("trial %d is %s: %s", trial.number, judgement.verdict, judgement.message)
    state.log = row_mapping.log_row(study.name, trial.number, path)
    if state.result is not None and judgement.verdict is Verdict.ACCEPTED:
        context.best.keep_if_best(trial.number, resolved.config, state.result)
    return _end(context, trial, state, judgement)


def _resolve(context: TrialContext, trial: optuna.Trial, drawn: Mapping[str, str]) -> ResolvedTrial:
    """The settings of the trial. RequestError if a queued one names keys that are not in the space."""
    return context.study.resolved.trial(
        requested_params(trial),
        queued=was_queued(trial),
        device=context.device,
        drawn=_drawn_at_first(context.study, trial, drawn),
    )


def _begin(
    context: TrialContext, trial: optuna.Trial, resolved: ResolvedTrial, cached: tables.Trial | None
) -> "_TrialState":
    """Record the start of the trial; `cached` is the trial whose result it will copy, if any."""
    study = context.study
    recorded = {key: len(setting.overrides) for key, setting in study.resolved.settings.items()}
    settings = row_mapping.setting_rows(study.name, resolved.changed.values(), trial.number, skip=recorded)
    row = backend.begin_trial(
        study.backend, context.worker, trial, settings, configuration=resolved.digest, cached=cached
    )
    context.progress.trial_began(trial.number, resolved.config.training.epochs)
    return _TrialState(row, guard_position=_own_layers(resolved, recorded, row_mapping.LEARNING_RATE))


def _drawn_at_first(study: OpenStudy, trial: optuna.Trial, drawn: Mapping[str, str]) -> Mapping[str, str]:
    """Who chose each value; for a trial that is tried again, who chose it the first time."""
    origin = retry_origin(trial)
    if origin.root is None:
        return drawn
    taken_up, queued = f"taken up again from trial {origin.root}", queued_params(trial) or {}
    try:
        rows = query.settings(study.store, study.name, origin.root)
    except TrialUnknown:
        rows = []  # its worker died before it was on record
    reasons = {row.key: f", where it was {row.reason}" for row in rows if row.layer == Layer.SAMPLED}
    return {**drawn, **{key: f"{taken_up}{reasons.get(key, '')}" for key in queued}}


@dataclass
class _TrialState:
    """The result of a trial so far, and what of it is not on record yet."""

    row: tables.Trial
    guard_position: int = 0
    result: TrialResult | None = None
    log: tables.Artifact | None = None
    epochs_reported: int = 0
    """How many epochs are on record or in `unrecorded`."""
    unrecorded: list[tables.Epoch] = field(default_factory=list)
    findings: list[tables.FindingRow] = field(default_factory=list)
    """All so far, on record or not."""
    findings_recorded: int = 0
    """How many of `findings` are on record."""
    started: float = field(default_factory=time.monotonic)
    flushed: float = field(default_factory=time.monotonic)


def _end(context: TrialContext, trial: optuna.Trial, state: _TrialState, judgement: Judgement) -> Judgement:
    study, row, result = context.study, state.row, state.result
    # A resumed trial may be stopped while it reports its old epochs.
    unreported = () if result is None else result.epochs[state.epochs_reported :]
    missed = () if result is None else result.findings[len(state.findings) :]
    objectives = measured_objectives(study.backend.rules.objectives, result, study.data.base)
    row_mapping.finish_trial(
        study.store,
        row,
        judgement,
        result,
        worker=context.worker,
        duration_s=time.monotonic() - state.started,
        remaining=[
            *state.unrecorded,
            *(row_mapping.epoch_row(study.name, row.number, each) for each in unreported),
        ],
        findings=[
            *state.findings,
            *(row_mapping.finding_row(study.name, row.number, each) for each in missed),
        ],
        artifacts=[] if state.log is None else [state.log],
        guard_position=state.guard_position,
        objectives=objectives,
    )
    value, skill = (None, None) if result is None else (result.value, result.skill)
    best = None if result is None else row_mapping.best_epoch(result.epochs, result.best_epoch)
    backend.conclude_trial(study.backend, trial, judgement, value, skill, best=best, objectives=objectives)
    if judgement.verdict in CONCLUSIVE:
        remove_file(study.files.checkpoint_of(retry_origin(trial).first))
    context.progress.trial_ended(TrialEnd(trial.number, judgement, value, skill, row.started_at))
    return judgement


def _copy(context: TrialContext, trial: optuna.Trial, state: _TrialState, cached: tables.Trial) -> Judgement:
    """Give the trial the result of the cached trial, epoch by epoch, as if it had been trained."""
    study, row = context.study, state.row
    epochs = cached_epochs(study.store, cached, trial.number)
    for epoch in () if VOIDED in cached.reasons else epochs:
        report_loss(trial, epoch.validation_loss, epoch.epoch)
    seconds = time.monotonic() - state.started
    judgement = finish_cached_trial(
        study.store, row, cached, epochs, worker=context.worker, duration_s=seconds
    )
    best = row_mapping.best_epoch(epochs, cached.best_epoch)
    backend.conclude_trial(
        study.backend,
        trial,
        judgement,
        cached.value,
        cached.skill,
        best=best,
        objectives=cached.objectives,
    )
    context.progress.trial_ended(
        TrialEnd(trial.number, judgement, cached.value, cached.skill, row.started_at)
    )
    return judgement


def _own_layers(resolved: ResolvedTrial, recorded: Mapping[str, int], key: str) -> int:
    """How many layers of a setting are the trial's own, above those that are recorded for the study."""
    setting = resolved.changed.get(key)
    return 0 if setting is None else len(setting.overrides) - recorded[key]


def _judged(
    context: TrialContext, trial: optuna.Trial, state: _TrialState, resolved: ResolvedTrial
) -> Judgement:
    try:
        state.result = _fit(context, trial, state, resolved)
    except (StoreError, optuna.exceptions.OptunaError):
        raise
    except Exception as error:  # any failure becomes the trial's verdict; the traceback goes to its log
        log.exception("trial %d died", trial.number)
        return Judgement(Verdict.FAILED, (CRASHED,), f"{type(error).__name__}: {error}")
    return judge(state.result, resolved.values)


def _fit(
    context: TrialContext, trial: optuna.Trial, state: _TrialState, resolved: ResolvedTrial
) -> TrialResult:
    from trainer.training.loop import fit  # imports torch, which only running trials needs

    study, warmup = context.study, context.study.resolved.file.study.pruner_warmup

    def on_finding(finding: Finding) -> None:
        state.findings.append(row_mapping.finding_row(study.name, state.row.number, finding))
        _flush(study, state, context.worker)
        context.progress.finding_made(state.findings[-1])

    def on_epoch(report: EpochReport) -> bool:
        _record(study, state, report, context.worker)
        report_loss(trial, report.validation_loss, report.epoch)
        context.progress.epoch_passed(trial.number, report)
        # Before the warm-up ends every pruner says no.
        return report.epoch >= warmup and asks_pruner(report.epoch) and should_prune(trial)

    return fit(
        resolved.config,
        study.data.folds(resolved.config.data),
        baseline=study.data.baseline,
        ceiling=study.data.ceiling,
        metric=study.data.metric,
        seed=seeds_of_trial(state.row.seed, resolved.seeds),
        on_epoch=on_epoch,
        on_finding=on_finding,
        should_stop=context.should_stop,
        checkpoint=study.files.checkpoint_of(retry_origin(trial).first),
        checkpoint_key=study.key,
    )


def asks_pruner(epoch: int) -> bool:
    """Whether the pruner is asked after this epoch (0-based): after each of the first 200, later after every
    hundredth part of the epochs so far.

    Each question reads all epochs of the running trials again, so a trial of n epochs would otherwise read
    n².
    """
    return epoch % max(1, epoch // 100) == 0


def _record(study: OpenStudy, state: _TrialState, report: EpochReport, worker: str) -> None:
    state.unrecorded.append(row_mapping.epoch_row(study.name, state.row.number, report))
    state.epochs_reported += 1
    if time.monotonic() - state.flushed >= _FLUSH_S:
        _flush(study, state, worker)


def _flush(study: OpenStudy, state: _TrialState, worker: str) -> None:
    """Record the epochs and findings that are not on record yet."""
    new = state.findings[state.findings_recorded :]
    record.record_epochs(study.store, study.name, state.row.number, state.unrecorded, worker, new)
    state.unrecorded.clear()
    state.findings_recorded += len(new)
    state.flushed = time.monotonic()
