"""The roles of docker/roles.sql and docker/grants.sql on a real server: what each may do, and may not."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from benchmarks.postgres import PostgresServer
from tests.service.compose_stack import PASSWORDS, Stack

VERSIONS = {"alembic_version", "ballast_alembic_version", "version_info"}
WRITES = {"INSERT", "UPDATE", "DELETE"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server with the roles, and the tables of Ballast and Optuna."""
    with PostgresServer() as server:
        stack = Stack(tmp_path_factory.mktemp("stack"), server)
        assert stack.initialise().returncode == 0
        for name in ("migrate", "grants", "grants"):  # the second time changes nothing
            done = stack.run(name, stack.command(name))
            assert done.returncode == 0, done.stderr
        yield stack


def refused(stack: Stack, role: str, statement: str, database: str = "ballast") -> bool:
    """Whether a role may not do this."""
    with psycopg.connect(stack.url(role, database), autocommit=True) as connection:
        try:
            connection.execute(statement.encode())
        except errors.InsufficientPrivilege:
            return True
    return False


def tables(stack: Stack) -> set[str]:
    with psycopg.connect(stack.url("owner")) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {name for (name,) in rows}


def granted(stack: Stack, role: str, table: str) -> set[str]:
    """What a role may do with a table, of all that PostgreSQL knows."""
    kinds = ("SELECT", *WRITES, "TRUNCATE", "REFERENCES", "TRIGGER")
    with psycopg.connect(stack.url("owner")) as connection:
        return {
            kind
            for kind in kinds
            for (allowed,) in connection.execute(
                "SELECT has_table_privilege(%s, %s, %s)", [f"ballast_{role}", table, kind]
            )
            if allowed
        }


def test_workers_write_every_table_and_the_dashboard_only_those_of_optuna(stack: Stack) -> None:
    names = tables(stack)
    assert VERSIONS | {"studies", "trials", "ballast_studies", "ballast_trials"} <= names
    for name in names:
        assert granted(stack, "worker", name) == {"SELECT"} | (set() if name in VERSIONS else WRITES), name
        of_optuna = not name.startswith("ballast_") and name not in VERSIONS
        assert granted(stack, "dashboard", name) == {"SELECT"} | (WRITES if of_optuna else set()), name


def test_no_role_is_more_than_a_log_in(stack: Stack) -> None:
    with psycopg.connect(stack.url("owner")) as connection:
        rows = connection.execute(
            "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls "
            "FROM pg_roles WHERE rolname LIKE 'ballast\\_%'"
        ).fetchall()
        memberships = connection.execute(
            "SELECT count(*) FROM pg_auth_members WHERE member::regrole::text LIKE 'ballast\\_%'"
        ).fetchone()
    assert {name: any(rights) for name, *rights in rows} == {f"ballast_{role}": False for role in PASSWORDS}
    assert memberships == (0,)


@pytest.mark.parametrize("role", ["worker", "dashboard", "mlflow", "owner"])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE evil LOGIN",
        "ALTER ROLE ballast PASSWORD 'x'",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "SET ROLE ballast",
        "CREATE DATABASE evil",
        "ALTER SYSTEM SET log_statement = 'all'",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/evil'",
        "CREATE TEMP TABLE evil AS SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "SELECT rolpassword FROM pg_authid",
        "SELECT lo_import('/etc/passwd')",
    ],
)
def test_no_role_may_make_roles_and_databases_or_touch_files(stack: Stack, role: str, statement: str) -> None:
    assert refused(stack, role, statement, "mlflow" if role == "mlflow" else "ballast")


@pytest.mark.parametrize("role", ["worker", "dashboard"])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE evil (x int)",
        "CREATE TEMP TABLE evil (x int)",
        "CREATE SCHEMA evil",
        "CREATE FUNCTION evil() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE studies ADD COLUMN evil int",
        "DROP TABLE ballast_looks",
        "TRUNCATE studies CASCADE",
        "UPDATE ballast_alembic_version SET version_num = 'evil'",
        "UPDATE alembic_version SET version_num = 'evil'",
        "CREATE TRIGGER evil BEFORE INSERT ON studies EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "DROP DATABASE mlflow",
        "DROP DATABASE ballast",
    ],
)
def test_workers_and_dashboard_may_change_no_table_itself(stack: Stack, role: str, statement: str) -> None:
    assert refused(stack, role, statement)


@pytest.mark.parametrize("table", ["ballast_studies", "ballast_trials", "ballast_looks"])
def test_the_dashboard_may_not_change_the_record(stack: Stack, table: str) -> None:
    assert refused(stack, "dashboard", f"DELETE FROM {table}")
    assert not refused(stack, "dashboard", f"SELECT * FROM {table}")
    assert not refused(stack, "worker", f"DELETE FROM {table}")
    assert not refused(stack, "dashboard", "INSERT INTO studies (study_name) VALUES ('by hand')")
    assert not refused(stack, "dashboard", "DELETE FROM studies")


@pytest.mark.parametrize(
    ("role", "database"),
    [(role, "postgres") for role in PASSWORDS]
    + [(role, "template1") for role in PASSWORDS]
    + [("mlflow", "ballast"), ("worker", "mlflow"), ("dashboard", "mlflow"), ("owner", "mlflow")],
)
def test_a_role_gets_into_no_database_but_its_own(stack: Stack, role: str, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(stack.url(role, database))


def test_a_wrong_password_gets_nowhere(stack: Stack) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stack.url("worker").replace("ballast_worker", "ballast_owner"))


def test_mlflow_may_make_tables_in_its_own_database(stack: Stack, tmp_path: Path) -> None:
    assert not refused(stack, "mlflow", "CREATE TABLE own (x int)", "mlflow")
    assert not refused(stack, "mlflow", "DROP TABLE own", "mlflow")
