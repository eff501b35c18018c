"""How the nodes of Redis are started as processes of this machine."""

from __future__ import annotations

from collections.abc import Sequence

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import not_installed
from devstack_tui.contracts.server_home import ServerHome
from devstack_tui.contracts.service import Launcher, ProcessSpec
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.programs import find_program, version_of
from devstack_tui.services.redis.client import node_count, node_name
from devstack_tui.services.redis.server import release

OLDEST = (6, 2)  # set-proc-title; without it a server overwrites its own environment


class RedisLauncher:
    """See `devstack_tui.contracts.service.Launcher`."""

    def locate(self) -> Installation:
        """redis-server, or valkey-server, which is the same for us."""
        program = find_program("redis-server", "valkey-server")
        if program is None:
            raise not_installed("redis")
        version = version_of(program, "--version", r"server v=(\d+(?:\.\d+)+)")
        if release(version) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise DevstackError(
                f"{program} is Redis {version}: {oldest} or newer is needed",
                "install a newer redis-server, or put one first on PATH",
            )
        flavour = "Valkey" if program.name.startswith("valkey") else "Redis"
        return Installation(program, version, flavour, version.partition(".")[0])

    def processes(self, home: ServerHome, installation: Installation) -> Sequence[ProcessSpec]:
        """One for each node. SIGTERM saves the data and ends it."""
        names = [node_name(index) for index in range(node_count(home.target))]
        return [
            ProcessSpec(
                unit=name,
                argv=[str(installation.program), home.files.path(f"{name}/redis.conf")],
            )
            for name in names
        ]


LAUNCHER: Launcher = RedisLauncher()
