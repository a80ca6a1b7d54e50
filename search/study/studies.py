"""Creates, continues or joins a study: its record and Optuna's tables, in one database."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from search.config.resolved_study import ResolvedStudy
from search.data.study_data import DataInspection, StudyData, max_epochs
from search.errors import RequestError, StudyChanged
from search.record import continuation, row_mapping
from search.record.evaluations import validated_rows
from search.record.scored_panel import ScoredPanel
from search.record.validation_rows import validation_rows_row
from search.sampling.configuration_ordinals import start_ordinals
from search.sampling.loss_first import create_optuna_study
from search.sampling.optuna_storage import has_optuna_tables, optuna_storage
from search.sampling.pruners import make_pruner
from search.sampling.queue import REQUESTED
from search.store_files import StudyFiles, signing_key, study_files
from search.study import trial_import
from search.study.backend import StudyBackend, StudyRules
from search.study.orphans import require_not_orphaned
from search.watching.publishing.trial_publisher import TrialPublisher
from storage import query, record, tables
from storage.engine import Store
from storage.errors import StudyExists, StudyUnknown
from trainer.rivals.skill import Baseline


@dataclass(frozen=True)
class OpenStudy:
    """A study that is ready for its next trial."""

    resolved: ResolvedStudy
    data: StudyData
    backend: StudyBackend

    @property
    def name(self) -> str:
        """The study's name, which is the key in the record and in Optuna."""
        return self.backend.name

    @property
    def store(self) -> Store:
        """The store that holds both."""
        return self.backend.store

    @property
    def files(self) -> StudyFiles:
        """The study's logs and checkpoints."""
        return self.backend.files

    @cached_property
    def key(self) -> bytes | None:
        """The key that its files are signed with; see `search.store_files.signing_key`."""
        return signing_key(query.study(self.store, self.name).facts)

    @property
    def optuna(self) -> optuna.Study:
        """The study as Optuna has it."""
        return self.backend.optuna


def open_study(
    resolved: ResolvedStudy,
    data: StudyData,
    store: Store,
    *,
    devices: Sequence[str | None] = (None,),
    proxy: str | None = None,
    continue_from: str | None = None,
) -> OpenStudy:
    """Create the study, or continue it; StudyChanged says which settings differ from those on record.

    `devices` are those of its workers (None: the study's own). `continue_from` names a study of this store
    whose trials are imported, as far as they lie in the space. `proxy` is the address of Optuna's gRPC proxy.
    Raises TrainerError if this machine does not have one of the devices, before a study is created that this
    machine could not run.
    """
    require_devices(resolved, devices)
    recorded = _recorded(store, resolved.file.study.name)
    if recorded is not None:
        data = _unchanged(resolved, data, store, recorded)
    elif continue_from is not None:
        data = trial_import.with_ceiling_of_source(resolved, data, store, continue_from)
    if recorded is not None:
        require_not_orphaned(store, recorded.name)
    opened = _assemble(resolved, data, store, optuna_storage(store, proxy))
    if recorded is None:
        recorded = _create(opened)
    if recorded is not None:
        opened = replace(opened, data=_unchanged(resolved, data, store, recorded))
        _record_changes(opened, recorded)
    start_ordinals(opened.optuna)
    _import_trials(opened, continue_from)
    _enqueue(opened)
    return opened


def join_study(
    resolved: ResolvedStudy,
    data: StudyData,
    store: Store,
    *,
    device: str | None = None,
    proxy: str | None = None,
) -> OpenStudy:
    """The study as it is in the store, for one more worker; raises what `open_study` raises."""
    require_devices(resolved, [device])
    data = _unchanged(resolved, data, store, query.study(store, resolved.file.study.name))
    require_not_orphaned(store, resolved.file.study.name)
    opened = _assemble(resolved, data, store, optuna_storage(store, proxy))
    start_ordinals(opened.optuna)
    return opened


def require_devices(resolved: ResolvedStudy, devices: Sequence[str | None]) -> None:
    """Raise TrainerError if this machine does not have one of these devices (None: the study's own)."""
    own = resolved.trial_config.training.device
    named = {own if device is None else device for device in devices} - {"cpu"}
    if named:
        from trainer.kernels.choice import kernel_name  # imports torch, which nothing else here needs
        from trainer.runtime import find_device

        for name in named:
            kernel_name(resolved.trial_config.training.kernel, find_device(name))


def require_compatible_store(
    resolved: ResolvedStudy, inspection: DataInspection, store: Store, continue_from: str | None = None
) -> bool:
    """Whether the study is new in the store. Raises RequestError or StudyChanged if the store holds a
    different study of this name, or if the trials of `continue_from` cannot be imported.

    Writes nothing. Checks that need the rows of the table are left out if it could not be read.
    """
    name, table = resolved.file.study.name, inspection.table
    recorded, optuna_study = _recorded(store, name), _load_optuna_study(store, name)
    if recorded is None:
        if optuna_study is not None:
            _require_created_here(optuna_study, store)
        if continue_from is not None and table is not None:
            trial_import.require_importable(resolved, store, continue_from, table.sha256)
        return True
    if table is not None:
        _require_unchanged(resolved, table.sha256, store, recorded)
    require_not_orphaned(store, name)
    return False


