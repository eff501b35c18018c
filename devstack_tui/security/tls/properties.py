"""What is asserted of every listener, in the words that a user reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devstack_tui.contracts.audit import Finding, Listener, Severity
from devstack_tui.core.config import read_toml
from devstack_tui.core.paths import shipped
from devstack_tui.security.tls import certificate, paths, protocol
from devstack_tui.security.tls.ciphers import WEAK, Family
from devstack_tui.security.tls.client_hello import SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3
from devstack_tui.security.tls.listener_audit import ListenerView

FILE = "configs/tls_checks.toml"
CERTIFICATE, CIPHERS, CLIENTS = "certificate", "ciphers", "clients"
_SETTING = "set {{{0}}} in the server's configuration; `down` and `up` write that of the stack"


@dataclass(frozen=True, slots=True)
class Property:
    """One assertion. `title` and `remedy` are formatted with `name`, `service` and the listener's
    settings; `sabotage` is the last word of its id, empty where no server can be made to do it:
    such a check is unproven, and not counted."""

    name: str
    group: str
    title: str
    severity: Severity
    stake: str
    remedy: str
    sabotage: str
    body: Callable[[ListenerView], Finding]
    per_service: bool = False
    """Whether it is of the service's files, which all of its listeners share."""
    mutual: bool | None = None
    """Only for listeners that want (True) or do not want (False) the client's certificate."""


_BODIES: dict[str, Callable[[ListenerView], Finding]] = {
    "chain": certificate.chain,
    "san_dns": certificate.san_dns,
    "san_ip": certificate.san_ip,
    "validity": certificate.validity,
    "key_size": certificate.key_size,
    "signature": certificate.signature,
    "lifetime": certificate.lifetime,
    "usage": certificate.usage,
    "intermediate": certificate.intermediate,
    "file": certificate.file,
    "key": certificate.key,
    "key_mode": certificate.key_mode,
    "query": paths.query,
    "wrong_ca": paths.wrong_ca,
    "wrong_host": paths.wrong_host,
    "mutual": protocol.mutual,
    "ssl3": protocol.refuses(SSL3),
    "tls1_0": protocol.refuses(TLS1_0),
    "tls1_1": protocol.refuses(TLS1_1),
    "tls1_2": protocol.accepts(TLS1_2),
    "tls1_3": protocol.accepts(TLS1_3),
    "compression": protocol.compression,
    "renegotiation": protocol.renegotiation,
}
_SUMS = {
    "verified": (certificate.verified, ("chain", "san_ip")),
    "files": (certificate.files, ("file", "key", "key_mode")),
    "leaf": (certificate.leaf, ("key_size", "signature", "san_dns", "lifetime")),
}


def _rows() -> dict[str, tuple[str, dict[str, Any]]]:
    """Each property's group and settings by its name."""
    return {
        name: (group, {"remedy": found.get("remedy", ""), **row})
        for group, found in read_toml(shipped(FILE)).items()
        for name, row in found["properties"].items()
    }


_ROWS = _rows()


def _property(name: str, body: Callable[[ListenerView], Finding]) -> Property:
    group, row = _ROWS[name]
    return Property(
        name,
        group,
        f"{{name}}: {row['title']}",
        Severity(row["severity"]),
        row["stake"],
        row["remedy"],
        row.get("sabotage", ""),
        body,
        row.get("per_service", False),
        row.get("mutual"),
    )


def _cipher(family: Family) -> Property:
    return Property(
        f"cipher.{family.name}",
        CIPHERS,
        f"{{name}}: {family.title} is refused",
        family.severity,
        f"Such a cipher {family.why}.",
        _SETTING.format("ciphers"),
        "weak_ciphers",
        protocol.without(family),
    )


PROPERTIES = (
    *(_property(name, body) for name, body in _BODIES.items()),
    *map(_cipher, WEAK),
)


def plain(listener: Listener) -> Property:
    """The plain face of a listener, which is declared to answer or not to."""
    what = "plain_closed" if listener.dual else "plain_open"
    return Property(
        "plain",
        CLIENTS,
        "{name}: plain connections "
        + ("are answered, as declared" if listener.dual else "are refused"),
        Severity.LOW if listener.dual else Severity.CRITICAL,
        "Passwords and data cross the wire in clear."
        if not listener.dual
        else "Clients without TLS are declared to work; what they send is in clear.",
        _SETTING.format("plain") if listener.settings else "start it: it has plain HTTP alone",
        "bus_plain" if listener.mutual else what,
        paths.plain,
    )


ROWS = {name: (_property(name, body), sums) for name, (body, sums) in _SUMS.items()}
"""The core checks that assert several properties of one listener, and those that they replace."""
