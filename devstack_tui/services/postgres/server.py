"""PostgreSQL, as every engine configures it: one cluster, TLS and plain on one port."""

from __future__ import annotations

from devstack_tui.contracts.model import Installation, ServiceSettings, Target
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui.contracts.service_files import CA, CERT, KEY, ServiceFiles
from devstack_tui.core.tls import SERVER_CIPHERS
from devstack_tui.services.postgres import accounts
from devstack_tui.services.postgres.client import connect
from devstack_tui.services.postgres.config_syntax import configured
from devstack_tui.services.postgres.probe import TABLE

CONFIG = """\
# Written by devstack-tui at every start: a change here is lost.
data_directory = '{cluster}'
hba_file = '{hba}'
ident_file = '{ident}'
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
ssl = on
ssl_cert_file = '{cert}'
ssl_key_file = '{key}'
ssl_ca_file = '{ca}'
ssl_min_protocol_version = 'TLSv1.2'
ssl_ciphers = '{ciphers}'
ssl_prefer_server_ciphers = on
password_encryption = 'scram-sha-256'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] '
timezone = 'UTC'
log_timezone = 'UTC'
"""
HBA_FILE = "pg_hba.conf"
# Dual mode as declared: `host` admits both TLS and plain connections. Nothing replicates.
HBA = """\
host all all {host}/32 scram-sha-256
"""


class PostgresServer:
    """See `devstack_tui.contracts.service.Server`."""

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """The one port."""
        return {"main": settings.ports["main"]}

    def prepare(self, home: ServerHome, installation: Installation) -> None:
        """initdb once; the configuration at every start."""
        home.files.remove("initdb-password")
        admin = home.target.admin
        tuning = configured(installation, home.tuning)

        def make(staging: str) -> None:
            home.say("making the database cluster")
            password = home.files.write("initdb-password", admin.password + "\n")
            try:
                home.run(
                    [
                        str(installation.program.parent / "initdb"),
                        f"--pgdata={staging}",
                        f"--username={admin.user}",
                        f"--pwfile={password}",
                        "--auth=scram-sha-256",
                        "--encoding=UTF8",
                        "--locale=C.UTF-8",
                        "--data-checksums",
                    ]
                )
            finally:
                home.files.remove("initdb-password")

        cluster = home.build("cluster", make)
        hba = home.files.write(HBA_FILE, HBA.format(host=HOST))
        ident = home.files.write("pg_ident.conf", "")
        home.files.write(
            "postgresql.conf",
            CONFIG.format(
                cluster=_escaped(cluster),
                hba=_escaped(hba),
                ident=_escaped(ident),
                host=HOST,
                port=home.port("main"),
                cert=_escaped(home.files.path(CERT)),
                key=_escaped(home.files.path(KEY)),
                ciphers=SERVER_CIPHERS,
                ca=_escaped(home.files.path(CA)),
            )
            + tuning,
        )

    def complete(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """Wait until it accepts, then make the accounts, the database and the probe's table."""
        import psycopg

        def accepts() -> bool:
            try:
                connect(home.target.as_admin(), 2, accounts.MAINTENANCE).close()
            except psycopg.OperationalError as error:
                # Waiting helps nothing: a cluster of an earlier release has one account.
                if not accounts.refused(error):
                    raise
            return True

        home.wait_for("PostgreSQL to accept connections", accepts)
        accounts.establish(home.target)
        with connect(home.target, 10) as connection:
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {TABLE} (id int PRIMARY KEY, token bigint NOT NULL)"
            )

    def lacking(self, target: Target, files: ServiceFiles) -> str:  # noqa: ARG002
        """See `Mendable`."""
        return "" if accounts.converted(target) else "its accounts are those of an earlier release"


def _escaped(path: str) -> str:
    """`path` for the inside of quotes in postgresql.conf."""
    return path.replace("\\", "\\\\").replace("'", "''")


SERVER: Server = PostgresServer()
