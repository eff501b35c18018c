"""The parts of a service that an audit needs: where TLS is answered, how its protocol gets there,
and the checks and sabotages that only this technology has.

An audit never disturbs a user: it uses tokens and secret_ids of its own, and closes what it opens.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.unit_control import UnitControl
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError

if TYPE_CHECKING:
    from devstack_tui.contracts.bindings import Bindings
    from devstack_tui.contracts.processes import Loosening, ProcessFacts
    from devstack_tui.contracts.service_files import ServiceFiles, ServicePath
    from devstack_tui.core.file_tree import Entry, Read


class Severity(enum.StrEnum):
    """How bad it is when the check fails."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw. `evidence` is what decided: the certificate, the status, the bytes.
    `remedy`: of an ERROR, what lets the check be made. `declared`: a WARN that the declared
    configuration brings about."""

    status: Status
    evidence: str
    remedy: str = ""
    declared: bool = False


def as_declared(evidence: str) -> Finding:
    """A WARN that what is declared brings about; `evidence` says so, and why it is borne."""
    return Finding(Status.WARN, evidence, declared=True)


class VaultClient(Protocol):
    """Vault's API with one token."""

    @property
    def token(self) -> str:
        """The token in use; empty for none."""

    @token.setter
    def token(self, value: str) -> None: ...

    def call(self, method: str, path: str, /, **body: Any) -> dict[str, Any]:
        """`method` on /v1/`path`; returns the JSON document, empty for none. Raises
        `DevstackError` for a refusal and `UnreachableError` when nothing answers."""

    def revoke(self) -> None:
        """Revoke the token in use, if there is one."""


class Audit(Protocol):
    """What a check may use. Whatever it hands out is closed, revoked or destroyed by its owner
    when the audit ends, however it ends; all methods may be called from any thread."""

    @property
    def timeout(self) -> float:
        """Seconds for one conversation with a server."""

    @property
    def ca(self) -> Path:
        """The root certificate that clients trust."""

    @property
    def secrets(self) -> Path:
        """The stack's directory of secrets."""

    def services(self) -> tuple[str, ...]:
        """What the stack consists of and is installed."""

    def running(self, service: str) -> bool:
        """Whether the service has processes."""

    def target(self, service: str) -> Target:
        """How to reach a service."""

    def claims(self, service: str) -> Mapping[str, int]:
        """Every TCP port that the service is declared to listen at, by name."""

    def bindings(self) -> Mapping[str, Bindings]:
        """See `Engine.bindings`; a fresh look."""

    def files(self, service: str) -> ServiceFiles:
        """The service's own files: its certificate, key and chain, its configuration."""

    @property
    def units(self) -> UnitControl:
        """The stack's units that run, to ask a server beside which only its own tool gets."""

    def own_file(self, path: Path) -> ServicePath:
        """One of the stack's own files, `ca` or something in `secrets`, read and judged as those of
        a service."""

    def login(self, name: str) -> VaultClient:
        """A client of Vault with a token of the AppRole of `name` that is made once an audit and
        revoked at its end. For a check that needs to spoil its token, `fresh_login`."""

    def fresh_login(self, name: str) -> VaultClient:
        """Another token of the AppRole, by a secret_id of its own; both end with the audit."""

    def processes(self) -> Mapping[str, Sequence[ProcessFacts]]:
        """See `Engine.processes`; a fresh look."""

    def commands(self) -> Sequence[tuple[str, str]]:
        """See `Engine.commands`; a fresh look."""

    def tree(self) -> Iterator[tuple[Entry, Read]]:
        """See `core.file_tree.walk`: all that is below the stack's directory, and below `.jobs/`
        what its jobs have written."""

    def known_secrets(self) -> frozenset[str]:
        """Every secret that the stack has written down: passwords, secret_ids, the unseal key."""

    def once(self, key: str, make: Callable[[], object]) -> object:
        """`make()` for the first that asks by this key, the same outcome (or error) for all the
        others: checks that look at one handshake or one answer share it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that may be wrong. `id` is as `tls.04`, or `tls.postgres.cipher.rc4`; `core` its
    name among the core checks (`TLS 4`), empty when it goes beyond them. `sabotage` names the
    smallest real change that must turn it to FAIL or WARN; `service` whose fault it would be."""

    id: str
    suite: str
    title: str
    severity: Severity
    service: str
    stake: str
    remedy: str
    sabotage: str
    run: Callable[[Audit], Finding]
    kind: str = ""
    """The decision that it is an instance of: checks that decide by the same function, of other
    services, files or operations, share it (`auth.no_login`). Empty: it is the only one."""
    core: str = ""
    group: str = ""
    """A heading below the suite, for the tree: `versions`, `matrix` …"""
    sums: tuple[str, ...] = ()
    """The checks that this one sums up: it is shown and run, and counted no second time."""
    needs: tuple[str, ...] = ()
    """Further services; a check whose services are not in the stack is SKIPPED, and one whose
    service is down is an ERROR."""
    without_server: bool = False
    """Whether it is made while its service is down, too: what it finds wrong then is a FAIL."""


