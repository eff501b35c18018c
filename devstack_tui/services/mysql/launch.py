"""How MySQL or MariaDB is started as a process of this machine."""

from __future__ import annotations

from collections.abc import Sequence

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import not_installed
from devstack_tui.contracts.server_home import ServerHome
from devstack_tui.contracts.service import Launcher, ProcessSpec
from devstack_tui.core.programs import find_program, version_of
from devstack_tui.services.mysql.server import MARIADB, MYSQL, PRIVATE


class MysqlLauncher:
    """See `devstack_tui.contracts.service.Launcher`."""

    def locate(self) -> Installation:
        """`mysqld` where there is one (MariaDB has it as a link to its own), else `mariadbd`."""
        program = find_program("mysqld", "mariadbd")
        if program is None:
            raise not_installed("mysql")
        full = version_of(program, "--version", r"Ver (\d+\.\d+\.\d+\S*)")
        number = full.partition("-")[0]
        flavour = MARIADB if "mariadb" in full.lower() else MYSQL
        return Installation(program, number, flavour, ".".join(number.split(".")[:2]))

    def processes(self, home: ServerHome, installation: Installation) -> Sequence[ProcessSpec]:
        """The server. `--defaults-file` keeps the machine's own my.cnf out."""
        return [
            ProcessSpec(
                unit="mysql",
                argv=[str(installation.program), f"--defaults-file={home.files.path('my.cnf')}"],
                env=PRIVATE,
            )
        ]


LAUNCHER: Launcher = MysqlLauncher()
