"""Seeds of trials.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the losses, findings and forecasts of each seed of a trial."""
    op.add_column("ballast_epochs", sa.Column("seed_losses", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("ballast_findings", sa.Column("seed", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("ballast_forecasts", sa.Column("seeds", sa.Integer(), nullable=False, server_default="1"))
