"""The schema: made once by whoever comes first, versioned, and blind to Optuna's tables in the same file."""

import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from alembic.autogenerate import compare_metadata
from sqlalchemy import Engine, inspect, text

import storage.migrations
from storage import schema
from storage.check import check_store
from storage.engine import Store, open_store, upgrade
from storage.errors import StoreTooNew, StoreTooOld
from storage.record import create_study, start_trial
from storage.sqlite import sqlite_connect_args, tune_sqlite
from storage.tables import Base, DataFingerprint, SettingRow, StudyRow, Trial
from storage.verdicts import Verdict

HEAD = "0005"

NEXT = '''"""A column more."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("ballast_studies", sa.Column("note", sa.Text()))
'''


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Make this Ballast the next release, whose schema has one revision more."""
    scripts = tmp_path / "migrations"
    shutil.copytree(Path(storage.migrations.__file__).parent, scripts)
    (scripts / "versions" / "9999_note.py").write_text(NEXT.replace("{head}", HEAD))
    with monkeypatch.context() as patch:
        yield lambda: patch.setattr(schema, "SCRIPTS", str(scripts))


@pytest.fixture
def optuna_storage(store_url: str) -> Iterator[Callable[[], optuna.storages.RDBStorage]]:
    """Optuna's storage in the same database, and quiet."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    opened: list[optuna.storages.RDBStorage] = []

    def build() -> optuna.storages.RDBStorage:
        opened.append(optuna.storages.RDBStorage(store_url))
        return opened[-1]

    yield build
    for built in opened:
        built.engine.dispose()


def parts(engine: Engine) -> dict[str, dict[str, list[str]]]:
    """All that our tables are made of, by table and by name: columns, keys, indexes, checks."""
    seen = inspect(engine)
    found: dict[str, dict[str, list[str]]] = {}
    for table in Base.metadata.tables:
        columns = {column["name"]: dict(column) for column in seen.get_columns(table)}
        keys = [seen.get_pk_constraint(table), *seen.get_foreign_keys(table)]
        others = [*seen.get_indexes(table), *seen.get_check_constraints(table)]
        found[table] = {str(part["name"]): said(part) for part in (*columns.values(), *keys, *others)}
    return found


def said(part: Mapping[str, Any]) -> list[str]:
    """A part of a table in words that can be compared; SQLAlchemy's clauses compare by identity."""
    inner = part.get("dialect_options", {})
    return sorted(f"{key}={value}" for key, value in {**part, **inner}.items() if value is not inner)


def test_the_migrations_make_exactly_the_tables_that_the_rows_need(
    store: Store,
) -> None:
    """Part by part: Alembic's own comparison does not see CHECK constraints."""
    made = parts(store.engine)
    with store.engine.begin() as connection:
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
    assert made == parts(store.engine)
    assert len(made) == 15


def test_alembic_finds_nothing_to_change_in_a_new_store(store: Store) -> None:
    with store.engine.connect() as connection:
        assert compare_metadata(schema.migration_context(connection), Base.metadata) == []
    assert check_store(store) == []


@pytest.mark.slow
def test_optuna_works_before_and_after_our_tables_come_into_its_database(
    store_url: str, optuna_storage: Callable[[], optuna.storages.RDBStorage]
) -> None:
    def run_two_trials() -> int:
        study = optuna.create_study(storage=optuna_storage(), study_name="s", load_if_exists=True)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
        return len(study.trials)

    assert run_two_trials() == 2
    store = open_store(store_url)
    assert run_two_trials() == 4
    with store.engine.connect() as connection:
        tables = set(inspect(connection).get_table_names())
        assert {"studies", "trials", "alembic_version", "ballast_trials", schema.VERSION_TABLE} <= tables
        assert compare_metadata(schema.migration_context(connection), Base.metadata) == []
    assert check_store(store) == []
    store.close()


