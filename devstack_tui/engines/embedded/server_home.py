"""The place of a server that runs as processes of this machine."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devstack_tui.contracts.model import Credentials, ServiceSettings, Target
from devstack_tui.contracts.server_home import Cancelled
from devstack_tui.contracts.service import ProcessSpec
from devstack_tui.core import environment, process
from devstack_tui.core import files as private
from devstack_tui.core.errors import DevstackError, SaturatedError
from devstack_tui.core.journal import Journal
from devstack_tui.core.redact import redact
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.engines.embedded import programs
from devstack_tui.engines.embedded.accounts import Account
from devstack_tui.engines.embedded.programs import ProgramContext

ALONE_WITHIN_S = 15.0


@dataclass(frozen=True)
class ProcessHome:
    """See `devstack_tui.contracts.server_home.ServerHome`."""

    stack: str
    instance: str
    service: str
    settings: ServiceSettings
    data: Path
    account: Account
    credentials: Credentials
    target: Target
    journal: Journal
    peers: Mapping[str, Target] = field(default_factory=dict)
    tuning: Mapping[str, str] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)
    say: Callable[[str], None] = lambda text: None
    reload: Callable[[str], None] = lambda unit: None
    stop: Callable[[], object] = lambda: None
    died: Callable[[], str] = lambda: ""
    """Why the service cannot come any more (a process ended), or an empty string."""

    @property
    def files(self) -> RootedFiles:
        """See the Protocol."""
        return RootedFiles(self.data, self.account.owner)

    def port(self, name: str) -> int:
        """See the Protocol."""
        return self.settings.ports[name]

    def build(self, name: str, make: Callable[[str], None]) -> str:
        """See the Protocol."""
        if self.files.stat(name) is None:
            staging = f".{name}.new"
            self.files.remove(staging)
            make(self.files.directory(staging))
            self.files.rename(staging, name)
        return self.files.path(name)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a server or a helper of it is started with: nothing of the caller's."""
        return environment.of_child(
            {process.INSTANCE_VARIABLE: self.instance, **(more or {})}, self.data
        )

    def run(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, timeout: float = 120.0
    ) -> str:
        """See the Protocol."""
        self.check()
        env = self.environment({"DEVSTACK_TUI_UNIT": f"helper:{self.service}", **(env or {})})
        beside = ProgramContext(env, self.data, self.account)
        try:
            ended = programs.run(argv, beside, limit=timeout, cancelled=self.cancelled)
        except DevstackError:
            self.check()
            raise
        output = ended.output + ended.errors
        if ended.status != 0:
            lines = [line.strip() for line in output.splitlines() if line.strip()]
            # Some end with long advice: lines with the word "error" are preferred.
            tail = " · ".join(([x for x in lines if "error" in x.lower()] or lines)[-4:])
            raise DevstackError(
                f"{Path(argv[0]).name} failed (exit {ended.status}): {redact(tail)}"
            )
        return output

    def check(self) -> None:
        """Raise `Cancelled` if the verb was interrupted."""
        if self.cancelled.is_set():
            raise Cancelled(f"interrupted while {self.service} was starting")

    def wait_for(self, what: str, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        """See the Protocol."""
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
            except SaturatedError:
                raise  # it is there, and waiting frees no connection
            except Exception as error:  # a driver's own class: the server is not ready yet
                last = redact(str(error).strip().partition("\n")[0])
            if time.monotonic() > deadline:
                why = f": {last}" if last else ""
                raise DevstackError(f"{what} did not happen within {timeout:.0f} s{why}")
            self.cancelled.wait(0.05)

    def trust(self, root: bytes) -> None:
        """See the Protocol."""
        known = b""
        with contextlib.suppress(OSError):  # it is not there, or something else is in its place
            known = private.read_bytes(self.target.ca)
        if known != root:
            private.write_private(self.target.ca, root)


def await_alone(home: ProcessHome, spec: ProcessSpec) -> None:
    """Wait until what a killed server left has ended. Raises `DevstackError` when it does not."""
    deadline = time.monotonic() + ALONE_WITHIN_S
    while spec.alone is not None:
        left = process.working_in(home.data / spec.alone, Path(spec.argv[0]))
        if not left:
            if spec.pid_file is not None:
                home.files.remove(spec.pid_file)
            return
        if time.monotonic() > deadline:
            raise DevstackError(
                f"processes of a former {spec.unit} still work in {home.data / spec.alone}: "
                f"pid {', '.join(map(str, left))}",
                "end them, then run `devstack-tui up` again",
            )
        home.check()
        home.say(f"waiting for what is left of {spec.unit} to end")
        home.cancelled.wait(0.05)
