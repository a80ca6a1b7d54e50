"""What identifies scored rows: the series that they are from, and what scored them.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the series to evaluations and validation rows, NULL in old rows, and to evaluations their kind."""
    op.add_column("ballast_looks", sa.Column("kind", sa.Text(), nullable=False, server_default="verify"))
    op.add_column("ballast_looks", sa.Column("series", sa.LargeBinary(), nullable=True))
    op.add_column("ballast_held_out", sa.Column("series", sa.LargeBinary(), nullable=True))
