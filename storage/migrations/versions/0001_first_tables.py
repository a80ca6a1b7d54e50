"""The tables of the first release.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

from storage.types import LosslessFloat

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables, those that others refer to first."""
    _create_studies()
    _create_clamps()
    _create_data()
    _create_trials()
    _create_settings()
    _create_epochs()
    _create_findings()
    _create_artifacts()


def _create_studies() -> None:
    op.create_table(
        "ballast_studies",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("study_file", sa.Text(), nullable=False),
        sa.Column("policy_file", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("fingerprints", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ballast_studies")),
    )


def _create_clamps() -> None:
    op.create_table(
        "ballast_clamps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("declared", sa.Text(), nullable=False),
        sa.Column("effective", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study"], ["ballast_studies.name"], name=op.f("fk_ballast_clamps_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ballast_clamps")),
    )
    op.create_index(op.f("ix_ballast_clamps_study"), "ballast_clamps", ["study"])


def _create_data() -> None:
    op.create_table(
        "ballast_data",
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("first_time", sa.Text(), nullable=False),
        sa.Column("last_time", sa.Text(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study"], ["ballast_studies.name"], name=op.f("fk_ballast_data_study")),
        sa.PrimaryKeyConstraint("study", name=op.f("pk_ballast_data")),
    )


def _create_trials() -> None:
    op.create_table(
        "ballast_trials",
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("retry_of", sa.Integer(), nullable=True),
        sa.Column(
            "verdict",
            sa.Enum(
                "accepted",
                "unpromising",
                "unstable",
                "suspicious",
                "interrupted",
                "failed",
                name="verdict",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("value", LosslessFloat(), nullable=True),
        sa.Column("skill", LosslessFloat(), nullable=True),
        sa.Column("best_epoch", sa.Integer(), nullable=True),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_s", LosslessFloat(), nullable=True),
        sa.CheckConstraint(
            "(verdict IS NULL) = (finished_at IS NULL)",
            name=op.f("ck_ballast_trials_finished_with_a_verdict"),
        ),
        sa.ForeignKeyConstraint(
            ["study", "retry_of"],
            ["ballast_trials.study", "ballast_trials.number"],
            name=op.f("fk_ballast_trials_study_retry_of"),
        ),
        sa.ForeignKeyConstraint(["study"], ["ballast_studies.name"], name=op.f("fk_ballast_trials_study")),
        sa.PrimaryKeyConstraint("study", "number", name=op.f("pk_ballast_trials")),
    )
    op.create_index(
        op.f("ix_ballast_trials_study_verdict_value"), "ballast_trials", ["study", "verdict", "value"]
    )


def _create_settings() -> None:
    op.create_table(
        "ballast_settings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("requested", sa.Text(), nullable=False),
        sa.Column("effective", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study", "trial"],
            ["ballast_trials.study", "ballast_trials.number"],
            name=op.f("fk_ballast_settings_study_trial"),
        ),
        sa.ForeignKeyConstraint(["study"], ["ballast_studies.name"], name=op.f("fk_ballast_settings_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ballast_settings")),
    )
    op.create_index(
        "ix_ballast_settings_of_study",
        "ballast_settings",
        ["study", "key", "position"],
        unique=True,
        sqlite_where=sa.text("trial IS NULL"),
        postgresql_where=sa.text("trial IS NULL"),
    )
    op.create_index(
        op.f("ix_ballast_settings_study_trial_key_position"),
        "ballast_settings",
        ["study", "trial", "key", "position"],
        unique=True,
    )


def _create_epochs() -> None:
    op.create_table(
        "ballast_epochs",
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("trial", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("train_loss", LosslessFloat(), nullable=False),
        sa.Column("validation_loss", LosslessFloat(), nullable=False),
        sa.Column("skill", LosslessFloat(), nullable=False),
        sa.Column("learning_rate", LosslessFloat(), nullable=False),
        sa.Column("grad_norm_mean", LosslessFloat(), nullable=False),
        sa.Column("grad_norm_max", LosslessFloat(), nullable=False),
        sa.Column("output_max", LosslessFloat(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("skipped_steps", sa.Integer(), nullable=False),
        sa.Column("movement", LosslessFloat(), nullable=False),
        sa.Column("prediction_std_ratio", LosslessFloat(), nullable=False),
        sa.Column("seconds", LosslessFloat(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study", "trial"],
            ["ballast_trials.study", "ballast_trials.number"],
            name=op.f("fk_ballast_epochs_study_trial"),
        ),
        sa.PrimaryKeyConstraint("study", "trial", "epoch", name=op.f("pk_ballast_epochs")),
    )


def _create_findings() -> None:
    op.create_table(
        "ballast_findings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=True),
        sa.Column("value", LosslessFloat(), nullable=False),
        sa.Column("threshold", LosslessFloat(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("lr_before", LosslessFloat(), nullable=False),
        sa.Column("lr_after", LosslessFloat(), nullable=False),
        sa.Column("parameter", sa.Text(), nullable=True),
        sa.Column("rows", sa.Text(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study", "trial"],
            ["ballast_trials.study", "ballast_trials.number"],
            name=op.f("fk_ballast_findings_study_trial"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ballast_findings")),
    )
    op.create_index(op.f("ix_ballast_findings_study_trial"), "ballast_findings", ["study", "trial"])


def _create_artifacts() -> None:
    op.create_table(
        "ballast_artifacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["study", "trial"],
            ["ballast_trials.study", "ballast_trials.number"],
            name=op.f("fk_ballast_artifacts_study_trial"),
        ),
        sa.ForeignKeyConstraint(["study"], ["ballast_studies.name"], name=op.f("fk_ballast_artifacts_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ballast_artifacts")),
    )
    op.create_index(op.f("ix_ballast_artifacts_study_trial"), "ballast_artifacts", ["study", "trial"])
