"""Creates a study, takes it up again, or joins it: Optuna's part and the record, in one database."""

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
from search.record import continuation
from search.record import row_mapping as recording
from search.record import validation_rows as rows
from search.record.evaluations import validated_rows
from search.record.scored_series import ScoredSeries
from search.sampling.configuration_ordinals import start_ordinals
from search.sampling.optuna_storage import has_optuna_tables, optuna_storage
from search.sampling.pruners import make_pruner
from search.sampling.queue import REQUESTED
from search.store_files import StudyFiles, signing_key, study_files
from search.study import trial_import as inheritance
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
    books: StudyBackend

    @property
    def name(self) -> str:
        """The name, which is the key of both parts."""
        return self.books.name

    @property
    def store(self) -> Store:
        """Where both parts are."""
        return self.books.store

    @property
    def files(self) -> StudyFiles:
        """Its logs and checkpoints."""
        return self.books.files

    @cached_property
    def key(self) -> bytes | None:
        """What its files are signed with; see `search.store_files.signing_key`."""
        return signing_key(query.study(self.store, self.name).facts)

    @property
    def optuna(self) -> optuna.Study:
        """Optuna's part."""
        return self.books.optuna


def open_study(
    resolved: ResolvedStudy,
    data: StudyData,
    store: Store,
    *,
    devices: Sequence[str | None] = (None,),
    proxy: str | None = None,
    continue_from: str | None = None,
) -> OpenStudy:
    """Create the study, or continue it if it is the same; StudyChanged says what is not.

    `devices` are those of its workers, None the study's own.
    `continue_from` names a study of this store whose trials are taken over, as far as they lie in the space;
    `proxy` is the address of Optuna's gRPC proxy. TrainerError if this machine has not the device: before a
    study is made that only another could run.
    """
    require_devices(resolved, devices)
    recorded = _recorded(store, resolved.file.study.name)
    if recorded is not None:
        data = _unchanged(resolved, data, store, recorded)
    elif continue_from is not None:
        data = inheritance.with_ceiling_of_source(resolved, data, store, continue_from)
    if recorded is not None:
        require_not_orphaned(store, recorded.name)
    opened = _assemble(resolved, data, store, optuna_storage(store, proxy))
    if recorded is None:
        recorded = _create(opened)
    if recorded is not None:
        opened = replace(opened, data=_unchanged(resolved, data, store, recorded))
        _go_on(opened, recorded)
    start_ordinals(opened.optuna)
    _inherit(opened, continue_from)
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
    """The study as it stands in the store, for one more worker; raises as `open_study` does."""
    require_devices(resolved, [device])
    data = _unchanged(resolved, data, store, query.study(store, resolved.file.study.name))
    require_not_orphaned(store, resolved.file.study.name)
    opened = _assemble(resolved, data, store, optuna_storage(store, proxy))
    start_ordinals(opened.optuna)
    return opened


def require_devices(resolved: ResolvedStudy, devices: Sequence[str | None]) -> None:
    """Raise TrainerError if this machine has not one of these devices (None: the study's own)."""
    own = resolved.trial_config.training.device
    named = {own if device is None else device for device in devices} - {"cpu"}
    if named:
        from trainer.kernels.kernel import kernel_name  # torch, which nothing else here needs
        from trainer.runtime import find_device

        for name in named:
            kernel_name(resolved.trial_config.training.kernel, find_device(name))


def require_compatible_store(
    resolved: ResolvedStudy, inspection: DataInspection, store: Store, continue_from: str | None = None
) -> bool:
    """Whether the study is new in the store. Raises RequestError and StudyChanged where the store holds
    another of its name, and where the trials of `continue_from` cannot be taken over.

    Makes nothing in the store. What depends on the rows is asked where they could be read.
    """
    name, table = resolved.file.study.name, inspection.table
    recorded, known = _recorded(store, name), _optuna_part(store, name)
    if recorded is None:
        if known is not None:
            _require_ours(known, store)
        if continue_from is not None and table is not None:
            inheritance.require_importable(resolved, store, continue_from, table.sha256)
        return True
    if table is not None:
        _require_unchanged(resolved, table.sha256, store, recorded)
    require_not_orphaned(store, name)
    return False


