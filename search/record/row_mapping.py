"""The only place that maps settings and trainer results to rows of the record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from search.config.files.passwords import URLS
from search.config.layers import Clamp, Layer, Override, Setting, with_clamps
from search.config.resolved_study import ResolvedStudy
from search.config.schema import SPACE
from search.data.study_data import StudyData
from search.record import validation_rows as rows
from search.store_files import KEY, new_signing_key
from search.verdict import Judgement
from search.version import version_of
from storage import query, record, tables
from storage.commands import masked_url
from storage.driver_errors import damaged_if_unreadable
from storage.engine import Store
from trainer.text import place_in_training
from trainer.training.result import EpochReport, Finding, TrialResult

LEARNING_RATE = "models.gru.learning_rate"
OBJECTIVES_FACT = "objectives"
"""The key of the objectives among the facts of a study of several."""
_LOSSES_OF_PARTS = ("fold_losses", "seed_losses")
_AnyEpoch = TypeVar("_AnyEpoch", EpochReport, tables.Epoch)
_VERSIONED = ("ballast", "torch", "optuna", "numba", "numpy", "pandas", "scipy")


def now() -> datetime:
    """The present, in UTC, as all timestamps of the record."""
    return datetime.now(UTC)


def package_versions() -> dict[str, str]:
    """Of the packages that decide a trial's value."""
    return {name: version_of(name) for name in _VERSIONED}


def study_row(resolved: ResolvedStudy, data: StudyData) -> tables.StudyRow:
    """The study as it is started."""
    return tables.StudyRow(
        name=resolved.file.study.name,
        created_at=now(),
        study_file=str(resolved.folder.resolve() / resolved.path.name),
        policy_file=resolved.policy.path,
        seed=resolved.file.study.seed,
        fingerprints=fingerprints(resolved, data),
        versions=package_versions(),
        facts={**data.facts(), **_objectives_fact(resolved), KEY: new_signing_key()},
        wanted=resolved.file.study.trials,
        sources=dict(resolved.sources),
    )


def _objectives_fact(resolved: ResolvedStudy) -> dict[str, list[str]]:
    """The objectives of a study of several; nothing for a study of its loss alone."""
    names = resolved.file.study.objectives
    return {} if len(names) == 1 else {OBJECTIVES_FACT: list(names)}


def fingerprints(resolved: ResolvedStudy, data: StudyData) -> dict[str, str]:
    """What must not change while a study goes on: the configuration's digests, and the data's own."""
    return {**resolved.fingerprints(), "content": data.sha256}


def data_row(study: str, data: StudyData) -> tables.DataFingerprint:
    """The table that the study reads."""
    index, table = data.table.frame.index, data.table
    return tables.DataFingerprint(
        study=study,
        source=table.source,
        sha256=table.sha256,
        rows=len(index),
        first_time=table.when(int(index.argmin())),
        last_time=table.when(int(index.argmax())),
        columns=[str(c) for c in table.frame.columns],
    )


def setting_rows(
    study: str,
    settings: Iterable[Setting],
    trial: int | None = None,
    *,
    skip: Mapping[str, int] | None = None,
) -> list[tables.SettingRow]:
    """A row for each layer of a setting; the study has recorded `skip` layers of each key already."""
    return [
        tables.SettingRow(
            study=study,
            trial=trial,
            key=setting.key,
            position=position,
            layer=str(override.layer),
            origin=override.origin,
            requested=override.requested,
            effective=override.effective,
            reason=override.reason,
        )
        for setting in map(without_password, settings)
        for position, override in enumerate(setting.overrides[(skip or {}).get(setting.key, 0) :])
    ]


def without_password(setting: Setting) -> Setting:
    """The setting as it may be shown and recorded: a URL can hold a password."""
    if setting.key not in URLS:
        return setting
    acts = (
        replace(act, requested=_shown(act.requested), effective=_shown(act.effective))
        for act in setting.overrides
    )
    return Setting(setting.key, tuple(acts))


def _shown(url: str | None) -> str | None:
    return None if url is None else masked_url(url)


def settings_from_rows(stacks: Mapping[str, Sequence[tables.SettingRow]]) -> list[Setting]:
    """The settings as they were resolved, read back from the record."""
    with damaged_if_unreadable("a setting on record"):
        return [
            Setting(
                key,
                tuple(
                    Override(Layer(row.layer), row.origin, row.requested, row.effective, row.reason)
                    for row in stack
                ),
            )
            for key, stack in stacks.items()
        ]


def recorded_settings(store: Store, study: str, trial: int | None = None) -> list[Setting]:
    """The settings in force, of the study or of one of its trials, with the clamp of each dimension.

    The guard's cuts are recorded as layers when a trial ends; those of a running trial are taken from its
    findings. Raises StudyUnknown and TrialUnknown.
    """
    is_running = trial is not None and query.trial(store, study, trial).verdict is None
    layers = query.setting_layers(store, study, trial)
    if is_running and all(row.layer != Layer.GUARD for row in layers.get(LEARNING_RATE, ())):
        cuts = guard_rows(query.findings(store, study, trial), 0)
        layers |= {LEARNING_RATE: [*layers.get(LEARNING_RATE, ()), *cuts]} if cuts else {}
    return with_clamps(settings_from_rows(layers), SPACE)


