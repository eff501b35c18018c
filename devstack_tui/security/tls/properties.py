"""What is asserted of every listener: its words from `configs/tls/`, and what each looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from devstack_tui.contracts.audit import Finding, Listener, Severity
from devstack_tui.core.config import convert, read_toml
from devstack_tui.core.paths import shipped
from devstack_tui.security.tls import certificate, paths, protocol, strength
from devstack_tui.security.tls.ciphers import WEAK, Family
from devstack_tui.security.tls.client_hello import SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3
from devstack_tui.security.tls.listener_audit import ListenerView

FILE = "configs/tls/properties.toml"
CERTIFICATE, CIPHERS, CLIENTS = "certificate", "ciphers", "clients"
_SETTING = (
    "set {ciphers} in the server's configuration; "
    "`devstack-tui down` and `devstack-tui up` write that of the stack"
)
Body = Callable[[ListenerView], Finding]


class Property(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One assertion; `configs/tls/properties.toml` describes its fields."""

    name: str = ""
    group: str
    title: str
    severity: Severity
    stake: str
    remedy: str
    sabotage: str = ""
    kind: str = ""
    per_service: bool = False
    mutual: bool | None = None
    parts: tuple[str, ...] = ()

    @property
    def body(self) -> Body:
        """What looks at a listener."""
        return _BODIES[self.name]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    properties: dict[str, Property]
    rows: dict[str, Property]
    plain: dict[str, Property]


_NAMED = (
    *(certificate.chain, certificate.san_dns, certificate.san_ip, certificate.validity),
    *(certificate.key_size, certificate.signature, certificate.lifetime, certificate.usage),
    certificate.revocation,
    *(certificate.intermediate, certificate.file, certificate.key, certificate.key_mode),
    *(certificate.verified, certificate.files, certificate.leaf),
    *(paths.query, paths.wrong_ca, paths.wrong_host, paths.plain),
    *(protocol.mutual, protocol.compression, protocol.renegotiation),
    *(strength.client_renegotiation, strength.tickets, strength.weak_groups),
    *(strength.sha1_signature, strength.cipher_order, strength.fallback),
)
_BODIES: Mapping[str, Body] = {
    **{body.__name__: body for body in _NAMED},
    "ssl3": protocol.refuses(SSL3),
    "tls1_0": protocol.refuses(TLS1_0),
    "tls1_1": protocol.refuses(TLS1_1),
    "tls1_2": protocol.accepts(TLS1_2),
    "tls1_3": protocol.accepts(TLS1_3),
    **{f"cipher.{family.name}": protocol.without(family) for family in WEAK},
}


def _named(found: Mapping[str, Property]) -> dict[str, Property]:
    return {name: msgspec.structs.replace(one, name=name) for name, one in found.items()}


def _cipher(family: Family) -> Property:
    return Property(
        name=f"cipher.{family.name}",
        group=CIPHERS,
        title=f"{{name}}: {family.title} is refused",
        severity=family.severity,
        stake=f"Such a cipher {family.why}.",
        remedy=_SETTING,
        kind=CIPHERS,
        sabotage="weak_ciphers",
    )


_FILE = convert(read_toml(shipped(FILE)), _File, shipped(FILE))
PROPERTIES = (*_named(_FILE.properties).values(), *map(_cipher, WEAK))
ROWS = _named(_FILE.rows)
"""The core checks that assert several properties (`parts`) of one listener, by name."""


def plain(listener: Listener) -> Property:
    """The plain side of a listener, which is declared to answer or not to."""
    found = _FILE.plain["answered" if listener.dual else "refused"]
    no_setting = "start it: it has plain HTTP alone"
    return msgspec.structs.replace(
        found,
        name="plain",
        kind="plain.answered" if listener.dual else "plain.refused",
        remedy=found.remedy if listener.settings else no_setting,
        sabotage="bus_plain" if listener.mutual else found.sabotage,
    )
