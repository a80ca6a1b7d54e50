"""What trust rests on: forecasts of every trial, losses by fold, and every look at test rows.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables, the fold to epochs and findings, and to trials the machine that trained them."""
    op.add_column("ballast_epochs", sa.Column("fold_losses", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("ballast_findings", sa.Column("fold", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("ballast_trials", sa.Column("machine", sa.Text(), nullable=True))
    op.create_table(
        "ballast_held_out",
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["study"], ["ballast_studies.name"], name=op.f("fk_ballast_held_out_study")),
        sa.PrimaryKeyConstraint("study", name=op.f("pk_ballast_held_out")),
    )
    op.create_table(
        "ballast_forecasts",
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("forecasts", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study", "trial"],
            ["ballast_trials.study", "ballast_trials.number"],
            name=op.f("fk_ballast_forecasts_study_trial"),
        ),
        sa.PrimaryKeyConstraint("study", "trial", name=op.f("pk_ballast_forecasts")),
    )
    op.create_table(
        "ballast_looks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=True),
        sa.Column("configuration", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("first_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looked_by", sa.Text(), nullable=False),
        sa.Column("seeds", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("report", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ballast_looks")),
    )
    op.create_index(op.f("ix_ballast_looks_study"), "ballast_looks", ["study"])
    op.create_index(op.f("ix_ballast_looks_source"), "ballast_looks", ["source"])
    op.create_index(op.f("ix_ballast_looks_content"), "ballast_looks", ["content"])
