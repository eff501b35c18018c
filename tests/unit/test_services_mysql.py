"""MySQL's statements and commands, without a server."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from devstack_tui.contracts.model import Credentials, Endpoint, Installation
from devstack_tui.services.mysql import SERVICE
from devstack_tui.services.mysql.server import MARIADB, MYSQL, init_sql, install_argv, quoted


def test_a_password_with_quotes_and_backslashes_stays_inside_its_string() -> None:
    assert quoted("it's \\ done") == "it''s \\\\ done"


def test_a_password_that_would_end_the_statement_is_refused() -> None:
    with pytest.raises(ValueError, match="control characters"):
        quoted("a\n'; DROP DATABASE x; --")


@pytest.mark.parametrize("mariadb", [True, False])
def test_every_statement_of_the_init_file_is_one_line(mariadb: bool) -> None:
    site = SimpleNamespace(credentials=Credentials("devstack", "a'b", "devstack"))
    lines = init_sql(site, mariadb).splitlines()  # type: ignore[arg-type]
    assert all(line.endswith(";") for line in lines)
    assert sum("IDENTIFIED BY 'a''b';" in line for line in lines) == 4
    assert any("global_priv" in line for line in lines) is mariadb


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
