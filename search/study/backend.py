"""The two accounts of a study, our record and Optuna's: a trial is opened and closed in both from here."""

from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from search.config.schema import SamplerName
from search.machine import machine_facts
from search.record import row_mapping as recording
from search.record.continuation import recorded_value
from search.sampling.configuration_ordinals import configuration_ordinal
from search.sampling.retry import enqueue_retry, retry_origin, should_retry
from search.sampling.tell import tell, tell_message
from search.seeds import trial_seed
from search.store_files import StudyFiles, study_files
from search.verdict import Judgement
from search.watching.publishing.trial_publisher import TrialPublisher
from storage import query, record, tables
from storage.engine import Store


@dataclass(frozen=True)
class StudyRules:
    """What decides how a verdict is told and whether a trial is tried again."""

    sampler: SamplerName
    retries: int
    seed: int
    naive_loss: float
    """Of forecasting the training mean: no honest loss that is worth knowing is larger."""


@dataclass(frozen=True)
class StudyBackend:
    """Both accounts of one study, and the rules that they are kept by."""

    store: Store
    optuna: optuna.Study
    rules: StudyRules
    files: StudyFiles
    press: TrialPublisher | None = None
    """Who shows ended trials in optuna-dashboard; None: nobody."""

    @property
    def name(self) -> str:
        """The study's name, which is the key in both."""
        return self.optuna.study_name


def open_backend(store: Store, storage: BaseStorage, name: str) -> StudyBackend:
    """The books of a study on record, without its data or settings: enough to put them in order.

    KeyError if Optuna does not know the study; StudyUnknown if the record does not.
    """
    row, stacks = query.study(store, name), query.setting_layers(store, name)
    rules = StudyRules(
        sampler=recorded_value("study.sampler", stacks),
        retries=recorded_value("study.retries", stacks),
        seed=row.seed,
        naive_loss=row.facts["baselines"]["train_mean"],
    )
    files = study_files(store.url, recorded_value("storage.files", stacks), name)
    press = TrialPublisher(store, files) if recorded_value("tracking.dashboard", stacks) else None
    return StudyBackend(store, optuna.load_study(study_name=name, storage=storage), rules, files, press)


def begin_trial(
    books: StudyBackend,
    worker: str,
    trial: optuna.Trial | FrozenTrial,
    settings: Sequence[tables.SettingRow] = (),
    *,
    configuration: str | None = None,
    twin: tables.Trial | None = None,
) -> tables.Trial:
    """Record that `worker` runs this trial; `settings` are those that are the trial's own.

    `twin` is a trial of the same configuration whose result this one will copy, and so its seed. Raises
    TrialExists if another worker has recorded it.
    """
    origin = retry_origin(trial)
    trials = books.optuna._get_trials(deepcopy=False, use_cache=True)
    if len(trials) <= trial.number:
        trials = books.optuna.get_trials(deepcopy=False)
    own_seed = trial_seed(books.rules.seed, configuration_ordinal(books.optuna, trials, trial.number))
    row = tables.Trial(
        study=books.name,
        number=trial.number,
        params=dict(trial.params),
        seed=own_seed if twin is None else twin.seed,
        started_at=recording.now(),
        worker=worker,
        retry_of=origin.retry_of,
        configuration=configuration,
        source_study=None if twin is None else twin.study,
        source_trial=None if twin is None else twin.number,
        machine=machine_facts() if twin is None else twin.machine,
    )
    record.start_trial(books.store, row, settings)
    return row


def conclude_trial(
    books: StudyBackend,
    trial: optuna.Trial,
    judgement: Judgement,
    value: float | None = None,
    skill: float | None = None,
    *,
    folds: Sequence[float] = (),
) -> None:
    """Tell Optuna what the record holds, and queue the parameters again where the verdict asks for it.

    `folds` are the validation losses of each fold, of a trial that has several.

    Whatever part of this was done before, by a worker that died over it, is not done twice.
    """
    rules = books.rules
    trial.set_user_attr("verdict", str(judgement.verdict))
    if judgement.reasons:
        trial.set_user_attr("reasons", ", ".join(judgement.reasons))
    if skill is not None:
        trial.set_user_attr("skill", skill)
    if folds:
        trial.set_user_attr("folds", list(folds))
    if books.press is not None:
        books.press.publish(trial)
    if should_retry(judgement, retry_origin(trial).attempt, rules.retries):
        enqueue_retry(books.optuna, trial)
    message = tell_message(
        judgement.verdict, value, sampler=rules.sampler, worst_honest=lambda: _worst_honest(books)
    )
    tell(books.optuna, trial, message)


def _worst_honest(books: StudyBackend) -> float:
    """The largest loss told of an honest trial, and at least that of forecasting the training mean."""
    honest = [
        trial.value
        for trial in books.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        if trial.value is not None and not any(c > 0 for c in trial.constraints.values())
    ]
    return max([books.rules.naive_loss, *honest])
