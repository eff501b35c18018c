"""How the reference API is started as a process of this machine."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import devstack_tui
from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import not_installed
from devstack_tui.contracts.server_home import ServerHome
from devstack_tui.contracts.service import Launcher, ProcessSpec
from devstack_tui.contracts.service_files import CA
from devstack_tui.services.reference_api.config import FILE
from devstack_tui.services.reference_api.server import UNIT

MODULES = ("fastapi", "uvicorn", "psycopg_pool")


class ReferenceApiLauncher:
    """See `devstack_tui.contracts.service.Launcher`."""

    def locate(self) -> Installation:
        """The Python that runs us, if it has FastAPI and uvicorn. There is no data: one series."""
        if any(importlib.util.find_spec(name) is None for name in MODULES):
            raise not_installed("reference_api")
        return Installation(Path(sys.executable), devstack_tui.__version__, "FastAPI", "1")

    def processes(self, home: ServerHome, installation: Installation) -> Sequence[ProcessSpec]:
        """One process for HTTP and HTTPS."""
        env = {
            # Some drivers add the system's authorities to the root that they are given: have none.
            "SSL_CERT_FILE": home.files.path(CA),
            "SSL_CERT_DIR": home.files.path("no-other-authority"),
        }
        folder = Path(devstack_tui.__file__).resolve().parents[1]
        if folder.name not in ("site-packages", "dist-packages"):
            # Run from a checkout that is not installed: the clean environment must still find us.
            env["PYTHONPATH"] = str(folder)
        return [
            ProcessSpec(
                unit=UNIT,
                argv=[
                    str(installation.program),
                    "-X",
                    "faulthandler",  # into its log
                    "-m",
                    "devstack_tui.services.reference_api",
                    home.files.path(FILE),
                ],
                env=env,
            )
        ]


LAUNCHER: Launcher = ReferenceApiLauncher()
