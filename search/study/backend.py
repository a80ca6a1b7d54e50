"""One study in the record and in Optuna: this module begins and concludes a trial in both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from search.config.objectives import LOSS_ALONE, OBJECTIVES
from search.config.schema import SamplerName
from search.machine import machine_facts
from search.record import row_mapping
from search.record.continuation import recorded_value
from search.sampling.configuration_ordinals import configuration_ordinal
from search.sampling.loss_first import load_optuna_study
from search.sampling.retry import enqueue_retry, retry_origin, should_retry
from search.sampling.tell import OtherObjectives, tell, tell_message, worst_honest_loss, worst_of_each
from search.seeds import trial_seed
from search.store_files import StudyFiles, study_files
from search.verdict import Judgement
from search.watching.publishing.trial_publisher import TrialPublisher
from storage import query, record, tables
from storage.engine import Store
from trainer.training.result import EpochReport


@dataclass(frozen=True)
class StudyRules:
    """What decides how Optuna hears of a verdict and whether a trial is tried again."""

    sampler: SamplerName
    retries: int
    seed: int
    naive_loss: float
    """Loss of forecasting the training mean: a larger honest loss is of no use to a sampler."""
    objectives: Sequence[str] = LOSS_ALONE


@dataclass(frozen=True)
class StudyBackend:
    """One study in both places, the record and Optuna, with its rules."""

    store: Store
    optuna: optuna.Study
    rules: StudyRules
    files: StudyFiles
    publisher: TrialPublisher | None = None
    """Shows ended trials in optuna-dashboard; None if nothing does."""

    @property
    def name(self) -> str:
        """The study's name, which is the key in both places."""
        return self.optuna.study_name


def open_backend(store: Store, storage: BaseStorage, name: str) -> StudyBackend:
    """The backend of a study on record, without its data and settings: enough for `reconcile`.

    KeyError if Optuna does not know the study; StudyUnknown if the record does not.
    """
    row, layers = query.study(store, name), query.setting_layers(store, name)
    rules = StudyRules(
        sampler=recorded_value("study.sampler", layers),
        retries=recorded_value("study.retries", layers),
        seed=row.seed,
        naive_loss=row.facts["baselines"]["train_mean"],
        objectives=tuple(recorded_value(OBJECTIVES, layers)),
    )
    files = study_files(store.url, recorded_value("storage.files", layers), name)
    publisher = TrialPublisher(store, files) if recorded_value("tracking.dashboard", layers) else None
    return StudyBackend(store, load_optuna_study(name, storage), rules, files, publisher)


def begin_trial(
    backend: StudyBackend,
    worker: str,
    trial: optuna.Trial | FrozenTrial,
    settings: Sequence[tables.SettingRow] = (),
    *,
    configuration: str | None = None,
    cached: tables.Trial | None = None,
) -> tables.Trial:
    """Record that `worker` runs this trial; `settings` are those that are the trial's own.

    `cached` is a trial of the same configuration: the new trial will copy its result, and so its seed. Raises
    TrialExists if another worker has recorded the trial.
    """
    origin = retry_origin(trial)
    trials = backend.optuna._get_trials(deepcopy=False, use_cache=True)
    if len(trials) <= trial.number:
        trials = backend.optuna.get_trials(deepcopy=False)
    own_seed = trial_seed(backend.rules.seed, configuration_ordinal(backend.optuna, trials, trial.number))
    row = tables.Trial(
        study=backend.name,
        number=trial.number,
        params=dict(trial.params),
        seed=own_seed if cached is None else cached.seed,
        started_at=row_mapping.now(),
        worker=worker,
        retry_of=origin.retry_of,
        configuration=configuration,
        source_study=None if cached is None else cached.study,
        source_trial=None if cached is None else cached.number,
        machine=machine_facts() if cached is None else cached.machine,
    )
    record.start_trial(backend.store, row, settings)
    return row


def conclude_trial(
    backend: StudyBackend,
    trial: optuna.Trial,
    judgement: Judgement,
    value: float | None = None,
    skill: float | None = None,
    *,
    best: EpochReport | tables.Epoch | None = None,
    objectives: Mapping[str, float | None] | None = None,
) -> None:
    """Tell Optuna what the record holds, and queue the parameters again if the verdict asks for it.

    `best` is the trial's best epoch: of several folds or seeds the loss of each is told. `objectives` are the
    values on record for a study of several. A worker may have died in the middle of this: what it did already
    is not done twice.
    """
    rules = backend.rules
    trial.set_user_attr("verdict", str(judgement.verdict))
    if judgement.reasons:
        trial.set_user_attr("reasons", ", ".join(judgement.reasons))
    if skill is not None:
        trial.set_user_attr("skill", skill)
    if folds := row_mapping.fold_losses(best):
        trial.set_user_attr("folds", list(folds))
    if seeds := row_mapping.seed_losses(best):
        trial.set_user_attr("seeds", list(seeds))
    if backend.publisher is not None:
        backend.publisher.publish(trial)
    if should_retry(judgement, retry_origin(trial).attempt, rules.retries):
        enqueue_retry(backend.optuna, trial)
    message = tell_message(
        judgement.verdict,
        value,
        sampler=rules.sampler,
        worst_honest=lambda: worst_honest_loss(_honest_losses(backend), rules.naive_loss),
        others=_other_objectives(backend, objectives or {}),
    )
    tell(backend.optuna, trial, message)


def _honest_losses(backend: StudyBackend) -> list[float | None]:
    """The losses of the trials that violate no constraint, as Optuna was told."""
    return [values[0] for values in _honest_values(backend)]


def _honest_values(backend: StudyBackend) -> list[list[float]]:
    """The values of the trials that violate no constraint, as Optuna was told: of each objective one."""
    ended = backend.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    honest = (trial for trial in ended if not any(c > 0 for c in trial.constraints.values()))
    return [trial.values for trial in honest if trial.values]


def _other_objectives(backend: StudyBackend, objectives: Mapping[str, float | None]) -> OtherObjectives:
    """The objectives after the loss, in the order of the study."""
    measured = [objectives.get(name) for name in backend.rules.objectives[1:]]
    return OtherObjectives(
        measured, lambda: worst_of_each(measured, [values[1:] for values in _honest_values(backend)])
    )
