"""Walk-forwards of whole searches: their blocks. Trials of several seeds.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table of blocks; losses, findings and forecasts of each seed of a trial."""
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
