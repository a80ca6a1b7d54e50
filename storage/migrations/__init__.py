"""Alembic's side of the store: its environment, and one file per revision of the schema."""
