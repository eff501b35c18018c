"""MySQL's statements and commands, without a server."""

from pathlib import Path

import pytest

from devstack_tui.contracts.model import Credentials, Endpoint, Installation, Target
from devstack_tui.services.mysql import SERVICE, accounts
from devstack_tui.services.mysql.accounts import native_hash, quoted
from devstack_tui.services.mysql.server import MARIADB, MYSQL, init_sql, install_argv


def test_a_password_with_quotes_and_backslashes_stays_inside_its_string() -> None:
    assert quoted("it's \\ done") == "it''s \\\\ done"


def test_a_password_that_would_end_the_statement_is_refused() -> None:
    with pytest.raises(ValueError, match="control characters"):
        quoted("a\n'; DROP DATABASE x; --")


@pytest.mark.parametrize("mariadb", [True, False])
def test_every_statement_of_the_init_file_is_one_line(mariadb: bool) -> None:
    lines = init_sql(two_accounts(), mariadb).splitlines()
    assert all(line.endswith(";") for line in lines)
    assert sum("IDENTIFIED BY 'a''b';" in line for line in lines) == (0 if mariadb else 4)
    hashed = native_hash("a'b")
    assert sum(f"PASSWORD '{hashed}';" in line for line in lines) == 4 * mariadb
    assert any("global_priv" in line for line in lines) is mariadb


def test_only_our_own_account_has_rights_beyond_its_database() -> None:
    grants = [line for line in accounts.statements(two_accounts(), True) if "GRANT" in line]
    assert [line for line in grants if "*.*" in line] == [
        "GRANT ALL PRIVILEGES ON *.* TO 'boss'@'127.0.0.1' WITH GRANT OPTION"
    ]
    assert len(grants) == 3


def test_a_hash_is_the_servers_own() -> None:
    assert native_hash("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


def test_a_database_in_a_grant_is_no_pattern() -> None:
    assert accounts.pattern("a_b%c") == r"`a\_b\%c`"


def two_accounts() -> Target:
    here = Path()
    return Target(
        "mysql",
        Endpoint("mysql", "127.0.0.1", 1),
        {},
        Credentials("devstack", "a'b", "devstack"),
        here,
        here,
        admin=Credentials("boss", "c", "mysql"),
    )


def test_the_system_tables_are_made_without_the_machines_configuration(tmp_path: Path) -> None:
    installation = Installation(Path("/opt/mysqld"), "8.0.40", MYSQL, "8.0")
    assert install_argv(installation, tmp_path)[:3] == [
        "/opt/mysqld",
        "--no-defaults",
        "--initialize-insecure",
    ]
    assert MARIADB != MYSQL


def test_the_command_to_connect_has_no_password_and_quotes_paths() -> None:
    assert SERVICE.connect is not None
    command = SERVICE.connect(
        Endpoint("mysql", "127.0.0.1", 13306),
        Credentials("devstack", "hidden-secret", "devstack"),
        Path("/a b/ca.crt"),
    )
    assert "hidden-secret" not in command
    assert "'--ssl-ca=/a b/ca.crt'" in command