def _optuna_part(store: Store, name: str) -> optuna.Study | None:
    """Optuna's study of this name; None where there is none, and no table is made for it."""
    if not has_optuna_tables(store):
        return None
    try:
        return optuna.load_study(study_name=name, storage=optuna_storage(store))
    except KeyError:  # what Optuna says of a name that it does not know
        return None


def _assemble(resolved: ResolvedStudy, data: StudyData, store: Store, storage: BaseStorage) -> OpenStudy:
    section = resolved.file.study
    study = optuna.create_study(
        study_name=section.name, storage=storage, direction="minimize", load_if_exists=True
    )
    study.pruner = make_pruner(section, max_epochs(resolved))
    rules = StudyRules(section.sampler, section.retries, section.seed, data.baselines["train_mean"])
    files = study_files(store.url, resolved.file.storage.files, section.name)
    press = TrialPublisher(store, files) if resolved.file.tracking.dashboard else None
    return OpenStudy(resolved, data, StudyBackend(store, study, rules, files, press))


def _create(opened: OpenStudy) -> tables.Study | None:
    """Put a new study on record. The row of another process that did the same meanwhile, if one did."""
    resolved, name, store = opened.resolved, opened.name, opened.store
    _require_ours(opened.optuna, store)
    try:
        record.create_study(
            store,
            recording.study_row(resolved, opened.data),
            recording.setting_rows(name, resolved.settings.values()),
            recording.clamp_rows(name, resolved),
            recording.data_row(name, opened.data),
            [rows.validation_rows_row(name, opened.data.base, opened.data.rivals, _searched(opened))],
        )
    except StudyExists:
        return query.study(store, name)
    return None


def _searched(opened: OpenStudy) -> ScoredSeries:
    """The series of the rows that the study searches on."""
    config, data = opened.resolved.trial_config.data, opened.data
    return validated_rows(opened.resolved, config, data.base, data.table).series


def _go_on(opened: OpenStudy, recorded: tables.Study) -> None:
    """Put on record what has changed of what may change: above all, how many trials are wanted."""
    stacks = query.setting_layers(opened.store, opened.name)
    changed = continuation.continuation_rows(opened.resolved, stacks)
    if changed or recorded.sources != opened.resolved.sources:
        record.continue_study(
            opened.store,
            opened.name,
            wanted=opened.resolved.file.study.trials,
            sources=opened.resolved.sources,
            settings=changed,
        )


def _inherit(opened: OpenStudy, asked: str | None) -> None:
    """Take over the trials of the study that this one continues; complete a take-over that broke off."""
    source = asked or query.study(opened.store, opened.name).facts.get(inheritance.CONTINUED_FROM)
    if source is None or (asked is None and _recorded(opened.store, source) is None):
        return  # a copy of this study can lie in a store without the one that it came from
    inheritance.import_trials(opened.books, opened.resolved, opened.data, source)


def _enqueue(opened: OpenStudy) -> None:
    resolved = opened.resolved
    for params, asked in zip(resolved.enqueued, resolved.requested, strict=True):
        kept = {REQUESTED: dict(asked)} if asked != params else None
        opened.optuna.enqueue_trial(dict(params), user_attrs=kept, skip_if_exists=True)


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
            f"start; start another one: --name {shlex.quote(study.study_name + '-2')}"
        )


def _unchanged(resolved: ResolvedStudy, data: StudyData, store: Store, recorded: tables.Study) -> StudyData:
    """The data with the study's own ceiling and naive forecasts; StudyChanged if what decides a trial's value
    has changed.

    All trials of a study are measured alike, though a later version of Ballast may have another ceiling and
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


def _require_unchanged(resolved: ResolvedStudy, sha256: str, store: Store, recorded: tables.Study) -> None:
    stacks = query.setting_layers(store, recorded.name)
    changes = continuation.changed_parts(resolved, recorded.fingerprints, stacks, sha256)
    if changes:
        raise StudyChanged(
            f"study {recorded.name!r} in {store.shown_url} was started with other settings: "
            f"{'; '.join(changes)}. Go on with the settings it was started with, or start another study: "
            f"--name {shlex.quote(recorded.name + '-2')}"
        )
