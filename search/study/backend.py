"""The two accounts of a study, our record and Optuna's: a trial is opened and closed in both from here."""

from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from search.config.schema import SamplerName
from search.machine import this_machine
from search.record import rows as recording
from search.record.continuation import recorded_value
from search.sampling.ordinals import ordinal_of
from search.sampling.retry import deserves_retry, origin_of, queue_again
from search.sampling.tell import message_for, tell
from search.seeds import trial_seed
from search.store_files import StudyFiles, study_files
from search.verdict import Judgement
from search.watching.publish import Press
from storage import query, record, tables
from storage.engine import Store


@dataclass(frozen=True)
class Rules:
    """What decides how a verdict is told and whether a trial is tried again."""

    sampler: SamplerName
    retries: int
    seed: int
    naive_loss: float
    """Of forecasting the training mean: no honest loss that is worth knowing is larger."""


@dataclass(frozen=True)
class Books:
    """Both accounts of one study, and the rules that they are kept by."""

    store: Store
    optuna: optuna.Study
    rules: Rules
    files: StudyFiles
    press: Press | None = None
    """Who shows ended trials in optuna-dashboard; None: nobody."""

    @property
    def name(self) -> str:
        """The study's name, which is the key in both."""
        return self.optuna.study_name


def open_books(store: Store, storage: BaseStorage, name: str) -> Books:
    """The books of a study on record, without its data or settings: enough to put them in order.

    KeyError if Optuna does not know the study; StudyUnknown if the record does not.
    """
    row, stacks = query.study(store, name), query.setting_stacks(store, name)
    rules = Rules(
        sampler=recorded_value("study.sampler", stacks),
        retries=recorded_value("study.retries", stacks),
        seed=row.seed,
        naive_loss=row.facts["baselines"]["train_mean"],
    )
    files = study_files(store.url, recorded_value("storage.files", stacks), name)
    press = Press(store, files) if recorded_value("tracking.dashboard", stacks) else None
    return Books(store, optuna.load_study(study_name=name, storage=storage), rules, files, press)


def start(
    books: Books,
    worker: str,
    trial: optuna.Trial | FrozenTrial,
    settings: Sequence[tables.Setting] = (),
    *,
    configuration: str | None = None,
    twin: tables.Trial | None = None,
) -> tables.Trial:
    """Record that `worker` runs this trial; `settings` are those that are the trial's own.

    `twin` is a trial of the same configuration whose result this one will copy, and so its seed. Raises
    TrialExists if another worker has recorded it.
    """
    origin = origin_of(trial)
    trials = books.optuna._get_trials(deepcopy=False, use_cache=True)
    if len(trials) <= trial.number:
        trials = books.optuna.get_trials(deepcopy=False)
    own_seed = trial_seed(books.rules.seed, ordinal_of(books.optuna, trials, trial.number))
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
        machine=this_machine() if twin is None else twin.machine,
    )
    record.start_trial(books.store, row, settings)
    return row


def conclude(
    books: Books,
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
    if deserves_retry(judgement, origin_of(trial).attempt, rules.retries):
        queue_again(books.optuna, trial)
    message = message_for(
        judgement.verdict, value, sampler=rules.sampler, worst_honest=lambda: _worst_honest(books)
    )
    tell(books.optuna, trial, message)


def _worst_honest(books: Books) -> float:
    """The largest loss told of an honest trial, and at least that of forecasting the training mean."""
    honest = [
        trial.value
        for trial in books.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        if trial.value is not None and not any(c > 0 for c in trial.constraints.values())
    ]
    return max([books.rules.naive_loss, *honest])