def clamp_rows(study: str, resolved: ResolvedStudy) -> list[tables.ClampRow]:
    """Every range and value of the study that was cut."""
    return [
        tables.ClampRow(
            study=study,
            key=clamp.key,
            declared=clamp.declared,
            effective=clamp.effective,
            reason=clamp.reason,
            origin=clamp.origin,
        )
        for clamp in resolved.clamps
    ]


def clamp_to_json(clamp: Clamp | tables.ClampRow) -> dict[str, Any]:
    """The shape that `check --json` promises, of a clamp that was just made or of one on record."""
    return {
        "key": clamp.key,
        "declared": clamp.declared,
        "effective": clamp.effective,
        "reason": clamp.reason,
    }


def epoch_row(study: str, trial: int, report: EpochReport) -> tables.Epoch:
    """One epoch that passed the guard."""
    signals = {**vars(report), **{name: list(getattr(report, name)) for name in _LOSSES_OF_PARTS}}
    return tables.Epoch(study=study, trial=trial, **signals)


def best_epoch(epochs: Sequence[_AnyEpoch], best: int | None) -> _AnyEpoch | None:
    """The epoch `best` among all epochs of a trial, from the first."""
    return None if best is None else epochs[best]


def fold_losses(epoch: EpochReport | tables.Epoch | None) -> tuple[float, ...]:
    """Validation loss of each fold; () if there is only one fold, or no epoch."""
    losses = () if epoch is None else tuple(epoch.fold_losses)
    return losses if len(losses) > 1 else ()


def seed_losses(epoch: EpochReport | tables.Epoch | None) -> tuple[float, ...]:
    """Validation loss of each seed; () if there is only one seed, or no epoch."""
    losses = () if epoch is None else tuple(epoch.seed_losses)
    return losses if len(losses) > 1 else ()


def _storable(message: str) -> str:
    """The text without what a database refuses: the message of an exception can hold anything."""
    return message.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def epoch_of_copy(epoch: tables.Epoch, study: str, trial: int) -> tables.Epoch:
    """The same epoch, as that of another trial."""
    return replace(epoch, study=study, trial=trial)


def epoch_report_of(epoch: tables.Epoch) -> EpochReport:
    """The epoch as the trainer reported it."""
    values = {field.name: getattr(epoch, field.name) for field in fields(EpochReport)}
    return EpochReport(**{**values, **{name: tuple(values[name]) for name in _LOSSES_OF_PARTS}})


def log_row(study: str, trial: int, path: Path) -> tables.Artifact | None:
    """The log of a trial that has ended; None if there is none, because it could not be written."""
    try:
        return file_row(study, trial, "log", path)
    except OSError:
        return None


def file_row(study: str, trial: int, kind: str, path: Path) -> tables.Artifact:
    """A file of a trial, as it lies there. Raises OSError."""
    digest = sha256(path.read_bytes()).hexdigest()
    return tables.Artifact(
        study=study, trial=trial, kind=kind, path=str(path), sha256=digest, created_at=now()
    )


def finding_row(study: str, trial: int, finding: Finding) -> tables.FindingRow:
    """One finding of the guard."""
    values = {**vars(finding), "kind": str(finding.kind), "action": str(finding.action)}
    return tables.FindingRow(study=study, trial=trial, **{**values, "rows": list(finding.rows)})


def guard_rows(findings: Sequence[tables.FindingRow], position: int) -> list[tables.SettingRow]:
    """Learning rates that the guard changed, as the topmost layers of the trial, from `position` on."""
    cuts = [f for f in findings if f.lr_after != f.lr_before]
    return [
        tables.SettingRow(
            study=f.study,
            trial=f.trial,
            key=LEARNING_RATE,
            position=position + i,
            layer=str(Layer.GUARD),
            origin=f"guard: {f.kind} at {place_in_training(f.epoch, f.step)}",
            requested=f.lr_before,
            effective=f.lr_after,
            reason=f.message,
        )
        for i, f in enumerate(cuts)
    ]


def finish_trial(
    store: Store,
    trial: tables.Trial,
    judgement: Judgement,
    result: TrialResult | None = None,
    *,
    worker: str,
    duration_s: float,
    epochs: int = 0,
    remaining: Sequence[tables.Epoch] = (),
    findings: Sequence[tables.FindingRow] = (),
    artifacts: Sequence[tables.Artifact] = (),
    guard_position: int = 0,
    objectives: Mapping[str, float | None] | None = None,
) -> None:
    """Record the end of a trial, in one transaction.

    `worker` is who ends it, `remaining` are epochs that are not on record yet, `findings` are all of the
    trial, on record or not, and `epochs` counts the epochs of a trial that has no result. Raises TrialTaken
    if the trial is another worker's.
    """
    record.finish_trial(
        store,
        trial.study,
        trial.number,
        worker=worker,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        message=_storable(judgement.message),
        value=None if result is None else result.value,
        skill=None if result is None else result.skill,
        best_epoch=None if result is None else result.best_epoch,
        epochs=epochs if result is None else len(result.epochs),
        finished_at=now(),
        duration_s=duration_s,
        remaining=remaining,
        artifacts=artifacts,
        findings=findings,
        forecasts=rows.forecast_rows(
            trial.study, trial.number, () if result is None else result.seed_forecasts
        ),
        settings=guard_rows(findings, guard_position),
        objectives=objectives,
    )
