"""The checks of suite `trust`: a kind is one decision, of the stack, of a CA, or of a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from devstack_tui.contracts.audit import Audit, Check, Finding, Severity
from devstack_tui.contracts.registry import IDENTITY, service
from devstack_tui.security.trust import rules
from devstack_tui.security.trust.certificates import INTERMEDIATE, ROOT, with_certificates
from devstack_tui.security.trust.rules import STACK

SUITE = "trust"
SERVICES = "services"
MOUNTS = (ROOT, INTERMEDIATE)
_UP = "`devstack-tui up` writes the root of Vault's PKI there"
_ROTATE = "`devstack-tui certs rotate {name}` issues and serves another"


@dataclass(frozen=True, slots=True)
class Kind:
    """`parts` are what has an instance: STACK, mounts, SERVICES. `sabotage` is the id of what
    breaks an instance (`{part}` as in its id). `asks` says whether Vault must answer."""

    name: str
    title: str
    severity: Severity
    stake: str
    remedy: str
    decide: Callable[[str, Audit], Finding]
    parts: tuple[str, ...]
    sabotage: str
    asks: bool = True


KINDS = (
    Kind(
        "ca",
        "{name} trusts the root of Vault and nothing beside it",
        Severity.CRITICAL,
        "Whoever holds the key of another root that is trusted can pose as every service.",
        f"take out what the evidence names; {_UP}",
        rules.ca,
        (STACK, SERVICES),
        "trust.{part}.ca",
    ),
    Kind(
        "path",
        "nobody else can replace what {name} trusts",
        Severity.CRITICAL,
        "Who may write the file, or rename a directory above it, decides whom clients believe.",
        "chmod go-w the path in the evidence, and give it to its owner: `devstack-tui up` says "
        "which of a service's own it has mended",
        rules.path,
        (STACK, SERVICES),
        "trust.{part}.path",
        asks=False,
    ),
    Kind(
        "issuers",
        "{name}/ knows the CAs of the stack and no other",
        Severity.HIGH,
        "A CA that somebody brought along can sign for any service as soon as it is the default.",
        "`bao delete {name}/issuer/ID` with a root token; `bao list -detailed {name}/issuers`",
        rules.issuers,
        MOUNTS,
        "trust.{part}.issuers",
    ),
    Kind(
        "default",
        "{name}/ signs by the CA of the stack",
        Severity.CRITICAL,
        "Certificates by another CA are refused by every client, or trusted with another's key.",
        "`bao write {name}/config/issuers default=ID` with a root token",
        rules.default,
        MOUNTS,
        "trust.{part}.default",
    ),
    Kind(
        "dates",
        "the CAs of {name} do not end soon",
        Severity.HIGH,
        "With a CA ends every certificate below it, all on one day.",
        "`devstack-tui down --wipe` and `devstack-tui up` make another PKI; "
        "one that was brought along is deleted: `bao delete pki_int/issuer/ID`",
        rules.dates,
        (*MOUNTS, SERVICES),
        "trust.{part}.dates",
    ),
    Kind(
        "beyond",
        "{name}/ has issued nothing valid that nobody here knows",
        Severity.MEDIUM,
        "A certificate that is valid and in nobody's file is in somebody's hands.",
        "`bao write {name}/revoke serial_number=SERIAL` with a root token",
        rules.beyond,
        MOUNTS,
        "trust.{part}.beyond",
    ),
    Kind(
        "names",
        "the certificate of {name} is for its own names alone",
        Severity.CRITICAL,
        "A certificate that also holds another's name can pose as that service to every client.",
        _ROTATE,
        rules.names,
        (SERVICES,),
        "tls.{part}.others_name",
        asks=False,
    ),
    Kind(
        "usage",
        "the certificate of {name} is for its declared use alone",
        Severity.HIGH,
        "A server's certificate that is for clients as well logs in where certificates do; one "
        "that signs is a CA.",
        _ROTATE,
        rules.usage,
        (SERVICES,),
        "tls.{part}.more_usage",
        asks=False,
    ),
    Kind(
        "key",
        "the key of {name} is nobody else's",
        Severity.HIGH,
        "With a shared key, who takes over one service can pose as the other.",
        _ROTATE,
        rules.key,
        (SERVICES,),
        "trust.{part}.key",
        asks=False,
    ),
    Kind(
        "known",
        "Vault has issued the certificate of {name}, and has not revoked it",
        Severity.HIGH,
        "A certificate past Vault was signed by who holds the key of a CA that clients trust.",
        _ROTATE,
        rules.known,
        (SERVICES,),
        "tls.{part}.unissued",
    ),
)


def checks(audit: Audit) -> tuple[Check, ...]:
    """All of them; asks nobody."""
    return tuple(_checks(audit))


def id_of(kind: str, part: str) -> str:
    """The id of an instance: of a service by its name, of a mount, or of the stack."""
    return f"{SUITE}.{part.replace('_', '-')}.{kind}"


def _checks(audit: Audit) -> Iterator[Check]:
    for kind in KINDS:
        for part in kind.parts:
            if part != SERVICES:
                yield _check(kind, part, IDENTITY, part)
                continue
            for name in with_certificates(audit):
                yield _check(kind, name, name, service(name).secret)


def _check(kind: Kind, part: str, whose: str, name: str) -> Check:
    shown = "the stack" if part == STACK else name
    return Check(
        id=id_of(kind.name, part),
        suite=SUITE,
        title=kind.title.replace("{name}", shown),
        severity=kind.severity,
        service=whose,
        stake=kind.stake,
        remedy=kind.remedy.replace("{name}", name),
        sabotage=kind.sabotage.replace("{part}", part.replace("_", "-")),
        run=partial(kind.decide, part),
        kind=f"{SUITE}.{kind.name}",
        group="clients" if part == STACK else "authorities" if part in MOUNTS else "certificates",
        needs=(IDENTITY,) if kind.asks and whose != IDENTITY else (),
    )
