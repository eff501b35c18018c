"""What a service is made of. A technology's folder has the parts that apply to it.

`services/<name>/__init__.py` holds a `SERVICE`, which names the modules of its parts; they are
imported when they are first asked for, so that no driver is loaded before it is needed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast, runtime_checkable

from devstack_tui.contracts.model import (
    ADMIN_SUFFIX,
    Credentials,
    Endpoint,
    Installation,
    Observation,
    ServiceSettings,
    Target,
)
from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.core.programs import Hint

if TYPE_CHECKING:
    from devstack_tui.contracts.acks import Acks
    from devstack_tui.contracts.audit import Checks, TlsPart, TlsSabotage
    from devstack_tui.contracts.drill import Drill
    from devstack_tui.contracts.server_home import ServerHome
    from devstack_tui.contracts.service_files import ServiceFiles
    from devstack_tui.contracts.tunable import ConfigReader, Rolling, Tunables
    from devstack_tui.contracts.workload import Workload

IDENTITY = "vault"
"""The service that gives every other one its secret and its certificate."""
CONTRACT = 1
"""The version of what this module, and the Protocols that it names, ask of a service."""

N = TypeVar("N", "Workload", "Drill")


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


@runtime_checkable
class Mendable(Protocol):
    """A server part whose files may be spoilt while the server still answers."""

    def lacking(self, target: Target, files: ServiceFiles) -> str:
        """What its start would make anew, in words; empty if nothing. Never raises."""


@runtime_checkable
class BoundFurther(Protocol):
    """A server part whose server has addresses beside the stack's that it cannot do without."""

    further: ClassVar[Mapping[str, str]]
    """The address by the name of the port, as `claims` has it."""


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
    requires: tuple[str, ...] = (IDENTITY,)
    optional: bool = False
    """Whether a machine without the program is still complete."""
    account: str = ""
    """The system account, made by its package, that runs the server when we are root. Without one
    the engine makes an account for it: no server runs as root."""
    credentials: Credentials | None = None
    """User and database to create for applications; the password is made by the bootstrap. None: no
    secret."""
    admin: Credentials | None = None
    """The account that administrates the server, which is ours alone: in a secret of its own, that
    no application may read. None: there is no other account than that of `credentials`."""
    token_type: str = "service"
    """Of its AppRole: `batch` leaves nothing in Vault's storage, for a login every two seconds."""
    sans: tuple[str, ...] = ()
    """Further DNS names of its certificate."""
    mutual_tls: bool = False
    """Whether its servers show each other their certificates, which are for clients then, too."""
    connect: Callable[[Endpoint, Credentials, Path], str] | None = None
    """The command line that connects a client: endpoint, credentials, CA. Never the password."""
    topology: Callable[[str], dict[str, Any]] | None = None
    """Its settings for the text of `up --topology`. Raises `UsageError`. None: it has none."""
    records: str = ""
    """A file of its own in which every request is recorded before it is answered."""
    after: tuple[str, ...] = ()
    """Services that must be ready first if they are to run at all."""
    contract: int = 0
    """The `CONTRACT` that a service of another package was written for."""
    package: str = ""
    """Where the parts of a service of another package are; set when it is loaded."""
    unavailable: str = ""
    """Why a service of another package cannot be loaded; it has no parts then."""

    @property
    def outside(self) -> bool:
        """Whether it comes, or should come, from another package."""
        return bool(self.package or self.unavailable)

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

    @property
    def admin_secret(self) -> str:
        """The path of its administrator's account, below `secret/` as well."""
        return f"{self.secret}{ADMIN_SUFFIX}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Its secrets in Vault: its own, and that of its administrator's account if it has one."""
        return (self.secret, self.admin_secret) if self.admin else (self.secret,)

    def server(self) -> Server:
        """What every engine needs of it."""
        return cast(Server, self._part("server", "SERVER"))

    def launcher(self) -> Launcher:
        """How it is started as processes."""
        return cast(Launcher, self._part("launch", "LAUNCHER"))

    def probe(self) -> Probe:
        """The part that does its work once."""
        return cast(Probe, self._part("probe", "probe"))

    def workloads(self) -> tuple[Workload, ...]:
        """The loads that can be put on it; none for most."""
        return self._own(self._optional("workloads", "WORKLOADS") or ())

    def tunables(self) -> Tunables | None:
        """Its parameters, if it can be tuned."""
        return cast("Tunables | None", self._optional("tunables", "TUNABLES"))

    def config_reader(self) -> ConfigReader | None:
        """What reads its server's configuration files, if it can be tuned by one."""
        return cast("ConfigReader | None", self._optional("config_reader", "READER"))

    def rolling(self) -> Rolling | None:
        """How it is restarted node by node, if it has several."""
        return cast("Rolling | None", self._optional("rolling", "ROLLING"))

    def acks(self) -> Acks | None:
        """The stream of acknowledged writes, if it keeps anything."""
        return cast("Acks | None", self._optional("acks", "ACKS"))

    def drills(self) -> tuple[Drill, ...]:
        """The drills that only this technology has."""
        return self._own(self._optional("drills", "DRILLS") or ())

    def tls(self) -> TlsPart | None:
        """Its TLS listeners and how its protocol reaches them, if it has any."""
        return cast("TlsPart | None", self._optional("tls", "TLS"))

    def saboteur(self) -> TlsSabotage | None:
        """What breaks its TLS by its own settings, for the proof of the checks."""
        return cast("TlsSabotage | None", self._optional("sabotage", "SABOTAGE"))

    def checks(self) -> Checks | None:
        """The security checks that only this technology has."""
        return cast("Checks | None", self._optional("checks", "CHECKS"))

    def rows(self, file: str) -> dict[str, Any]:
        """The tables about this service in `file` (`workloads.toml` …) of its own package; those of
        our services are in configs/."""
        if not self.package:
            return {}
        from devstack_tui.core.config import read_toml

        path = Path(str(importlib.import_module(self.package).__file__)).with_name(file)
        found = read_toml(path) if path.exists() else {}
        return {name: row for name, row in found.items() if name.startswith(f"{self.name}.")}

    def _own(self, parts: tuple[N, ...]) -> tuple[N, ...]:
        """Without those of another package that have the name of another service's."""
        if not self.package:
            return parts
        return tuple(part for part in parts if part.name.startswith(f"{self.name}."))

    @property
    def _home(self) -> str:
        return self.package or f"devstack_tui.services.{self.name}"

    def _optional(self, module: str, name: str) -> Any:
        where = f"{self._home}.{module}"
        if self.unavailable or importlib.util.find_spec(where) is None:
            return None
        return self._part(module, name)

    def _part(self, module: str, name: str) -> Any:
        if self.unavailable:
            raise NotInstalledError(self.unavailable, self.hint.text)
        try:
            return getattr(importlib.import_module(f"{self._home}.{module}"), name)
        except Exception as error:
            if not self.package:
                raise
            raise DevstackError(
                f"{self._home}.{module} cannot be used: {type(error).__name__}: {error}",
                f"install the package of {self.name} again, or take it out of stack.toml",
            ) from None
