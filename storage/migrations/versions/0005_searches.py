"""Walk-forwards of whole searches: their blocks. Several objectives of a trial.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table of blocks, and the objectives of a trial."""
    op.add_column("ballast_trials", sa.Column("objectives", sa.Text(), nullable=True))
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
