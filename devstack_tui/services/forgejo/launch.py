"""How Forgejo is started as a process of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import not_installed
from devstack_tui.contracts.service import Launcher, ProcessSpec
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.programs import find_program, version_of

if TYPE_CHECKING:
    from devstack_tui.contracts.server_home import ServerHome


class ForgejoLauncher:
    """See `devstack_tui.contracts.service.Launcher`."""

    def locate(self) -> Installation:
        """forgejo, or gitea; both need git."""
        program = find_program("forgejo", "gitea")
        if program is None:
            raise not_installed("forgejo")
        if find_program("git") is None:
            raise DevstackError(f"{program} needs git, which is not here", "install git")
        version = version_of(program, "--version", r"(?i)version (\d+(?:\.\d+)+)")
        flavour = "Gitea" if program.name == "gitea" else "Forgejo"
        return Installation(program, version, flavour, version.partition(".")[0])

    def processes(self, home: ServerHome, installation: Installation) -> Sequence[ProcessSpec]:
        """The web server, which migrates its database by itself."""
        config = home.files.path("app.ini")
        return [ProcessSpec("forgejo", [str(installation.program), "web", "--config", config])]


LAUNCHER: Launcher = ForgejoLauncher()
