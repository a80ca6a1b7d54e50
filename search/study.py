"""Creates a study or takes it up again: Optuna's part and the record, in one database."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from search import recording
from search.config.resolved import ResolvedStudy
from search.data import StudyData, most_epochs
from search.errors import RequestError, StudyChanged
from search.optimizers import make_pruner, make_sampler
from search.queue import REQUESTED
from storage import query, record, tables
from storage.engine import Store
from storage.errors import StudyUnknown
from storage.sqlite import sqlite_connect_args, tune_sqlite

MAY_CHANGE = ("study.trials", "study.timeout", "study.retries", "study.enqueue", "storage.")
"""Keys, and beginnings of keys, in which a continued study may differ from the one that was started."""


@dataclass(frozen=True)
class OpenStudy:
    """A study that is ready for its next trial."""

    resolved: ResolvedStudy
    data: StudyData
    store: Store
    optuna: optuna.Study
    storage: RDBStorage

    @property
    def name(self) -> str:
        """The name, which is the key of both parts."""
        return self.resolved.file.study.name


def optuna_storage(store: Store) -> RDBStorage:
    """Optuna's storage in the same database, with the same patience for locks."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    is_sqlite = store.engine.dialect.name == "sqlite"
    arguments = {"connect_args": sqlite_connect_args()} if is_sqlite else {"pool_pre_ping": True}
    storage = RDBStorage(store.url, engine_kwargs=arguments)
    if is_sqlite:
        tune_sqlite(storage.engine)
    return storage


def has_optuna_tables(store: Store) -> bool:
    """Whether Optuna has ever used this database."""
    return bool(sqlalchemy.inspect(store.engine).has_table("studies"))


def upgrade_optuna(store: Store) -> None:
    """Bring Optuna's tables to the schema of the installed Optuna, if there are any."""
    if has_optuna_tables(store):
        RDBStorage(store.url, skip_compatibility_check=True).upgrade()


def open_study(resolved: ResolvedStudy, data: StudyData, store: Store) -> OpenStudy:
    """Create the study, or continue it if it is the same; StudyChanged says what is not.

    TrainerError if this machine has not the device: before a study is made that only another could run.
    """
    from trainer.runtime import find_device  # torch, which nothing else here needs

    find_device(resolved.trial_config.training.device)
    name = resolved.file.study.name
    recorded = _recorded(store, name)
    if recorded is not None:
        check_unchanged(resolved, data, store, recorded)
        # One ceiling for all trials of a study, though another number of trials would give another.
        data = replace(data, ceiling=recorded.facts["skill_ceiling"])
    storage = optuna_storage(store)
    study = optuna.create_study(study_name=name, storage=storage, direction="minimize", load_if_exists=True)
    if recorded is None:
        _require_ours(study, store)
        record.create_study(
            store,
            recording.study_row(resolved, data),
            recording.setting_rows(name, resolved.settings.values()),
            recording.clamp_rows(name, resolved),
            recording.data_row(name, data),
        )
    for params, asked in zip(resolved.enqueued, resolved.requested, strict=True):
        kept = {REQUESTED: dict(asked)} if asked != params else None
        study.enqueue_trial(dict(params), user_attrs=kept, skip_if_exists=True)
    section = resolved.file.study
    study.sampler = make_sampler(section, resolved.space, len(study.get_trials(deepcopy=False)))
    study.pruner = make_pruner(section, most_epochs(resolved))
    return OpenStudy(resolved, data, store, study, storage)


def _recorded(store: Store, name: str) -> tables.Study | None:
    try:
        return query.study(store, name)
    except StudyUnknown:
        return None


def _require_ours(study: optuna.Study, store: Store) -> None:
    """Refuse a study that somebody else began in Optuna: a creation of ours that broke off has no trials."""
    begun = any(trial.state is not TrialState.WAITING for trial in study.get_trials(deepcopy=False))
    if begun or study.direction is not StudyDirection.MINIMIZE:
        raise RequestError(
            f"{store.shown_url} holds a study {study.study_name!r} that Optuna knows and Ballast did not "
            f"start; start another one: --name {study.study_name}-2"
        )


def check_unchanged(resolved: ResolvedStudy, data: StudyData, store: Store, recorded: tables.Study) -> None:
    """Raise StudyChanged if what decides a trial's value differs from the study on record."""
    present = recording.fingerprints(resolved, data)
    parts = [part for part, digest in recorded.fingerprints.items() if present.get(part) != digest]
    if not parts:
        return
    changes = _changed_keys(resolved, query.setting_stacks(store, recorded.name, None))
    if "content" in parts:
        changes.append(f"the rows of {resolved.trial_config.data.source}")
    if "policy" in parts:
        changes.append(f"the safe ranges ({resolved.policy.path})")
    raise StudyChanged(
        f"study {recorded.name!r} in {store.shown_url} was started with other settings: "
        f"{'; '.join(changes) or ', '.join(parts)}. "
        f"Go on with the settings it was started with, or start another study: --name {recorded.name}-2"
    )


def _changed_keys(resolved: ResolvedStudy, stacks: Mapping[str, list[tables.Setting]]) -> list[str]:
    recorded = {key: stack[-1].effective for key, stack in stacks.items()}
    present = {key: setting.value for key, setting in resolved.settings.items()}
    changes = []
    for key in sorted(recorded.keys() | present.keys()):
        before, after = recorded.get(key), present.get(key)
        if before != after and not key.startswith(MAY_CHANGE):
            origin = resolved.settings[key].origin if key in resolved.settings else "left out"
            changes.append(f"{key} was {before!r}, is {after!r} ({origin})")
    return changes
