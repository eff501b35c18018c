"""How PostgreSQL is started as a process of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import not_installed
from devstack_tui.contracts.server_home import ServerHome
from devstack_tui.contracts.service import Launcher, ProcessSpec
from devstack_tui.core.programs import version_of


class PostgresLauncher:
    """See `devstack_tui.contracts.service.Launcher`."""

    def locate(self) -> Installation:
        """The newest PostgreSQL: Debian keeps its programs out of PATH."""
        debian = sorted(
            Path("/usr/lib/postgresql").glob("*/bin/postgres"),
            key=lambda path: float(path.parts[-3]),
        )
        found = debian[-1] if debian else shutil.which("postgres")
        if not found:
            raise not_installed("postgres")
        program = Path(found)
        version = version_of(program, "--version", r"\(PostgreSQL\) (\d+(?:\.\d+)*)")
        return Installation(program, version, "PostgreSQL", version.partition(".")[0])

    def processes(self, home: ServerHome, installation: Installation) -> Sequence[ProcessSpec]:
        """The postmaster. SIGINT is its fast shutdown: sessions end, nothing is lost."""
        # Only the file is named here: a parameter given with -c would beat ALTER SYSTEM for good.
        return [
            ProcessSpec(
                unit="postgres",
                argv=[
                    str(installation.program),
                    "-c",
                    f"config_file={home.files.path('postgresql.conf')}",
                ],
                stop_signal="SIGINT",
                # Backends outlive a killed postmaster until they notice, and keep its memory.
                alone="cluster",
                # It takes a dead postmaster that nobody has waited for yet, a zombie, for alive.
                pid_file="cluster/postmaster.pid",
            )
        ]


LAUNCHER: Launcher = PostgresLauncher()
