"""Two accounts a server: applications own their database alone, and an older stack is converted."""

from __future__ import annotations

import psycopg
import pymysql
import pytest

from tests.conftest import Cli
from tests.stack.clients import mysql, postgres, secret

HELPER = "CREATE ROLE helper SUPERUSER LOGIN PASSWORD 'of-a-test'"


def as_before(cli: Cli) -> None:
    """PostgreSQL as an earlier release made it: its first account is `devstack`, and has all."""
    own, admin = secret(cli, "postgres"), secret(cli, "postgres-admin")
    with postgres(cli, account="postgres-admin") as session:
        info = session.info
        session.execute(HELPER)
        session.execute("ALTER DATABASE devstack OWNER TO devstack_admin")
        session.execute("REASSIGN OWNED BY devstack TO devstack_admin")
        session.execute("DROP OWNED BY devstack")
        session.execute("DROP ROLE devstack")
        known = {"host": info.host, "port": info.port, "dbname": own["database"]}
    with psycopg.connect(**known, user="helper", password="of-a-test", autocommit=True) as session:
        session.execute("ALTER ROLE devstack_admin RENAME TO devstack")
        session.execute(psycopg.sql.SQL("ALTER ROLE devstack PASSWORD {}").format(own["password"]))
    with postgres(cli) as session:
        session.execute("DROP ROLE helper")
    assert admin["password"] != own["password"]


OBJECTS = (
    "CREATE TABLE kept_rows (id serial PRIMARY KEY, price numeric)",
    "INSERT INTO kept_rows (price) SELECT generate_series(1, 1000)",
    'CREATE SCHEMA "Kept ""schema"',
    'CREATE VIEW "Kept ""schema".v AS SELECT * FROM kept_rows',
    "CREATE TYPE kept_kind AS ENUM ('a')",
    "CREATE FUNCTION kept_function(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE STATISTICS kept_statistics ON id, price FROM kept_rows",
    "CREATE DATABASE kept_database",
)
NOT_OURS = """
SELECT relname FROM pg_class WHERE oid >= 16384 AND relowner <> 'devstack'::regrole
UNION ALL SELECT typname FROM pg_type WHERE oid >= 16384 AND typowner <> 'devstack'::regrole
UNION ALL SELECT proname FROM pg_proc WHERE oid >= 16384 AND proowner <> 'devstack'::regrole
UNION ALL SELECT stxname FROM pg_statistic_ext WHERE stxowner <> 'devstack'::regrole
UNION ALL SELECT datname FROM pg_database WHERE oid >= 16384 AND datdba <> 'devstack'::regrole
"""


@pytest.mark.parametrize("halfway", [False, True], ids=["whole", "killed-in-the-middle"])
def test_a_cluster_of_an_earlier_release_is_converted_and_keeps_its_data(
    live: Cli, halfway: bool
) -> None:
    as_before(live)
    with postgres(live) as session:
        for statement in OBJECTS:
            session.execute(statement)
        if halfway:
            session.execute("CREATE ROLE devstack_tui_conversion SUPERUSER LOGIN PASSWORD 'x'")
            session.execute("CREATE ROLE devstack_tui_application")
            session.execute("ALTER TABLE kept_rows OWNER TO devstack_tui_application")
    ended = live.run("up", "postgres")
    assert ended.returncode == 0, ended.stderr
    assert "its accounts are those of an earlier release" in ended.stderr
    with postgres(live) as session:
        row = session.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'devstack'").fetchone()
        assert row == (False,)
        assert session.execute("SELECT count(*) FROM kept_rows").fetchone() == (1000,)
        assert session.execute(NOT_OURS).fetchall() == []
        session.execute("DROP STATISTICS kept_statistics")
        session.execute('DROP SCHEMA "Kept ""schema" CASCADE')
        session.execute("DROP FUNCTION kept_function")
        session.execute("DROP TYPE kept_kind")
        session.execute("DROP TABLE kept_rows")
        session.execute("DROP DATABASE kept_database")
    with postgres(live, account="postgres-admin") as session:
        roles = session.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'").fetchall()
        assert sorted(roles) == [("devstack",), ("devstack_admin",)]
    assert "was running" in live.run("up", "postgres").stderr


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('postgresql.conf')",
        "CREATE ROLE other",
        "CREATE DATABASE other",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "SET ROLE devstack_admin",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_an_application_can_do_nothing_to_postgresql_itself(live: Cli, statement: str) -> None:
    with postgres(live) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(statement)


OLD = ("'devstack'@'127.0.0.1'", "'devstack'@'localhost'")


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_mysql_of_an_earlier_release_is_converted_and_keeps_its_data(
    live: Cli, running: bool
) -> None:
    with mysql(live, "mysql-admin") as cursor:
        for account in OLD:
            cursor.execute(f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION")
        cursor.execute("DROP USER 'devstack_admin'@'127.0.0.1'")
    with mysql(live) as cursor:
        cursor.execute("CREATE DATABASE kept_database")
        cursor.execute("CREATE TABLE kept_database.kept (id int)")
        cursor.execute("INSERT INTO kept_database.kept VALUES (1)")
    if not running:
        assert live.run("down", "mysql").returncode == 0
    ended = live.run("up", "mysql")
    assert ended.returncode == 0, ended.stderr
    assert ("its accounts are made as declared" in ended.stderr) is running
    with mysql(live) as cursor:
        cursor.execute("SHOW GRANTS")
        grants = [row[0] for row in cursor.fetchall()]
        assert [line.partition(" ON ")[0] for line in grants if "*.*" in line] == ["GRANT USAGE"]
        assert not [line for line in grants if "GRANT OPTION" in line]
        cursor.execute("SELECT * FROM kept_database.kept")
        assert cursor.fetchall() == ((1,),)
        cursor.execute("DROP DATABASE kept_database")
    with mysql(live, "mysql-admin") as cursor:
        for account in OLD:
            cursor.execute(f"REVOKE ALL PRIVILEGES ON `kept\\_database`.* FROM {account}")
    assert "was running" in live.run("up", "mysql").stderr


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM mysql.user",
        "CREATE USER other",
        "CREATE DATABASE other",
        "SET GLOBAL max_connections = 100",
        "SELECT 1 INTO OUTFILE '/tmp/devstack-tui-test'",
        "GRANT ALL ON devstack.* TO 'devstack'@'localhost'",
        "SHUTDOWN",
    ],
)
def test_an_application_can_do_nothing_to_mysql_itself(live: Cli, statement: str) -> None:
    with mysql(live) as cursor, pytest.raises(pymysql.err.MySQLError, match=r"denied|privilege"):
        cursor.execute(statement)


def test_vault_gets_what_another_release_did_not_make(live: Cli) -> None:
    keys = live.root / "secrets" / "vault-keys.json"
    account = live.root / "secrets" / "credentials" / "postgres-admin.json"
    before, password = keys.read_text(), account.read_text()
    keys.write_text(before.replace(keys_made_by(before), "0" * 16))
    account.unlink()
    ended = live.run("up", "postgres")
    assert ended.returncode == 0, ended.stderr
    assert "by the unseal key" in ended.stderr
    assert keys_made_by(keys.read_text()) == keys_made_by(before)
    assert account.read_text() == password
    assert not (live.root / "data" / "vault" / "owner.sock").exists()


def keys_made_by(text: str) -> str:
    """What the bootstrap was made from."""
    return text.partition('"made_by":"')[2].partition('"')[0]
