"""MySQL or MariaDB, as every engine configures it: TLS and plain on one port."""

from __future__ import annotations

import contextlib
import re

from devstack_tui.contracts.model import Installation, ServiceSettings
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui.contracts.service_files import CA, CERT, KEY
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.programs import find_program
from devstack_tui.services.mysql.client import connect
from devstack_tui.services.mysql.config_syntax import configured
from devstack_tui.services.mysql.probe import TABLE

MARIADB = "MariaDB"
MYSQL = "MySQL"

# The socket and the PID file are relative to the data directory, where the server goes: the
# path of a Unix socket is limited to 107 bytes, and ours may be deep.
CONFIG = """\
# Written by devstack-tui at every start: a change here is lost.
[mysqld]
datadir = "{data}"
tmpdir = "{tmp}"
socket = mysqld.sock
pid-file = mysqld.pid
init-file = "{init}"
bind-address = {host}
port = {port}
skip-name-resolve
ssl-cert = "{cert}"
ssl-key = "{key}"
ssl-ca = "{ca}"
tls-version = TLSv1.2,TLSv1.3
character-set-server = utf8mb4
local-infile = 0
"""
# MySQL's package points this at a directory of its own, which may be closed to us; and its
# X protocol would be a second port.
CONFIG_MYSQL = """\
secure-file-priv = NULL
mysqlx = 0
"""
# One statement a line, run by the server itself before it accepts anybody. The stack has one
# administrator, whose password comes from Vault at every start.
INIT = """\
ALTER USER IF EXISTS 'root'@'localhost' ACCOUNT LOCK;
CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4;
"""
INIT_USER = """\
CREATE USER IF NOT EXISTS '{user}'@'{host}' IDENTIFIED BY '{password}';
ALTER USER '{user}'@'{host}' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON *.* TO '{user}'@'{host}' WITH GRANT OPTION;
"""
# mariadb-install-db also makes root for this machine's name, and accounts without a name.
INIT_MARIADB = """\
DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');
DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';
FLUSH PRIVILEGES;
"""
# The server sets its own file modes, by default open to its group.
PRIVATE = {"UMASK": "0600", "UMASK_DIR": "0700"}
_ACCESS_DENIED = 1045
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,30}")


class MysqlServer:
    """See `devstack_tui.contracts.service.Server`."""

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """The one port."""
        return {"main": settings.ports["main"]}

    def prepare(self, home: ServerHome, installation: Installation) -> None:
        """The system tables once; the configuration and the account at every start."""
        mariadb = installation.flavour == MARIADB
        tuning = configured(installation, home.tuning)
        tmp = home.files.directory("tmp")

        def make(staging: str) -> None:
            home.say("making the system tables")
            # TMPDIR and not an argument: the script would split it at a space.
            home.run(install_argv(installation, staging), env={**PRIVATE, "TMPDIR": tmp})

        data = home.build("cluster", make)
        init = home.files.write("init.sql", init_sql(home, mariadb))
        text = CONFIG.format(
            data=_escaped(data),
            tmp=_escaped(tmp),
            init=_escaped(init),
            host=HOST,
            port=home.port("main"),
            cert=_escaped(home.files.path(CERT)),
            key=_escaped(home.files.path(KEY)),
            ca=_escaped(home.files.path(CA)),
        )
        home.files.write("my.cnf", (text if mariadb else text + CONFIG_MYSQL) + tuning)

    def complete(self, home: ServerHome, installation: Installation) -> None:
        """Wait until it accepts the stack's user, then make the probe's table."""

        import pymysql

        def accepts() -> bool:
            try:
                connect(home.target, 2).close()
            except pymysql.err.OperationalError as error:
                # It does not get better by waiting: the account is made before it listens.
                if error.args[0] == _ACCESS_DENIED:
                    return True
                raise
            return True

        home.wait_for(f"{installation.flavour} to accept connections", accepts)
        try:
            connection = connect(home.target, 10)
        except pymysql.err.OperationalError as error:
            raise DevstackError(
                f"{installation.flavour} refuses {home.credentials.user!r}: {error.args[-1]}",
                "its init file failed: `devstack-tui logs mysql` says why",
            ) from error
        with contextlib.closing(connection):
            connection.cursor().execute(
                f"CREATE TABLE IF NOT EXISTS {TABLE} (id int PRIMARY KEY, token bigint NOT NULL)"
            )


def install_argv(installation: Installation, staging: str) -> list[str]:
    """The command that fills an empty data directory. Raises `DevstackError` if it is missing."""
    if installation.flavour == MYSQL:
        return [
            str(installation.program),
            "--no-defaults",
            "--initialize-insecure",
            f"--datadir={staging}",
        ]
    helper = find_program("mariadb-install-db", "mysql_install_db")
    if helper is None:
        raise DevstackError(
            "mariadb-install-db is not on this machine, though the server is",
            "install the whole package mariadb-server",
        )
    return [
        str(helper),
        "--no-defaults",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
        f"--datadir={staging}",
    ]


def init_sql(home: ServerHome, mariadb: bool) -> str:
    """What the server runs at every start: the one account, its password, its database."""
    user, database = home.credentials.user, home.credentials.database
    for name in (user, database):
        if not _IDENTIFIER.fullmatch(name):
            raise AssertionError(name)
    text = INIT.format(database=database)
    for host in (HOST, "localhost"):
        text += INIT_USER.format(user=user, host=host, password=quoted(home.credentials.password))
    return INIT_MARIADB + text if mariadb else text


def _escaped(path: str) -> str:
    """`path` for the inside of double quotes in my.cnf."""
    return path.replace("\\", "\\\\").replace('"', '\\"')


def quoted(text: str) -> str:
    """`text` for the inside of an SQL string in single quotes. Raises ValueError on a newline:
    a statement of an init file ends with its line."""
    if any(ord(character) < 32 for character in text):
        raise ValueError("a password may not hold control characters")
    return text.replace("\\", "\\\\").replace("'", "''")


SERVER: Server = MysqlServer()
