"""The frozen values that pass between the layers: endpoints, credentials, health."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from devstack_tui.core.errors import UnreachableError

LOOPBACK = "127.0.0.1"
ADMIN_SUFFIX = "-admin"
"""How the names of the secrets of administrators' accounts end; no service is called so."""
DOMAIN = "dev-services.local"


def own_name(service: str) -> str:
    """The name by which a service proves itself in TLS: its certificate alone holds it."""
    return f"{service.replace('_', '-')}.{DOMAIN}"


class State(enum.StrEnum):
    """What a service is. `ABSENT`: its program is not on this machine."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"
    STARTING = "starting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ABSENT = "absent"


class Credentials(msgspec.Struct, frozen=True):
    """How to log in to a service. The password is never shown by `repr`."""

    user: str = ""
    password: str = ""
    database: str = ""

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, password=…, database={self.database!r})"


class Endpoint(msgspec.Struct, frozen=True):
    """Where a service listens. `tls_port` is None where TLS is answered on `port` itself."""

    scheme: str
    host: str
    port: int
    tls_port: int | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Target(msgspec.Struct, frozen=True):
    """All that a client needs to reach one service: the same for every engine.

    `ports` are the names and numbers of stack.toml with the offset added; `ca` is the root
    certificate to trust; `options` are the service's other settings (a topology, say).
    """

    service: str
    endpoint: Endpoint
    ports: dict[str, int]
    credentials: Credentials
    ca: Path
    secrets: Path
    options: dict[str, int | str | bool] = {}
    clients: str = ""
    """From where clients of the service call it, as CIDR."""
    nodes: str = ""
    """The network in which node n of a service calls the others from the n-th address, as CIDR."""
    admin: Credentials = Credentials()
    """The account that administrates the server; empty where the service has only one account."""

    spoilt: str = ""
    """Which file with one of the accounts is damaged or gone, in words: `up` makes it anew."""

    prover: str = ""
    """The engine's part that proves who answers a connection, and its own text for that: for
    `contracts.peer`. Empty where it cannot be proven."""

    def as_admin(self) -> Target:
        """The same for administrating: the administrator's account, and the database of
        `credentials`. Itself where the service has only one account. Raises `UnreachableError`
        rather than give the application's in its place."""
        if not self.admin.user:
            self.require_accounts()
            return self
        account = msgspec.structs.replace(self.admin, database=self.credentials.database)
        return msgspec.structs.replace(self, credentials=account)

    def require_accounts(self) -> None:
        """Raises `UnreachableError` where a file with one of the accounts cannot be used."""
        if self.spoilt:
            raise UnreachableError(self.spoilt, f"`devstack-tui up {self.service}` makes it anew")

    @property
    def passwords(self) -> frozenset[str]:
        """Those of both accounts, for what must not be shown."""
        return frozenset({self.credentials.password, self.admin.password} - {""})

    @property
    def name(self) -> str:
        """What its certificate must be for."""
        return own_name(self.service)


class NodeObservation(msgspec.Struct, frozen=True):
    """One node of a service that has several, as one probe saw it."""

    name: str
    state: State
    role: str = ""
    endpoint: str = ""
    detail: str = ""
    latency_ms: float | None = None


class RelaxedSetting(msgspec.Struct, frozen=True):
    """A setting in force that is for development only: `why` is what a crash can then lose or
    spoil, `production` the value with which it cannot."""

    service: str
    name: str
    value: str
    production: str
    why: str

    def __str__(self) -> str:
        return (
            f"development only: {self.service}.{self.name} = {self.value}, "
            f"for production {self.production}: {self.why}"
        )


class Observation(msgspec.Struct, frozen=True):
    """What one probe saw: the service did its work in `latency_ms`.

    `problems` are reasons why a service that answers is not healthy: it is then degraded.
    `settings` are the values in force of parameters that can be relaxed, in canonical form, of
    each node that differs. A probe that got no answer raises instead.
    """

    latency_ms: float
    version: str = ""
    role: str = ""
    tls: str = ""
    problems: tuple[str, ...] = ()
    nodes: tuple[NodeObservation, ...] = ()
    facts: dict[str, str] = {}
    settings: Mapping[str, tuple[str, ...]] = {}
    development_only: tuple[RelaxedSetting, ...] = ()


class Latency(msgspec.Struct, frozen=True):
    """Percentiles of the last probes, milliseconds; `recent` is oldest first."""

    p50: float | None = None
    p95: float | None = None
    samples: int = 0
    recent: tuple[float, ...] = ()