OPENSSL_WEAK = frozenset(
    {
        "null",
        "anonymous",
        "md5",
        "static_rsa",
        "static_rsa_cbc_sha1",
        "static_rsa_camellia",
        "static_rsa_aria",
        "cbc",
    }
)
"""What OpenSSL 3, as Debian builds it, still has behind `ALL:COMPLEMENTOFALL:@SECLEVEL=0`."""


SECURITY_LEVEL_0 = frozenset({"sha1_signature"})
"""What OpenSSL lets through besides where its security level is lowered to 0."""


class PlainRefused(DevstackError):
    """The server does not talk without TLS."""


class Untrusted(DevstackError):
    """The client did not trust the server's certificate: issuer, name, date or strength. `code` is
    OpenSSL's number (X509_V_ERR_…), 0 where the driver keeps it to itself."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(f"verification failed: {reason}")
        self.reason = reason
        self.code = code


class ProtocolFault(DevstackError):
    """The server's bytes are not its protocol's: garbage, closed in mid-handshake, TLS refused."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One port that answers TLS. `begin` speaks the protocol until TLS may start, on a connected
    socket whose timeout is set; it raises `ProtocolFault`, or `OSError` as the socket does."""

    name: str
    service: str
    begin: Callable[[socket.socket], None]
    host: str = ""
    port: int = 0
    dual: bool = False
    """Whether plain connections are declared to be accepted too: accepted is then a WARN."""
    mutual: bool = False
    """Whether the server wants a certificate of the client (the Redis bus)."""
    plain_port: int | None = None
    """Where plain is answered, if not on `port` itself."""
    tls: bool = True
    """Whether it answers TLS at all; if not, only its plain face is looked at."""
    core: Mapping[str, int] = field(default_factory=dict)
    """The numbers of the core checks by property: `{"plain": 3}`. Besides the properties of one
    check each: `verified` (chain and address), `files` (file, key and mode), `leaf` (key size,
    signature, DNS names and lifetime)."""
    weak: frozenset[str] = frozenset()
    """The weak ciphers (by family) that its server can be made to accept, by its configuration and
    a leaf with an RSA key: only those have a sabotage."""
    explained: Mapping[str, str] = field(default_factory=dict)
    """Properties that the server has no setting for, and why they are borne: such a FAIL is a
    WARN, as declared."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The server's own settings for the remedies: `tls`, `protocols`, `ciphers`, `plain`."""


class OneListener:
    """The listeners of a `TlsPart` that has one: `listener` at the service's own port of TLS, or at
    its only port."""

    listener: ClassVar[Listener]
    reloaded: ClassVar[str] = ""
    """The unit that takes another certificate when it reads its files again, and keeps what it had
    where it cannot use them; connections keep theirs. Empty: none does."""

    def reload(
        self,
        target: Target,  # noqa: ARG002
        files: ServiceFiles,  # noqa: ARG002
        units: UnitControl,
    ) -> bool:
        """See the Protocol."""
        if self.reloaded:
            units.reload(self.reloaded)
        return bool(self.reloaded)

    def listeners(self, target: Target) -> tuple[Listener, ...]:
        """The one port."""
        own = target.ports.get("tls")
        return (
            replace(
                self.listener,
                host=target.endpoint.host,
                port=own or target.endpoint.port,
                plain_port=target.ports["main"] if own else None,
            ),
        )


