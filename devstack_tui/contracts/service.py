"""What a service is made of. A technology's folder has the parts that apply to it.

`services/<name>/__init__.py` holds a `SERVICE`, which names the modules of its parts; they are
imported when they are first asked for, so that no driver is loaded before it is needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, cast

from devstack_tui.contracts.model import (
    Credentials,
    Endpoint,
    Installation,
    Observation,
    ServiceSettings,
    Target,
)
from devstack_tui.core.hint import Hint

if TYPE_CHECKING:
    from devstack_tui.contracts.acks import Acks
    from devstack_tui.contracts.audit import Checks, Saboteur, TlsPart
    from devstack_tui.contracts.drill import Drill
    from devstack_tui.contracts.server_home import ServerHome
    from devstack_tui.contracts.tunable import Rolling, Tunables
    from devstack_tui.contracts.workload import Workload


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One long-running process of a service: `unit` is its name in logs and records.

    `grace_s` is how long it may take to end after `stop_signal` before it is killed. `alone` is a
    directory of the service in which no process of the same program may work when this one starts:
    a killed server leaves some for a moment. Once none does, `pid_file`, a file of the service, is
    stale and removed.
    """

    unit: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "SIGTERM"
    grace_s: float = 8.0
    alone: str | None = None
    pid_file: str | None = None


class Server(Protocol):
    """What every engine needs of a service. Every method may block; none may assume that it runs
    for the first time: `up` after any interruption calls all of them again."""

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """Every TCP port that the service will bind, by a name for the message."""

    def prepare(self, home: ServerHome, installation: Installation) -> None:
        """Make data directory and configuration, before the server runs."""

    def complete(self, home: ServerHome, installation: Installation) -> None:
        """What needs the running server: wait until it accepts, create users, join nodes."""


class Launcher(Protocol):
    """How a service runs as processes of this machine, for the engine that does so."""

    def locate(self) -> Installation:
        """Find the program. Raises `NotInstalledError` whose remedy brings it."""

    def processes(self, home: ServerHome, installation: Installation) -> Sequence[ProcessSpec]:
        """The processes to run, in the order of their start."""


Probe = Callable[[Target, float], Observation]
"""Do the service's work once within the time limit (seconds). Raises when it gets no answer."""


@dataclass(frozen=True, slots=True)
class Service:
    """One technology, by the names of its parts. Cheap to import: the parts are not."""

    name: str
    title: str
    scheme: str
    settings: type[ServiceSettings]
    hint: Hint
    requires: tuple[str, ...] = ("vault",)
    optional: bool = False
    """Whether a machine without the program is still complete."""
    account: str = ""
    """The system account that runs the server when we are root."""
    credentials: Credentials | None = None
    """User and database to create; the password is made by the bootstrap. None: no secret."""
    token_type: str = "service"
    """Of its AppRole: `batch` leaves nothing in Vault's storage, for a login every two seconds."""
    sans: tuple[str, ...] = ()
    """Further DNS names of its certificate."""
    connect: Callable[[Endpoint, Credentials, Path], str] | None = None
    """The command line that connects a client: endpoint, credentials, CA. Never the password."""
    after: tuple[str, ...] = ()
    """Services that must be ready first if they are to run at all."""

    @property
    def role(self) -> str:
        """Its AppRole in Vault."""
        return f"{self.name.replace('_', '-')}-role"

    @property
    def policy(self) -> str:
        """Its policy in Vault."""
        return f"{self.name.replace('_', '-')}-policy"

    @property
    def secret(self) -> str:
        """Its path below `secret/` in Vault, and its name in certificates."""
        return self.name.replace("_", "-")

    def server(self) -> Server:
        """What every engine needs of it."""
        return cast(Server, self._part("server").SERVER)

    def launcher(self) -> Launcher:
        """How it is started as processes."""
        return cast("Launcher", self._part("launch").LAUNCHER)

    def probe(self) -> Probe:
        """The part that does its work once."""
        return cast(Probe, self._part("probe").probe)

    def workloads(self) -> tuple[Workload, ...]:
        """The loads that can be put on it; none for most."""
        found = self._optional("workloads")
        return cast("tuple[Workload, ...]", found.WORKLOADS) if found else ()

    def tunables(self) -> Tunables | None:
        """Its parameters, if it can be tuned."""
        found = self._optional("tunables")
        return cast("Tunables", found.TUNABLES) if found else None

    def rolling(self) -> Rolling | None:
        """How it is restarted node by node, if it has several."""
        found = self._optional("rolling")
        return cast("Rolling", found.ROLLING) if found else None

    def acks(self) -> Acks | None:
        """The stream of acknowledged writes, if it keeps anything."""
        found = self._optional("acks")
        return cast("Acks", found.ACKS) if found else None

    def drills(self) -> tuple[Drill, ...]:
        """The drills that only this technology has."""
        found = self._optional("drills")
        return cast("tuple[Drill, ...]", found.DRILLS) if found else ()

    def tls(self) -> TlsPart | None:
        """Its TLS listeners and how its protocol reaches them, if it has any."""
        found = self._optional("tls")
        return cast("TlsPart", found.TLS) if found else None

    def saboteur(self) -> Saboteur | None:
        """What breaks its TLS by its own settings, for who proves the checks."""
        found = self._optional("sabotage")
        return cast("Saboteur", found.SABOTAGE) if found else None

    def checks(self) -> Checks | None:
        """The security checks that only this technology has."""
        found = self._optional("checks")
        return cast("Checks", found.CHECKS) if found else None

    def _optional(self, module: str) -> ModuleType | None:
        try:
            return self._part(module)
        except ModuleNotFoundError as error:
            if error.name != f"devstack_tui.services.{self.name}.{module}":
                raise
            return None

    def _part(self, module: str) -> ModuleType:
        return importlib.import_module(f"devstack_tui.services.{self.name}.{module}")
