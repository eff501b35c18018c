"""MySQL or MariaDB, as every engine configures it: TLS and plain on one port."""

from __future__ import annotations

import contextlib

from devstack_tui.contracts.model import Installation, ServiceSettings, Target
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui.contracts.service_files import CA, CERT, KEY, ServiceFiles
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.programs import find_program
from devstack_tui.core.tls import SERVER_CIPHERS
from devstack_tui.services.mysql import accounts
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
ssl-cipher = {ciphers}
character-set-server = utf8mb4
local-infile = 0
"""
# With rights to files: this directory alone, which is empty.
CONFIG_MARIADB = """\
secure-file-priv = "{files}"
"""
# MySQL's package points this at a directory of its own, which may be closed to us; and its
# X protocol would be a second port.
CONFIG_MYSQL = """\
secure-file-priv = NULL
mysqlx = 0
"""
# One statement a line, run by the server itself before it accepts anybody. The passwords come from
# Vault at every start.
INIT = """\
ALTER USER IF EXISTS 'root'@'localhost' ACCOUNT LOCK;
"""
# mariadb-install-db also makes root for this machine's name, and accounts without a name.
INIT_MARIADB = """\
DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');
DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';
FLUSH PRIVILEGES;
"""
# The server sets its own file modes, by default open to its group.
PRIVATE = {"UMASK": "0600", "UMASK_DIR": "0700"}
INIT_FILE = "init.sql"


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
        init = home.files.write(INIT_FILE, init_sql(home.target, mariadb))
        text = CONFIG.format(
            data=_escaped(data),
            tmp=_escaped(tmp),
            init=_escaped(init),
            host=HOST,
            port=home.port("main"),
            cert=_escaped(home.files.path(CERT)),
            key=_escaped(home.files.path(KEY)),
            ciphers=SERVER_CIPHERS,
            ca=_escaped(home.files.path(CA)),
        )
        own = CONFIG_MYSQL
        if mariadb:
            own = CONFIG_MARIADB.format(files=_escaped(home.files.directory(accounts.FILES)))
        home.files.write("my.cnf", text + own + tuning)

    def complete(self, home: ServerHome, installation: Installation) -> None:
        """Wait until it accepts the stack's accounts, then make the probe's table."""

        def accepts() -> bool:
            # A refusal does not get better by waiting: accounts are made before it listens.
            accounts.refused(home.target.as_admin())
            return True

        home.wait_for(f"{installation.flavour} to accept connections", accepts)
        mariadb = installation.flavour == MARIADB
        accounts.establish(home.target, mariadb)
        if not mariadb:  # it has run what holds the passwords
            home.files.write(INIT_FILE, INIT)
        with contextlib.closing(connect(home.target, 10)) as connection:
            connection.cursor().execute(
                f"CREATE TABLE IF NOT EXISTS {TABLE} (id int PRIMARY KEY, token bigint NOT NULL)"
            )

    def lacking(self, target: Target, files: ServiceFiles) -> str:  # noqa: ARG002
        """See `Mendable`."""
        return "its accounts are made as declared" if accounts.lacking(target) else ""


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


def init_sql(target: Target, mariadb: bool) -> str:
    """What the server runs at every start: the accounts, their passwords, the database."""
    lines = "".join(f"{statement};\n" for statement in accounts.statements(target, mariadb))
    return (INIT_MARIADB if mariadb else "") + INIT + lines


def _escaped(path: str) -> str:
    """`path` for the inside of double quotes in my.cnf."""
    return path.replace("\\", "\\\\").replace('"', '\\"')


SERVER: Server = MysqlServer()