@pytest.mark.slow
def test_without_the_filter_optunas_tables_would_be_dropped(
    store_url: str, optuna_storage: Callable[[], optuna.storages.RDBStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    optuna_storage()
    store = open_store(store_url)
    monkeypatch.setitem(schema.OPTIONS, "include_name", None)
    with store.engine.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changes = compare_metadata(schema.migration_context(connection), Base.metadata)
    assert "studies" in {change[1].name for change in changes if change[0] == "remove_table"}
    store.close()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_tuning_reaches_the_connections_that_optuna_opened_before(
    store_url: str, optuna_storage: Callable[[], optuna.storages.RDBStorage]
) -> None:
    built = optuna_storage()
    tune_sqlite(built.engine)
    with built.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    assert sqlite_connect_args() == {"timeout": 60.0}


def test_an_old_store_is_refused_until_it_is_upgraded(
    store: Store, store_url: str, volatility: str, next_release: Callable[[], None]
) -> None:
    store.close()
    assert upgrade(store_url) == (HEAD, HEAD)
    next_release()
    with pytest.raises(
        StoreTooOld,
        match=rf"is at schema {HEAD}, this Ballast needs 9999; run: ballast db upgrade --store \S+",
    ):
        open_store(store_url)
    assert upgrade(store_url) == (HEAD, "9999")
    again = open_store(store_url, create=False)
    with again.reading() as session:
        found = session.execute(text("SELECT name, note FROM ballast_studies")).all()
    assert [tuple(row) for row in found] == [(volatility, None)]
    again.close()


def test_a_store_of_a_newer_ballast_is_refused_and_left_as_it_is(store: Store, store_url: str) -> None:
    with store.session() as session:
        session.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0042'"))
    store.close()
    for ask in (open_store, upgrade):
        with pytest.raises(
            StoreTooNew,
            match=rf"newer Ballast: it is at schema 0042, this one knows up to {HEAD}; run: pip install",
        ):
            ask(store_url)


def test_upgrade_makes_our_tables_where_only_optunas_are(
    store_url: str, optuna_storage: Callable[[], optuna.storages.RDBStorage]
) -> None:
    optuna_storage()
    assert upgrade(store_url) == ("none", HEAD)
    open_store(store_url, create=False).close()


def test_check_names_what_cannot_be_as_it_is(
    store: Store,
    new_study: Callable[[str], StudyRow],
    new_data: Callable[[str], DataFingerprint],
    new_setting: Callable[..., SettingRow],
    new_trial: Callable[[str, int], Trial],
) -> None:
    gap = [new_setting("s", "lr", 0, 1), new_setting("s", "lr", 2, 2), new_setting("s", "epochs", 0, 15)]
    create_study(store, new_study("s"), gap, [], new_data("s"))
    start_trial(store, new_trial("s", 0), [new_setting("s", "lr", 1, 3, trial=0)])
    wrong = new_trial("s", 1)
    wrong.verdict, wrong.value, wrong.finished_at = Verdict.ACCEPTED, float("nan"), wrong.started_at
    start_trial(store, wrong, [])
    with store.session() as session:
        session.execute(text("DELETE FROM ballast_data"))
    assert set(check_store(store)) == {
        "study 's' lacks a layer of lr: its positions do not run from 0 without a gap",
        "trial 0 of study 's' lacks a layer of lr: its positions do not run from 0 without a gap",
        "study 's' has no fingerprint of its data",
        "trial 0 of study 's' is running since 2024-05-17 12:00 UTC on host:4711:8f3a; "
        "if that process is gone, run: ballast db check --wait",
        "trial 1 of study 's' was accepted with the value nan, which is no finite number",
    }


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_check_tells_a_schema_that_drifted_and_a_reference_that_broke(
    store: Store, tmp_path: Path, volatility: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "ballast.db", isolation_level=None)) as careless:
        careless.execute("DROP TABLE ballast_artifacts")
        careless.execute("ALTER TABLE ballast_trials ADD COLUMN mood TEXT")
        careless.execute("DELETE FROM ballast_studies")
    drift = f"the tables differ from schema {HEAD}; what is needed: "
    assert set(check_store(store)) == {
        "row 1 of ballast_data refers to a row of ballast_studies that is not there",
        f"{drift}add table ballast_artifacts",
        f"{drift}add index ix_ballast_artifacts_study_trial",
        f"{drift}remove column ballast_trials mood",
    }
