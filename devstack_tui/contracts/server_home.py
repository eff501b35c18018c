"""Where one service of one stack lives, and what its server part may do there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devstack_tui.contracts.model import Account, Credentials, ServiceSettings, Target, Tls
from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Journal
from devstack_tui.core.redact import redact

HOST = "127.0.0.1"


class Cancelled(DevstackError):
    """The verb was interrupted while this service was on its way."""

    exit_code = 130


@dataclass(frozen=True)
class Site:
    """One service's place: directories, ports, account, credentials, certificate."""

    stack: str
    instance: str
    service: str
    settings: ServiceSettings
    data: Path
    account: Account
    credentials: Credentials
    tls: Tls
    target: Target
    journal: Journal
    peers: Mapping[str, Target] = field(default_factory=dict)
    """The services that this one talks to, without their passwords."""
    tuning: Mapping[str, str] = field(default_factory=dict)
    """The parameters that the stack sets, as canonical texts by name (`contracts.tunable`)."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    say: Callable[[str], None] = lambda text: None
    """Tells the user what is being waited for."""
    reload: Callable[[str], None] = lambda unit: None
    """Has one of this service's units read its files again."""
    stop: Callable[[], object] = lambda: None
    """Ends this service's units, for a repair of its data that needs them gone."""
    died: Callable[[], str] = lambda: ""
    """Why the service cannot come any more (a process ended), or an empty string."""

    def port(self, name: str) -> int:
        """The port called `name`, with the offset added."""
        return self.settings.ports[name]

    @property
    def owner(self) -> tuple[int, int] | None:
        return self.account.owner

    def directory(self, name: str) -> Path:
        """A directory below the service's data, 0700, owned by its account."""
        return files.make_dir(self.data / name, owner=self.owner)

    def write(self, name: str, text: str) -> Path:
        """A file below the service's data, 0600, owned by its account, replaced in one step."""
        path = self.data / name
        files.write_private(path, text, owner=self.owner)
        return path

    def build(self, name: str, make: Callable[[Path], None]) -> Path:
        """A directory that is there whole or not at all: `make` fills a staging directory."""
        final = self.data / name
        if not final.exists():
            staging = self.data / f".{name}.new"
            shutil.rmtree(staging, ignore_errors=True)
            files.make_dir(staging, owner=self.owner)
            make(staging)
            staging.replace(final)
        return final

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """A clean environment: nothing of the caller's, so no secret of theirs reaches a server."""
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(self.data),
            "DEVSTACK_TUI_INSTANCE": self.instance,
            **(more or {}),
        }

    def run(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, timeout: float = 120.0
    ) -> str:
        """Run a helper program as the service's account and return its output.

        Raises `DevstackError` with the last lines when it fails. Secrets go through files or
        the environment, never argv.
        """
        self.check()
        switched = self.account.switched
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment({"DEVSTACK_TUI_UNIT": f"helper:{self.service}", **(env or {})}),
            cwd=self.data,
            start_new_session=True,
            umask=0o077,
            user=self.account.uid if switched else None,
            group=self.account.gid if switched else None,
            extra_groups=[] if switched else None,
        )
        deadline = time.monotonic() + timeout
        while True:
            try:
                raw, _ = process.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                if self.cancelled.is_set() or time.monotonic() > deadline:
                    os.killpg(process.pid, 9)
                    process.communicate()
                    self.check()
                    raise DevstackError(
                        f"{Path(argv[0]).name} did not end within {timeout:.0f} s"
                    ) from None
        output = raw.decode(errors="replace")
        if process.returncode != 0:
            lines = [line.strip() for line in output.splitlines() if line.strip()]
            # Some end with advice for screens on end: what says "error" comes first.
            told = [line for line in lines if "error" in line.lower()] or lines
            tail = " · ".join(told[-4:])
            raise DevstackError(
                f"{Path(argv[0]).name} failed (exit {process.returncode}): {redact(tail)}"
            )
        return output

    def check(self) -> None:
        """Raise `Cancelled` if the verb was interrupted."""
        if self.cancelled.is_set():
            raise Cancelled(f"interrupted while {self.service} was starting")

    def wait_for(self, what: str, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        """Wait until `condition` holds; it may raise OSError while the server is not there.

        Raises `DevstackError` with the last error after `timeout` seconds.
        """
        self.say(f"waiting for {what}")
        deadline = time.monotonic() + timeout
        last = ""
        while True:
            self.check()
            if reason := self.died():
                raise DevstackError(reason)
            try:
                if condition():
                    return
            except Exception as error:  # a driver's own class: the server is not ready yet
                last = redact(str(error).strip().partition("\n")[0])
            if time.monotonic() > deadline:
                why = f": {last}" if last else ""
                raise DevstackError(f"{what} did not happen within {timeout:.0f} s{why}")
            self.cancelled.wait(0.05)

    def wait_port(self, port: int, timeout: float = 60.0) -> None:
        """Wait until something accepts on `port`."""

        def accepts() -> bool:
            with socket.create_connection((HOST, port), timeout=0.5):
                return True

        self.wait_for(f"port {port}", accepts, timeout)