def _load_optuna_study(store: Store, name: str) -> optuna.Study | None:
    """Optuna's study of this name, or None. Optuna's tables are not created for it."""
    if not has_optuna_tables(store):
        return None
    try:
        return optuna.load_study(study_name=name, storage=optuna_storage(store))
    except KeyError:  # Optuna raises this for a name that it does not know
        return None


def _assemble(resolved: ResolvedStudy, data: StudyData, store: Store, storage: BaseStorage) -> OpenStudy:
    section = resolved.file.study
    study = create_optuna_study(section.name, storage, len(section.objectives))
    study.pruner = make_pruner(section, max_epochs(resolved))
    rules = StudyRules(
        section.sampler, section.retries, section.seed, data.baselines["train_mean"], section.objectives
    )
    files = study_files(store.url, resolved.file.storage.files, section.name)
    publisher = TrialPublisher(store, files) if resolved.file.tracking.dashboard else None
    return OpenStudy(resolved, data, StudyBackend(store, study, rules, files, publisher))


def _create(opened: OpenStudy) -> tables.StudyRow | None:
    """Record a new study and return None, or return the row of a process that recorded it in the meantime."""
    resolved, name, store = opened.resolved, opened.name, opened.store
    _require_created_here(opened.optuna, store)
    try:
        record.create_study(
            store,
            row_mapping.study_row(resolved, opened.data),
            row_mapping.setting_rows(name, resolved.settings.values()),
            row_mapping.clamp_rows(name, resolved),
            row_mapping.data_row(name, opened.data),
            [
                validation_rows_row(
                    name, opened.data.base, opened.data.rivals, _validation_series(opened), opened.data.metric
                )
            ],
        )
    except StudyExists:
        return query.study(store, name)
    return None


def _validation_series(opened: OpenStudy) -> ScoredPanel:
    """The series of the validation rows, on which the trials are judged."""
    config, data = opened.resolved.trial_config.data, opened.data
    return validated_rows(opened.resolved, config, data.base, data.table).series


def _record_changes(opened: OpenStudy, recorded: tables.StudyRow) -> None:
    """Record the settings that have changed and may change, above all the number of trials wanted."""
    layers = query.setting_layers(opened.store, opened.name)
    changed = continuation.continuation_rows(opened.resolved, layers)
    if changed or recorded.sources != opened.resolved.sources:
        record.continue_study(
            opened.store,
            opened.name,
            wanted=opened.resolved.file.study.trials,
            sources=opened.resolved.sources,
            settings=changed,
        )


def _import_trials(opened: OpenStudy, requested: str | None) -> None:
    """Import the trials of the study that this one continues; complete an import that was interrupted."""
    source = requested or query.study(opened.store, opened.name).facts.get(trial_import.CONTINUED_FROM)
    if source is None or (requested is None and _recorded(opened.store, source) is None):
        return  # the store may hold a copy of this study without its source
    trial_import.import_trials(opened.backend, opened.resolved, opened.data, source)


def _enqueue(opened: OpenStudy) -> None:
    resolved = opened.resolved
    for params, asked in zip(resolved.enqueued, resolved.requested, strict=True):
        kept = {REQUESTED: dict(asked)} if asked != params else None
        opened.optuna.enqueue_trial(dict(params), user_attrs=kept, skip_if_exists=True)


def _recorded(store: Store, name: str) -> tables.StudyRow | None:
    try:
        return query.study(store, name)
    except StudyUnknown:
        return None


def _require_created_here(study: optuna.Study, store: Store) -> None:
    """Refuse a study that another program began in Optuna. If Ballast was interrupted while it created a
    study, that study has no trials.
    """
    begun = any(trial.state is not TrialState.WAITING for trial in study.get_trials(deepcopy=False))
    if begun or {*study.directions} != {StudyDirection.MINIMIZE}:
        raise RequestError(
            f"{store.shown_url} holds a study {study.study_name!r} that Optuna knows and Ballast did not "
            f"start; start another one: --name {shlex.quote(study.study_name + '-2')}"
        )


def _unchanged(
    resolved: ResolvedStudy, data: StudyData, store: Store, recorded: tables.StudyRow
) -> StudyData:
    """The data with the ceiling and naive forecasts on record; StudyChanged if a setting differs that decides
    a trial's value.

    All trials of a study are measured alike, even if a later version of Ballast computes another ceiling and
    other naive forecasts.
    """
    _require_unchanged(resolved, data.sha256, store, recorded)
    facts = recorded.facts
    return replace(
        data,
        ceiling=facts["skill_ceiling"],
        baselines=facts["baselines"],
        baseline=Baseline(**facts["baseline"]),
    )


def _require_unchanged(resolved: ResolvedStudy, sha256: str, store: Store, recorded: tables.StudyRow) -> None:
    layers = query.setting_layers(store, recorded.name)
    changes = continuation.changed_parts(resolved, recorded.fingerprints, layers, sha256)
    if changes:
        raise StudyChanged(
            f"study {recorded.name!r} in {store.shown_url} was started with other settings: "
            f"{'; '.join(changes)}. Go on with the settings it was started with, or start another study: "
            f"--name {shlex.quote(recorded.name + '-2')}"
        )
