"""One trial, start to end: sampled parameters in, verdict recorded and told.

suggest ──► resolve (clamp) ──► record start ──► fit ──► judge ──► record end ──► tell
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import TrialState

from search import recording
from search.config.resolved import ResolvedTrial
from search.errors import RequestError
from search.progress import Progress, TrialEnd
from search.queue import requested_params, was_queued
from search.retry import deserves_retry, origin_of, queue_again
from search.study import OpenStudy
from search.telling import message_for, tell
from search.verdict import CRASHED, OVERRIDE_NOT_APPLIED, Judgement, judge
from storage import record, tables
from storage.errors import StoreError
from storage.verdicts import Verdict
from trainer.result import EpochReport, TrialResult

log = logging.getLogger("ballast.trial")


@dataclass(frozen=True)
class Bench:
    """What a worker needs for every trial it runs."""

    study: OpenStudy
    worker: str
    progress: Progress
    should_stop: Callable[[], bool]


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial: a function of the study's seed and the trial's number alone."""
    return int(np.random.SeedSequence([study_seed, number]).generate_state(1)[0])


def run_trial(bench: Bench, trial: optuna.Trial) -> Judgement:
    """Run one trial to its verdict; record it, then tell Optuna.

    A StoreError, or one of Optuna's storage, is raised: the trial stays running, for the next run to reap.
    """
    study = bench.study
    requested = requested_params(trial)
    try:
        resolved = study.resolved.trial(requested, queued=was_queued(trial))
    except RequestError as error:
        why = f"{error}; it was enqueued as {requested}, enqueue it again with keys of the space alone"
        row = start(study, bench.worker, trial)
        return _end(bench, trial, row, Judgement(Verdict.FAILED, (OVERRIDE_NOT_APPLIED,), why))
    known = {key: len(setting.overrides) for key, setting in study.resolved.settings.items()}
    settings = recording.setting_rows(study.name, resolved.changed.values(), trial.number, skip=known)
    row = start(study, bench.worker, trial, settings)
    bench.progress.trial_began(trial.number, resolved.config.training.epochs)
    judgement, result = _judged(bench, trial, resolved, row.seed)
    position = _own_layers(resolved, known, recording.LEARNING_RATE)
    return _end(bench, trial, row, judgement, result, guard_position=position)


def _end(
    bench: Bench,
    trial: optuna.Trial,
    row: tables.Trial,
    judgement: Judgement,
    result: TrialResult | None = None,
    *,
    guard_position: int = 0,
) -> Judgement:
    recording.finish_trial(bench.study.store, row, judgement, result, guard_position=guard_position)
    value, skill = (None, None) if result is None else (result.value, result.skill)
    conclude(bench.study, trial, judgement, value)
    bench.progress.trial_ended(TrialEnd(trial.number, judgement, value, skill, row.started_at))
    return judgement


def _own_layers(resolved: ResolvedTrial, known: Mapping[str, int], key: str) -> int:
    """How many layers of a setting are the trial's own, on top of those that the study has recorded."""
    setting = resolved.changed.get(key)
    return 0 if setting is None else len(setting.overrides) - known[key]


def conclude(study: OpenStudy, trial: optuna.Trial, judgement: Judgement, value: float | None) -> None:
    """Tell Optuna what the record holds, and queue the parameters again where the verdict asks for it."""
    section = study.resolved.file.study
    trial.set_user_attr("verdict", str(judgement.verdict))
    trial.set_user_attr("reasons", ", ".join(judgement.reasons))
    if deserves_retry(judgement, origin_of(trial).attempt, section.retries):
        queue_again(study.optuna, trial)
    message = message_for(
        judgement.verdict, value, sampler=section.sampler, worst_honest=_worst_honest(study)
    )
    tell(study.optuna, trial, message)


def start(
    study: OpenStudy, worker: str, trial: optuna.Trial, settings: Sequence[tables.Setting] = ()
) -> tables.Trial:
    """Record that `worker` runs this trial; `settings` are those that are the trial's own."""
    origin = origin_of(trial)
    row = tables.Trial(
        study=study.name,
        number=trial.number,
        params=dict(trial.params),
        seed=trial_seed(study.resolved.file.study.seed, origin.first),
        started_at=recording.now(),
        worker=worker,
        retry_of=origin.retry_of,
    )
    record.start_trial(study.store, row, settings)
    return row


def _judged(
    bench: Bench, trial: optuna.Trial, resolved: ResolvedTrial, seed: int
) -> tuple[Judgement, TrialResult | None]:
    try:
        result = _fit(bench, trial, resolved, seed)
    except (StoreError, optuna.exceptions.OptunaError):
        raise
    except Exception as error:  # whatever a trial dies of becomes its verdict, and its traceback the log's
        log.exception("trial %d died", trial.number)
        return Judgement(Verdict.FAILED, (CRASHED,), f"{type(error).__name__}: {error}"), None
    return judge(result, resolved.values), result


def _fit(bench: Bench, trial: optuna.Trial, resolved: ResolvedTrial, seed: int) -> TrialResult:
    from trainer.loop import fit  # torch is imported where a trial is run, and nowhere before

    study = bench.study

    def on_epoch(report: EpochReport) -> bool:
        record.record_epoch(study.store, recording.epoch_row(study.name, trial.number, report))
        trial.report(report.validation_loss, report.epoch)
        bench.progress.epoch_passed(trial.number, report)
        return trial.should_prune()

    return fit(
        resolved.config,
        study.data.dataset(resolved.config.data),
        baseline=study.data.baseline,
        ceiling=study.data.ceiling,
        seed=seed,
        on_epoch=on_epoch,
        should_stop=bench.should_stop,
    )


def _worst_honest(study: OpenStudy) -> float:
    """The largest loss told of an honest trial, and at least that of forecasting the training mean."""
    honest = [
        trial.value
        for trial in study.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        if trial.value is not None and not any(c > 0 for c in trial.constraints.values())
    ]
    return max([study.data.baselines["train_mean"], *honest])