class UnitUsage(msgspec.Struct, frozen=True):
    """One unit of a service. `completed`: its start came to its end; `start_id` is
    another one after every start, and empty for a unit that does not run. `pid` is for people,
    where the engine has one."""

    unit: str
    pid: int | None
    running: bool
    completed: bool = False
    started_at: float | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    start_id: str = ""


class Usage(msgspec.Struct, frozen=True):
    """What one unit has used so far: CPU seconds since its start, those of what it has waited for
    included, and bytes of memory now, what is shared counted once. None: not available."""

    cpu_s: float | None = None
    memory_bytes: int | None = None


class Requirement(msgspec.Struct, frozen=True):
    """Something that a stack needs of its machine, as found. `status` is `ok`, `missing`,
    `optional` or `warning`."""

    subject: str
    status: str
    detail: str
    remedy: str = ""


class LogLine(msgspec.Struct, frozen=True):
    """One line that a unit wrote, without secrets."""

    unit: str
    line: str


class Certificate(msgspec.Struct, frozen=True):
    """A certificate: dates are Unix time in seconds, `key` is as `EC 256` or `RSA 2048`,
    `signature` as `ecdsa-with-SHA256`, `serial` in hexadecimal, `usages` as
    `serverAuth`."""

    subject: str
    issuer: str
    not_before: float
    not_after: float
    sans: tuple[str, ...]
    serial: str
    key: str = ""
    signature: str = ""
    usages: tuple[str, ...] = ()


class ServiceStatus(msgspec.Struct, frozen=True):
    """One row of `status`. `reason` is why the state is not healthy."""

    name: str
    title: str
    state: State
    required: bool
    reason: str = ""
    remedy: str = ""
    version: str = ""
    flavour: str = ""
    role: str = ""
    endpoint: str = ""
    tls_endpoint: str = ""
    tls: str = ""
    certificate: Certificate | None = None
    approle: str = ""
    config_source: str = ""
    connect: str = ""
    latency_ms: Latency = Latency()
    uptime_s: float | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    units: tuple[UnitUsage, ...] = ()
    nodes: tuple[NodeObservation, ...] = ()
    facts: dict[str, str] = {}
    development_only: tuple[RelaxedSetting, ...] = ()


class Repair(msgspec.Struct, frozen=True):
    """What a killed verb left undone: `action` as the journal names it, `what` in words, and the
    command that finishes it or undoes it."""

    action: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"needs healing: {self.what}  → {self.remedy}"


class StackStatus(msgspec.Struct, frozen=True):
    """One look at a whole stack, begun `at` (Unix time, seconds). `busy` names the verb that is
    changing it, if any. `notes` are sentences; each of `needs_healing` is among them. `recorded` is
    another text, in a watch, after each result or setting that was recorded."""

    stack: str
    engine: str
    at: float
    services: tuple[ServiceStatus, ...]
    instance: str = ""
    busy: str = ""
    busy_pid: int = 0
    notes: tuple[str, ...] = ()
    needs_healing: tuple[Repair, ...] = ()
    recorded: str = ""

    @property
    def healthy(self) -> bool:
        """Whether every required service is healthy."""
        return all(s.state is State.HEALTHY for s in self.services if s.required)

    @property
    def development_only(self) -> tuple[RelaxedSetting, ...]:
        """Of every service that answered."""
        return tuple(one for row in self.services for one in row.development_only)

    def get(self, name: str) -> ServiceStatus | None:
        """The row of service `name`."""
        return next((s for s in self.services if s.name == name), None)


class ServiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `[services.NAME]` of stack.toml may hold; a service adds its own fields."""

    enabled: bool = True
    ports: dict[str, int] = {}
    tested: str | tuple[str, ...] = ()
    """The release series that were measured, as "15"; a single one may stand without brackets."""

    def measured(self) -> tuple[str, ...]:
        """The series that this release was measured with."""
        return (self.tested,) if isinstance(self.tested, str) else self.tested

    def options(self) -> dict[str, int | str | bool]:
        """The service's own fields, for those that only have a `Target`."""
        own = set(self.__struct_fields__) - {"enabled", "ports", "tested"}
        return {name: getattr(self, name) for name in sorted(own)}


@dataclass(frozen=True, slots=True)
class Installation:
    """A server program that was found. `series` is what its data directory depends on."""

    program: Path
    version: str
    flavour: str
    series: str

    def within(self, flavour: str | None, since: str | None, until: str | None) -> bool:
        """Whether it is of this flavour, this version or later, and before that; None: any."""
        version = version_numbers(self.version)
        return (
            flavour in (None, self.flavour)
            and (since is None or version >= version_numbers(since))
            and (until is None or version < version_numbers(until))
        )


def version_numbers(version: str) -> tuple[int, ...]:
    """`10.11.14` as numbers that can be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
