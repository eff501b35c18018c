"""Programs that are run beside the servers: their own helpers, and clients of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack_tui.contracts.registry import not_installed
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.unit_control import Completed
from devstack_tui.core import environment
from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.core.programs import find_program, version_of
from devstack_tui.engines.embedded.accounts import Account
from devstack_tui.engines.embedded.handed_programs import Handed

POLL_S = 0.2


class HostClient:
    """See `devstack_tui.contracts.client.Client`."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def version(self, flag: str, pattern: str) -> str:
        """See the Protocol."""
        return version_of(self._program, flag, pattern)

    def start(
        self, arguments: Sequence[str], env: Mapping[str, str], folder: Path
    ) -> subprocess.Popen[str]:
        """See the Protocol."""
        return subprocess.Popen(
            [str(self._program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=folder,
            umask=0o077,
            env=environment.of_child({"LC_ALL": "C", **env}),
        )


def find_client(service: Service, names: Sequence[str]) -> HostClient:
    """Beside the server's own program, for Debian keeps some out of PATH; else the one on PATH.

    Raises `NotInstalledError` with the remedy."""
    try:
        folder = service.launcher().locate().program.parent
        beside = next((folder / name for name in names if (folder / name).is_file()), None)
    except NotInstalledError:
        beside = None
    program = beside or find_program(*names)
    if program is None:
        raise not_installed(service.name)
    return HostClient(program)


@dataclass(frozen=True)
class ProgramContext:
    """What a program that runs beside a server has of it: environment, directory, account."""

    env: Mapping[str, str]
    folder: Path
    account: Account

    def who(self) -> dict[str, Any]:
        """What `subprocess` must be given to run it as that account."""
        if self.account.owner is None:
            return {}
        user, group = self.account.owner
        return {"user": user, "group": group, "extra_groups": []}


def run(
    argv: Sequence[str],
    beside: ProgramContext,
    *,
    stdin: str = "",
    limit: float,
    ours: Handed | None = None,
    cancelled: threading.Event | None = None,
) -> Completed:
    """Run a helper to its end; `ours` is how this Python is handed to the account.

    Raises `DevstackError` when it cannot be run, or does not end within `limit` seconds or before
    `cancelled` is set: it and what it started are killed then."""
    name = Path(argv[0]).name
    try:
        process = subprocess.Popen(
            list(argv),
            executable=ours.executable if ours else None,
            pass_fds=ours.descriptors if ours else (),
            env={**beside.env, **(ours.env if ours else {})},
            cwd=beside.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            umask=0o077,
            **beside.who(),
        )
    except OSError as error:
        raise DevstackError(f"{name} does not run: {error.strerror}") from None
    deadline = time.monotonic() + limit
    given: str | None = stdin
    while True:
        try:
            output, errors = process.communicate(given, timeout=min(POLL_S, limit))
        except subprocess.TimeoutExpired:
            given = None  # it has it already
            if (cancelled and cancelled.is_set()) or time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                raise DevstackError(f"{name} did not end within {limit:.0f} s") from None
        else:
            return Completed(process.returncode, output, errors)


def interact(argv: Sequence[str], beside: ProgramContext) -> int:
    """Run a program at our terminal. Returns its exit status. Raises OSError."""
    return subprocess.run(
        list(argv),
        env={**beside.env, "TERM": os.environ.get("TERM", "dumb")},
        cwd=beside.folder,
        check=False,
        **beside.who(),
    ).returncode
