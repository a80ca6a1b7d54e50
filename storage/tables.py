"""The tables of the record; their rows are data classes that callers build and read.

Optuna's tables are in the same database. Nothing here refers to them: the key of a trial is the name of its
study and its number, as in Optuna.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from storage.types import JsonText, LosslessFloat, PlainText, UtcDateTime
from storage.verdicts import Verdict

_NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Base(MappedAsDataclass, DeclarativeBase):
    """Base class of all rows: how Python types are stored, and how constraints are named."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012 - declared so by SQLAlchemy
        str: PlainText,
        float: LosslessFloat,
        datetime: UtcDateTime,
        dict[str, Any]: JsonText,
        dict[str, Any] | None: JsonText,
        dict[str, str]: JsonText,
        list[Any]: JsonText,
        list[str]: JsonText,
        list[int]: JsonText,
        list[float]: JsonText,
        bytes: LargeBinary,
        bytes | None: LargeBinary,
    }


def _of_study() -> Any:
    return ForeignKey("ballast_studies.name")


def _of_trial(column: str = "trial") -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["study", column], ["ballast_trials.study", "ballast_trials.number"])


class StudyRow(Base, kw_only=True):
    """A study as it was started. Its value is minimised."""

    __tablename__ = "ballast_studies"

    name: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    study_file: Mapped[str]
    policy_file: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    fingerprints: Mapped[dict[str, str]]
    """SHA-256 (hex) of `space`, `data`, `policy` and `settings`, by these names."""
    versions: Mapped[dict[str, str]]
    """Versions by package: `ballast`, `torch`, …"""
    facts: Mapped[dict[str, Any]] = mapped_column(default_factory=dict)
    """Facts about the data: baseline, skill ceiling, rows per split, clipped shares, findings."""
    wanted: Mapped[int] = mapped_column(default=1, server_default="1")
    """Number of conclusive trials that all workers together must reach."""
    sources: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    """The texts that the study was resolved from, so that a worker on another machine needs no file; None for
    a study from before they were recorded."""


