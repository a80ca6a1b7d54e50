"""Many workers on one study: who they are, what they work towards, and copies of results.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_WANTED = """
    UPDATE ballast_studies SET wanted = COALESCE((
        SELECT CAST(s.effective AS INTEGER) FROM ballast_settings s
        WHERE s.study = ballast_studies.name AND s.trial IS NULL AND s.key = 'study.trials'
        ORDER BY s.position DESC LIMIT 1), 1)
"""


def upgrade() -> None:
    """Add the workers, and to studies and trials what is known of them from now on."""
    op.create_table(
        "ballast_workers",
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beats", sa.Integer(), nullable=False),
        sa.Column("busy", sa.Boolean(), nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["study"], ["ballast_studies.name"], name=op.f("fk_ballast_workers_study")),
        sa.PrimaryKeyConstraint("study", "worker", name=op.f("pk_ballast_workers")),
    )
    op.add_column("ballast_studies", sa.Column("wanted", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("ballast_studies", sa.Column("sources", sa.Text(), nullable=True))
    op.execute(_WANTED)
    op.add_column("ballast_trials", sa.Column("configuration", sa.Text(), nullable=True))
    op.add_column("ballast_trials", sa.Column("source_study", sa.Text(), nullable=True))
    op.add_column("ballast_trials", sa.Column("source_trial", sa.Integer(), nullable=True))
    op.create_index(
        op.f("ix_ballast_trials_study_configuration"), "ballast_trials", ["study", "configuration"]
    )
    op.create_index(
        op.f("ix_ballast_trials_study_verdict_source_study"),
        "ballast_trials",
        ["study", "verdict", "source_study"],
    )
