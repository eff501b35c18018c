"""What is asserted of every listener, in the words that a user reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devstack_tui.contracts.audit import Finding, Listener, Severity
from devstack_tui.security.tls import certificate, paths, protocol
from devstack_tui.security.tls.ciphers import WEAK, Family
from devstack_tui.security.tls.client_hello import SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3
from devstack_tui.security.tls.listener_audit import ListenerView

CERTIFICATE, FILES, VERSIONS, CIPHERS, CLIENTS = (
    "certificate",
    "files",
    "versions",
    "ciphers",
    "clients",
)
_ROTATE = "`devstack-tui certs rotate {service}` issues and serves another"
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


_CERTIFICATE = (
    Property(
        "chain",
        CERTIFICATE,
        "{name}: the chain leads to the root",
        Severity.CRITICAL,
        "Clients that verify cannot connect, and those that do not talk to anybody.",
        _ROTATE,
        "other_ca",
        certificate.chain,
    ),
    Property(
        "san_dns",
        CERTIFICATE,
        "{name}: the certificate holds its names",
        Severity.HIGH,
        "A client that goes by the name must turn verification off.",
        _ROTATE,
        "wrong_san",
        certificate.san_dns,
    ),
    Property(
        "san_ip",
        CERTIFICATE,
        "{name}: the certificate holds its address",
        Severity.HIGH,
        "A client that goes by the address must turn verification off.",
        _ROTATE,
        "no_ip_san",
        certificate.san_ip,
    ),
    Property(
        "validity",
        CERTIFICATE,
        "{name}: now is inside the certificate's dates",
        Severity.HIGH,
        "At the end of its dates every verifying client is cut off at once.",
        _ROTATE,
        "expired",
        certificate.validity,
    ),
    Property(
        "key_size",
        CERTIFICATE,
        "{name}: the key is long enough",
        Severity.HIGH,
        "A short key can be computed from the certificate, and the server impersonated.",
        _ROTATE,
        "weak_key",
        certificate.key_size,
    ),
    Property(
        "signature",
        CERTIFICATE,
        "{name}: no signature by a broken hash",
        Severity.HIGH,
        "A certificate signed by SHA-1 or MD5 can be forged by a collision.",
        _ROTATE,
        "sha1",
        certificate.signature,
    ),
    Property(
        "lifetime",
        CERTIFICATE,
        "{name}: made for a year at most",
        Severity.LOW,
        "A stolen key serves its thief until the certificate ends: nothing here is revoked.",
        _ROTATE,
        "long_life",
        certificate.lifetime,
    ),
    Property(
        "usage",
        CERTIFICATE,
        "{name}: the certificate is for a server, and is no CA",
        Severity.MEDIUM,
        "A certificate for anything lets its holder be anything, an authority in the worst case.",
        _ROTATE,
        "wrong_usage",
        certificate.usage,
    ),
    Property(
        "intermediate",
        CERTIFICATE,
        "{name}: every intermediate certificate is sent",
        Severity.HIGH,
        "Clients that trust the root alone cannot build the chain.",
        "put the leaf and its intermediate into the certificate file: "
        "`devstack-tui certs rotate {service}`",
        "no_intermediate",
        certificate.intermediate,
    ),
)
_FILES = (
    Property(
        "file",
        FILES,
        "{name}: what is served is what lies in the file",
        Severity.MEDIUM,
        "The server still serves what was replaced: it ends unseen, or a rotation did nothing.",
        "reload the server: `devstack-tui certs rotate {service}`, or restart it",
        "file_differs",
        certificate.file,
    ),
    Property(
        "key",
        FILES,
        "{name}: the key file belongs to the certificate file",
        Severity.HIGH,
        "The next restart fails, or the next reload is refused.",
        _ROTATE,
        "key_differs",
        certificate.key,
        per_service=True,
    ),
    Property(
        "key_mode",
        FILES,
        "{name}: nobody but its owner reads the key",
        Severity.CRITICAL,
        "Whoever reads the key is the server.",
        "chmod 600 the key, then `devstack-tui certs rotate {service}`: it may have been read",
        "key_mode",
        certificate.key_mode,
        per_service=True,
    ),
)
_CLIENTS = (
    Property(
        "query",
        CLIENTS,
        "{name}: work is done over verified TLS",
        Severity.CRITICAL,
        "Clients that insist on TLS cannot work.",
        _SETTING.format("tls"),
        "down_tls",
        paths.query,
    ),
    Property(
        "wrong_ca",
        CLIENTS,
        "{name}: a client that trusts another root turns it down",
        Severity.CRITICAL,
        "A client that does not check the issuer talks to anybody who has a certificate.",
        "have the client verify the chain: sslmode=verify-full, or CERT_REQUIRED",
        "other_ca",
        paths.wrong_ca,
        mutual=False,
    ),
    Property(
        "wrong_host",
        CLIENTS,
        "{name}: a client that went to another name turns it down",
        Severity.HIGH,
        "A client that does not check the name takes any server of the stack for this one.",
        "have the client check the name: sslmode=verify-full, or check_hostname",
        "wrong_san",
        paths.wrong_host,
        mutual=False,
    ),
    Property(
        "mutual",
        CLIENTS,
        "{name}: a client without a certificate is turned away",
        Severity.HIGH,
        "Whoever reaches the port can join the conversation of the nodes.",
        "require the client's certificate on this port",
        "",
        protocol.mutual,
        mutual=True,
    ),
)


def _old(name: str, version: int, title: str, severity: Severity, why: str) -> Property:
    return Property(
        name,
        VERSIONS,
        f"{{name}}: {title} is refused",
        severity,
        why,
        _SETTING.format("protocols"),
        # No OpenSSL of today has SSL 3.0, and neither Go nor Erlang: nothing can turn it on.
        "" if version == SSL3 else "old_protocols",
        protocol.refuses(version),
    )


def _modern(name: str, version: int, title: str, why: str) -> Property:
    return Property(
        name,
        VERSIONS,
        f"{{name}}: {title} is accepted",
        Severity.MEDIUM,
        why,
        _SETTING.format("protocols"),
        {TLS1_2: "no_tls12", TLS1_3: "no_tls13"}[version],
        protocol.accepts(version),
    )


_VERSIONS = (
    _old("ssl3", SSL3, "SSL 3.0", Severity.CRITICAL, "POODLE reads cookies and passwords from it."),
    _old("tls1_0", TLS1_0, "TLS 1.0", Severity.HIGH, "It rests on MD5, SHA-1 and CBC (BEAST)."),
    _old(
        "tls1_1", TLS1_1, "TLS 1.1", Severity.HIGH, "It rests on MD5 and SHA-1; RFC 8996 ends it."
    ),
    _modern("tls1_2", TLS1_2, "TLS 1.2", "Drivers without TLS 1.3 cannot connect."),
    _modern("tls1_3", TLS1_3, "TLS 1.3", "Handshakes take longer and show the certificate to all."),
    Property(
        "compression",
        VERSIONS,
        "{name}: compression is declined",
        Severity.MEDIUM,
        "The length of what is compressed tells what it holds (CRIME).",
        "use a TLS library that is built without compression",
        "",
        protocol.compression,
    ),
    Property(
        "renegotiation",
        VERSIONS,
        "{name}: renegotiation is secure",
        Severity.MEDIUM,
        "Somebody in the middle can put words before a client's own (CVE-2009-3555).",
        "update the server's TLS library to one with RFC 5746",
        "",
        protocol.renegotiation,
    ),
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


PROPERTIES = (*_CERTIFICATE, *_FILES, *_CLIENTS, *_VERSIONS, *map(_cipher, WEAK))


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


VERIFIED = Property(
    "verified",
    CERTIFICATE,
    "{name}: a handshake is verified to the root, for the address",
    Severity.CRITICAL,
    "Clients that verify cannot connect, and those that do not talk to anybody.",
    _ROTATE,
    "other_ca",
    certificate.verified,
)
FILES_ROW = Property(
    "files",
    FILES,
    "{name}: served certificate equals the file, the key matches, and is private",
    Severity.CRITICAL,
    "A key that others read, or that does not belong, ends the server's identity.",
    _ROTATE,
    "file_differs",
    certificate.files,
)
LEAF_ROW = Property(
    "leaf",
    CERTIFICATE,
    "{name}: the certificate's key, signature, names and lifetime",
    Severity.HIGH,
    "A weak or wrong certificate can be forged, or is turned down.",
    _ROTATE,
    "weak_key",
    certificate.leaf,
)
ROWS = {
    VERIFIED.name: (VERIFIED, ("chain", "san_ip")),
    FILES_ROW.name: (FILES_ROW, ("file", "key", "key_mode")),
    LEAF_ROW.name: (LEAF_ROW, ("key_size", "signature", "san_dns", "lifetime")),
}
"""The core checks that assert several properties of one listener, and those that they replace."""