class TlsPart(Protocol):
    """`services/<name>/tls.py` holds `TLS`."""

    def listeners(self, target: Target) -> tuple[Listener, ...]:
        """Every port of the service that answers TLS, each node's own."""

    def query(self, target: Target, listener: Listener, tls: bool, timeout: float) -> str:
        """Do real work over verified TLS, and say what was answered. Over plain nothing is logged
        in: the server's own greeting, or its refusal without a login, is what is answered. Raises
        `PlainRefused`, `Untrusted`, `OSError` when there is no answer, or `DevstackError` with the
        reason in words."""

    def reload(self, target: Target, files: ServiceFiles, units: UnitControl) -> bool:
        """Make the running server take the certificate and key that lie in its files now, without
        losing a connection. False: it needs a restart."""


@dataclass(frozen=True, slots=True)
class Sabotage:
    """The smallest real change that must turn checks red. `apply` makes it on a stack and gives
    a context whose end undoes it; it needs the stack's services running, and a stack that may
    be broken: never a user's. `seconds` is about what both ways take together."""

    id: str
    title: str
    service: str
    apply: Callable[[SabotageStack], AbstractContextManager[None]]
    seconds: float = 2.0
    expects: tuple[str, ...] = ()
    """Further checks (ids, or prefixes that end in `*`) that this change is bound to turn red,
    besides those that name it: a certificate that has expired fails every handshake, say."""


class SabotageStack(Protocol):
    """What a sabotage may use: a stack of its own."""

    @property
    def audit(self) -> Audit: ...

    @property
    def units(self) -> UnitControl:
        """Its units that run."""

    def root(self) -> AbstractContextManager[VaultClient]:
        """A root token, made with the unseal key and revoked at the end."""

    def restart(self, service: str) -> None:
        """Stop and start a service as it is configured now, past what `up` would mend; returns
        when it answers."""

    def loosened(self, service: str, how: Loosening) -> AbstractContextManager[None]:
        """A service whose servers were started loosely; as they should be at the end."""

    def edited(
        self, path: ServicePath, change: Callable[[str], str], *, keep_mtime: bool = False
    ) -> AbstractContextManager[None]:
        """A file with other contents, its mode and owner kept; as it was at the end."""

    def reconfigured(
        self,
        service: str,
        name: str,
        change: Callable[[str], str],
        take: Callable[[], object] | None = None,
    ) -> AbstractContextManager[None]:
        """A service that has taken another text of its file `name`, and its own again at the end:
        by `take`, or by a restart."""


class Checks(Protocol):
    """`services/<name>/checks.py` holds `CHECKS`: the checks of this technology alone."""

    def checks(self, audit: Audit) -> tuple[Check, ...]:
        """All of them for this stack; asks no server."""

    def sabotages(self) -> tuple[Sabotage, ...]:
        """What turns them red."""


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One cell of the access matrix: whether `role` may do `operation` on `path`, as `declared` and
    as the server really did it (None: not seen)."""

    role: str
    path: str
    operation: str
    declared: bool
    real: bool | None


@runtime_checkable
class MatrixChecks(Protocol):
    """The `Checks` of a technology that has an access matrix may also be this."""

    def matrix(self, audit: Audit) -> tuple[MatrixCell, ...]:
        """Every cell, asked of the server where the audit has not yet. Raises `DevstackError`."""


Breaking = Callable[[SabotageStack], AbstractContextManager[None]]
"""It has taken effect when it is entered, and was undone when it is left."""


@dataclass(frozen=True, slots=True)
class TlsSabotage:
    """`services/<name>/sabotage.py` holds `SABOTAGE`: how the TLS of this technology is broken by
    its own settings, each in the smallest way.

    `settings` are by the last word of the sabotage's id: `old_protocols` (1.0 and 1.1 are on),
    `tls1_1`, `no_tls13`, `no_tls12`, `plain_closed`, `plain_open`, `down_tls`, `bus_plain`, the
    properties of the group `strength` by their names; and what breaks a client of ours in place of
    the server: `trusting_client`, `nameless_client`.
    """

    settings: Mapping[str, Breaking]
    weak_ciphers: Breaking
    """Every cipher is on that its library has."""
    lenient: Breaking | None = None
    """It loads certificates that it would refuse for their strength; None where it never does."""
    bare: Breaking | None = None
    """It sends what its certificate file holds and nothing beside; None where it always does."""
    besides: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The properties that a sabotage, by the last word of its id, turns here besides those that it
    turns everywhere."""
    companions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The checks of other suites (ids or patterns) that it turns: of a port that is closed."""
    seconds: float = 1.0
    """About what a change and its end take together."""