class SettingRow(Base, kw_only=True):
    """The value of one setting in one layer.

    The rows of one key, by `position` (0-based within study, trial and key), are the layers that set it; the
    `effective` of the last row is the value in force. `trial` is None for a setting of the whole study; the
    rows of a trial come after those.
    """

    __tablename__ = "ballast_settings"
    __table_args__ = (
        _of_trial(),
        Index(None, "study", "trial", "key", "position", unique=True),
        # In SQL, NULL differs from NULL, so the index above does not cover rows without a trial.
        Index(
            "ix_ballast_settings_of_study",
            *("study", "key", "position"),
            unique=True,
            sqlite_where=text("trial IS NULL"),
            postgresql_where=text("trial IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(init=False, repr=False, compare=False, primary_key=True)
    study: Mapped[str] = mapped_column(_of_study())
    trial: Mapped[int | None] = mapped_column(default=None)
    key: Mapped[str]
    position: Mapped[int]
    layer: Mapped[str]
    origin: Mapped[str]
    requested: Mapped[Any] = mapped_column(JsonText)
    effective: Mapped[Any] = mapped_column(JsonText)
    reason: Mapped[str]


class ClampRow(Base, kw_only=True):
    """A range or a value of the study that was cut to its safe range."""

    __tablename__ = "ballast_clamps"

    id: Mapped[int] = mapped_column(init=False, repr=False, compare=False, primary_key=True)
    study: Mapped[str] = mapped_column(_of_study(), index=True)
    key: Mapped[str]
    declared: Mapped[Any] = mapped_column(JsonText)
    effective: Mapped[Any] = mapped_column(JsonText)
    reason: Mapped[str]
    origin: Mapped[str]


class DataFingerprint(Base, kw_only=True):
    """The table of data that a study was started on, as it was then."""

    __tablename__ = "ballast_data"

    study: Mapped[str] = mapped_column(_of_study(), primary_key=True)
    source: Mapped[str]
    sha256: Mapped[str]
    rows: Mapped[int]
    first_time: Mapped[str]
    last_time: Mapped[str]
    columns: Mapped[list[str]]


class Trial(Base, kw_only=True):
    """One trial. `verdict` and `finished_at` are both None while it runs."""

    __tablename__ = "ballast_trials"
    __table_args__ = (
        ForeignKeyConstraint(["study", "retry_of"], ["ballast_trials.study", "ballast_trials.number"]),
        CheckConstraint("(verdict IS NULL) = (finished_at IS NULL)", name="finished_with_a_verdict"),
        Index(None, "study", "verdict", "value"),
        Index(None, "study", "verdict", "source_study"),  # what each claim counts
        Index(None, "study", "configuration"),
    )

    study: Mapped[str] = mapped_column(_of_study(), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    params: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime]
    worker: Mapped[str]
    """The worker that runs the trial, or took it over from a worker that is gone; see Worker."""
    retry_of: Mapped[int | None] = mapped_column(default=None)
    """The trial whose parameters this trial tries again."""
    configuration: Mapped[str | None] = mapped_column(default=None)
    """SHA-256 (hex) of every effective setting; equal ones are the same configuration."""
    source_study: Mapped[str | None] = mapped_column(default=None)
    source_trial: Mapped[int | None] = mapped_column(default=None)
    """The trial whose result this trial copies, in this study or another; None if it was trained."""
    machine: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    """What decides rounding on the machine that trained it: `cpu`, `architecture`, `os`; None in a record
    from before this was recorded."""
    verdict: Mapped[Verdict | None] = mapped_column(
        Enum(
            Verdict,
            name="verdict",
            native_enum=False,
            create_constraint=True,
            length=16,
            values_callable=lambda verdicts: [verdict.value for verdict in verdicts],
        ),
        default=None,
    )
    reasons: Mapped[list[str]] = mapped_column(default_factory=list)
    message: Mapped[str | None] = mapped_column(default=None)
    """One sentence on why it ended."""
    value: Mapped[float | None] = mapped_column(default=None)
    """Validation loss of the best epoch: mean squared error in units of the standardised target."""
    skill: Mapped[float | None] = mapped_column(default=None)
    objectives: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    """The values of all objectives by name, the loss included; one that could not be measured is None. None
    for a study of one objective, and before the trial ends."""
    best_epoch: Mapped[int | None] = mapped_column(default=None)
    epochs: Mapped[int] = mapped_column(default=0)
    """Number of epochs that were trained."""
    finished_at: Mapped[datetime | None] = mapped_column(default=None)
    duration_s: Mapped[float | None] = mapped_column(default=None)


class Worker(Base, kw_only=True):
    """A process that works on a study. The row is deleted when the worker ends, or when others find it
    dead.
    """

    __tablename__ = "ballast_workers"

    study: Mapped[str] = mapped_column(_of_study(), primary_key=True)
    worker: Mapped[str] = mapped_column(primary_key=True)
    """`host:pid:start-token`, unique to the process."""
    started_at: Mapped[datetime]
    beats: Mapped[int] = mapped_column(default=0)
    """Grows while the worker lives. It is a count and not a time, because clocks of two machines differ."""
    busy: Mapped[bool] = mapped_column(default=False)
    """Whether it has a trial. Busy workers and conclusive trials together may not exceed the number
    wanted."""
    device: Mapped[str | None] = mapped_column(default=None)


class Epoch(Base, kw_only=True):
    """The measurements of one epoch, as the trainer reports them."""

    __tablename__ = "ballast_epochs"
    __table_args__ = (_of_trial(),)

    study: Mapped[str] = mapped_column(primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    train_loss: Mapped[float]
    validation_loss: Mapped[float]
    skill: Mapped[float]
    learning_rate: Mapped[float]
    grad_norm_mean: Mapped[float]
    grad_norm_max: Mapped[float]
    output_max: Mapped[float]
    steps: Mapped[int]
    skipped_steps: Mapped[int]
    movement: Mapped[float]
    prediction_std_ratio: Mapped[float]
    seconds: Mapped[float]
    fold_losses: Mapped[list[float]] = mapped_column(default_factory=list, server_default="[]")
    """Validation loss of each fold; empty in a record from before there were folds."""
    seed_losses: Mapped[list[float]] = mapped_column(default_factory=list, server_default="[]")
    """Validation loss of each seed; empty in a record from before a trial could have several."""


class StoredValidationRows(Base, kw_only=True):
    """The validation rows of a study, fold by fold, on which all trials are judged."""

    __tablename__ = "ballast_held_out"

    study: Mapped[str] = mapped_column(_of_study(), primary_key=True)
    rows: Mapped[bytes]
    """Targets, times and naive forecasts, packed by the caller."""
    series: Mapped[bytes | None] = mapped_column(default=None)
    """The series that the rows come from, packed by the caller; None in a record from before it was kept."""


class Forecast(Base, kw_only=True):
    """A trial's forecasts of the validation rows in its best epoch."""

    __tablename__ = "ballast_forecasts"
    __table_args__ = (_of_trial(),)

    study: Mapped[str] = mapped_column(primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    forecasts: Mapped[bytes]
    """One forecast of each seed for each row of StoredValidationRows, packed by the caller."""
    seeds: Mapped[int] = mapped_column(default=1, server_default="1")


class Evaluation(Base, kw_only=True):
    """One scoring of test rows: who scored which configuration on them, when, and with what result.

    It is recorded before the rows are scored, so that an interrupted one counts too. `study` is the study of
    the configuration, which need not be in this store. The table and two columns keep their old names.
    """

    __tablename__ = "ballast_looks"

    id: Mapped[int] = mapped_column(init=False, repr=False, compare=False, primary_key=True)
    study: Mapped[str] = mapped_column(index=True)
    trial: Mapped[int | None] = mapped_column(default=None)
    configuration: Mapped[str]
    """SHA-256 (hex) of the settings that decide what is trained, and of the number of epochs."""
    source: Mapped[str] = mapped_column(index=True)
    """The table that the rows come from: its absolute path, or `sample:NAME`."""
    content: Mapped[str] = mapped_column(index=True)
    """SHA-256 (hex) of the table's bytes, which identifies a file that was moved."""
    target: Mapped[str]
    """The columns that the target is computed from."""
    first_time: Mapped[datetime]
    last_time: Mapped[datetime]
    """From the first scored row to the target of the last one."""
    looked_at: Mapped[datetime]
    looked_by: Mapped[str]
    """`user@host`."""
    seeds: Mapped[list[int]]
    verdict: Mapped[str | None] = mapped_column(default=None)
    """`holds`, `does not hold` or `cannot tell`; for a training its verdict; None if it was interrupted."""
    report: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    """The result, in the shape of `verify --json` or `train --json`."""
    kind: Mapped[str] = mapped_column(default="verify", server_default="verify")
    """Which command printed the score: `verify` or `train`."""
    series: Mapped[bytes | None] = mapped_column(default=None)
    """The series that the rows come from, packed by the caller; None in a record from before it was kept."""


class WalkForwardBlockRow(Base, kw_only=True):
    """One block of a walk-forward. Its study searched on the rows before the block; all rows with the same
    `walk_forward` are one record. Result and rows are None until the block is finished.
    """

    __tablename__ = "ballast_walk_forward_blocks"
    __table_args__ = (Index("ix_ballast_walk_forward_blocks_walk_forward", "walk_forward", "position"),)

    study: Mapped[str] = mapped_column(_of_study(), primary_key=True)
    walk_forward: Mapped[str]
    """The name of the walk-forward; a study may have it too."""
    position: Mapped[int]
    """0-based, in the order of time."""
    plan: Mapped[dict[str, Any]]
    """The options of the walk-forward, and the bounds of all its blocks."""
    finished_at: Mapped[datetime | None] = mapped_column(default=None)
    result: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    rows: Mapped[bytes | None] = mapped_column(default=None)
    """Times, targets and forecasts of the block's rows, packed by the caller."""


class FindingRow(Base, kw_only=True):
    """What the guard detected in a trial, and what it did. Equal learning rates: it was not cut."""

    __tablename__ = "ballast_findings"
    __table_args__ = (_of_trial(), Index(None, "study", "trial"))

    id: Mapped[int] = mapped_column(init=False, repr=False, compare=False, primary_key=True)
    study: Mapped[str]
    trial: Mapped[int]
    kind: Mapped[str]
    epoch: Mapped[int]
    step: Mapped[int | None] = mapped_column(default=None)
    """Optimiser update, 0-based; None for a finding of an epoch's end."""
    value: Mapped[float]
    threshold: Mapped[float | None] = mapped_column(default=None)
    message: Mapped[str]
    action: Mapped[str]
    lr_before: Mapped[float]
    lr_after: Mapped[float]
    parameter: Mapped[str | None] = mapped_column(default=None)
    rows: Mapped[list[int]] = mapped_column(default_factory=list)
    cell: Mapped[str | None] = mapped_column(default=None)
    fold: Mapped[int] = mapped_column(default=0, server_default="0")
    seed: Mapped[int] = mapped_column(default=0, server_default="0")
    """Which of the trial's seeds, 0-based."""


class Artifact(Base, kw_only=True):
    """A file that belongs to a study, or to one trial of it."""

    __tablename__ = "ballast_artifacts"
    __table_args__ = (_of_trial(), Index(None, "study", "trial"))

    id: Mapped[int] = mapped_column(init=False, repr=False, compare=False, primary_key=True)
    study: Mapped[str] = mapped_column(_of_study())
    trial: Mapped[int | None] = mapped_column(default=None)
    kind: Mapped[str]
    path: Mapped[str]
    sha256: Mapped[str]
    created_at: Mapped[datetime]


class VoidRow(Base, kw_only=True):
    """A trial that somebody has voided after it ended, and what was said of it before.

    The trial itself is `suspicious` from then on; its value and skill stay in its own row.
    """

    __tablename__ = "ballast_voids"
    __table_args__ = (_of_trial(),)

    study: Mapped[str] = mapped_column(primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    why: Mapped[str]
    voided_at: Mapped[datetime]
    voided_by: Mapped[str]
    """`user@host`."""
    verdict: Mapped[str]
    """The verdict before, with its reasons and its message."""
    reasons: Mapped[list[str]] = mapped_column(default_factory=list)
    message: Mapped[str | None] = mapped_column(default=None)


class ExportRow(Base, kw_only=True):
    """A file or a model that was made from a trial, so that it can be named if the trial is voided."""

    __tablename__ = "ballast_exports"
    __table_args__ = (_of_trial(), Index(None, "study", "trial"))

    id: Mapped[int] = mapped_column(init=False, repr=False, compare=False, primary_key=True)
    study: Mapped[str]
    trial: Mapped[int]
    kind: Mapped[str]
    """`file` (an exported configuration), `model` (a folder) or `registered` (a model in MLflow)."""
    place: Mapped[str]
    """An absolute path on the machine that wrote it, or name and version of a registered model."""
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    """`user@host`."""
