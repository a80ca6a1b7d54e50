"""Walk-forwards of whole searches, trials of several seeds or objectives, voided trials, and exports.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table of blocks; losses, findings and forecasts of each seed of a trial; its objectives;
    voided trials and exports.
    """
    op.add_column("ballast_trials", sa.Column("objectives", sa.Text(), nullable=True))
    op.add_column("ballast_epochs", sa.Column("seed_losses", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("ballast_findings", sa.Column("seed", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("ballast_forecasts", sa.Column("seeds", sa.Integer(), nullable=False, server_default="1"))
    op.create_table(
        "ballast_walk_forward_blocks",
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("walk_forward", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("rows", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study"], ["ballast_studies.name"], name=op.f("fk_ballast_walk_forward_blocks_study")
        ),
        sa.PrimaryKeyConstraint("study", name=op.f("pk_ballast_walk_forward_blocks")),
    )
    op.create_index(
        "ix_ballast_walk_forward_blocks_walk_forward",
        "ballast_walk_forward_blocks",
        ["walk_forward", "position"],
    )
    of_trial = ["study", "trial"], ["ballast_trials.study", "ballast_trials.number"]
    op.create_table(
        "ballast_voids",
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("voided_by", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(*of_trial, name=op.f("fk_ballast_voids_study_trial")),
        sa.PrimaryKeyConstraint("study", "trial", name=op.f("pk_ballast_voids")),
    )
    op.create_table(
        "ballast_exports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(*of_trial, name=op.f("fk_ballast_exports_study_trial")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ballast_exports")),
    )
    op.create_index(op.f("ix_ballast_exports_study_trial"), "ballast_exports", ["study", "trial"])
