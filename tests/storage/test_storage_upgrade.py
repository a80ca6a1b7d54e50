"""Stores that older Ballasts made, each kept as the SQL that makes it: upgraded, and every row found again.

A kept store is the study `configs/studies/smoke.yaml`, run by the last commit that had that schema, with
Optuna's tables: `schemas/REVISION.sqlite.sql` and `schemas/REVISION.postgresql.sql`. From 0003 on its best
trial was exported and verified with one seed.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, make_url, text

from storage import evaluations, query, schema
from storage.check import check_store
from storage.engine import open_store, upgrade
from storage.errors import StoreTooOld

KEPT = Path(__file__).parent / "schemas"
OLDER = [
    script.revision
    for script in ScriptDirectory(str(Path(schema.__file__).parent / "migrations")).walk_revisions()
    if script.revision != schema.head()
]

Restore = Callable[[str], str]
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def restore(store_url: str) -> Restore:
    """Make the store that a revision left; its URL."""

    def restore(revision: str) -> str:
        address = make_url(store_url)
        statements = (KEPT / f"{revision}.{address.get_backend_name()}.sql").read_text()
        if address.get_backend_name() == "sqlite":
            with closing(sqlite3.connect(address.database or "")) as file:
                file.executescript(statements)
        else:
            with psycopg.connect(store_url) as connection:
                connection.execute(statements.encode())
        return store_url

    return restore


def rows_of(url: str) -> Rows:
    """Every row of every table, in one order."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table: [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings().all()]
            for table in inspect(connection).get_table_names()
            if "alembic" not in table
        }
    engine.dispose()
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def restricted(after: Rows, before: Rows) -> Rows:
    """The later rows, with the tables and the columns of the earlier ones alone."""
    return {
        table: sorted(({key: row[key] for key in rows[0]} for row in after[table]), key=repr) if rows else []
        for table, rows in before.items()
    }


def test_a_store_of_every_older_schema_is_kept_for_both_databases() -> None:
    assert OLDER, "there are older schemas"
    kept = {f"{revision}.{backend}.sql" for revision in OLDER for backend in ("sqlite", "postgresql")}
    assert kept == {file.name for file in KEPT.iterdir()}


@pytest.mark.parametrize("revision", OLDER)
def test_a_store_of_an_older_schema_is_refused_with_the_command_that_upgrades_it(
    restore: Restore, revision: str
) -> None:
    with pytest.raises(StoreTooOld, match=f"is at schema {revision}, .*; run: ballast db upgrade --store"):
        open_store(restore(revision))


@pytest.mark.slow
@pytest.mark.parametrize("revision", OLDER)
def test_an_upgraded_store_is_well_and_has_every_row_that_it_had(restore: Restore, revision: str) -> None:
    url = restore(revision)
    before = rows_of(url)
    assert upgrade(url) == (revision, schema.head())
    after = rows_of(url)
    assert restricted(after, before) == before
    assert min(len(before[table]) for table in ("ballast_epochs", "ballast_settings", "trials")) > 2
    store = open_store(url, create=False)
    assert check_store(store) == []
    assert [(study.name, study.wanted) for study in query.studies(store)] == [("smoke", 3)]
    if revision == "0001":
        assert query.study(store, "smoke").sources is None
        assert [trial.configuration for trial in query.trials(store, "smoke")] == [None] * 3
    if revision < "0003":
        assert query.stored_validation_rows(store, "smoke") is None
        assert [epoch.fold_losses for epoch in query.epochs(store, "smoke", 0)] == [[], []]
    else:
        (verified,) = evaluations.verifications_of_study(store, "smoke")
        (searched,) = evaluations.searched_rows(store)
        assert (verified.kind, searched.source) == ("verify", "sample:sp500")
        assert [rows.series is None for rows in (verified, searched)] == [revision == "0003"] * 2
    store.close()
    storage = optuna.storages.RDBStorage(url)
    assert len(optuna.load_study(study_name="smoke", storage=storage).trials) == 3
    storage.engine.dispose()
