"""The version of the schema: that of a database, the one that this Ballast needs, and the upgrade.

Alembic keeps our version in its own table, beside Optuna's `alembic_version`.
"""

import re
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from storage import commands
from storage.errors import StoreDamaged, StoreError, StoreMissing, StoreTooNew, StoreTooOld
from storage.tables import Base

SCRIPTS = "storage:migrations"
VERSION_TABLE = "ballast_alembic_version"
_CREATION_LOCK = 0x0BA11A57
"""An arbitrary number, the same in every version of Ballast."""


def is_own_table(name: str | None, kind: str, _parents: Any) -> bool:
    """Alembic's `include_name`: of the tables of a database, only ours are compared."""
    return kind != "table" or (name or "").startswith("ballast_")


OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    "version_table": VERSION_TABLE,
    "include_name": is_own_table,
    "compare_type": True,
}
"""Options of Alembic, wherever it is used."""


def head() -> str:
    """The revision that this Ballast needs."""
    revision = _scripts().get_current_head()
    assert revision is not None, "the migrations have no head"
    return revision


def revision_of(connection: Connection) -> str | None:
    """The revision of a database; None if it does not have our tables."""
    return migration_context(connection).get_current_revision()


def migration_context(connection: Connection) -> MigrationContext:
    """Alembic's context for a database, with our options."""
    return MigrationContext.configure(connection, opts=OPTIONS)


def schema_problem(found: str | None, shown: str) -> StoreError | None:
    """Why a database of revision `found` cannot be used; None if it can. `shown` is its masked URL."""
    needed = head()
    if found == needed:
        return None
    if found is None:
        return StoreMissing(
            f"{shown} holds no tables of Ballast; make them with: "
            f"{commands.ballast_command('db upgrade', create=True, store=shown)}"
        )
    if found in {script.revision for script in _scripts().walk_revisions()}:
        return StoreTooOld(
            f"{shown} is at schema {found}, this Ballast needs {needed}; "
            f"run: {commands.ballast_command('db upgrade', store=shown)}"
        )
    if not re.fullmatch(r"\d{4}", found):
        return StoreDamaged(
            f"{shown} is at schema {found!r}, which is none: it is damaged, or another program's; "
            "restore it from a copy, or choose another with --store"
        )
    return StoreTooNew(
        f"{shown} was written by a newer Ballast: it is at schema {found}, this one knows up to {needed}; "
        "run: pip install -U ballast-gru"
    )


def upgrade_to_head(connection: Connection) -> None:
    """Create or migrate our tables, inside the connection's transaction.

    If two processes do it at the same time, the second finds nothing left to do.
    """
    lock_creation(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def lock_creation(connection: Connection) -> None:
    """Make processes that create tables at the same time wait for each other, until the transaction ends.

    On SQLite the BEGIN IMMEDIATE of `Store.session` does this already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _CREATION_LOCK})


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
