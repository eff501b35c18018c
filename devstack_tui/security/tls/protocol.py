"""Which versions and ciphers does a listener take, and which does it refuse?"""

from __future__ import annotations

from collections.abc import Callable

from devstack_tui.contracts.audit import Finding, ProtocolFault
from devstack_tui.core.check import Status
from devstack_tui.security.tls import ciphers, handshake
from devstack_tui.security.tls.ciphers import ANY_CBC, Family
from devstack_tui.security.tls.client_hello import TLS1_2, TLS1_3, VERSIONS, Offer
from devstack_tui.security.tls.handshake import Refused
from devstack_tui.security.tls.listener_audit import MODERN, NEWEST, ListenerView

Body = Callable[[ListenerView], Finding]


def refuses(version: int) -> Body:
    """Whether an old version is refused, beside a modern one that is accepted."""

    def body(view: ListenerView) -> Finding:
        control = view.control()
        answer = view.answer(Offer(version, ANY_CBC))
        status = Status.FAIL if answer.version_accepted else Status.PASS
        return Finding(status, f"{VERSIONS[version]} offered: {answer}; control: {control}")

    return body


def accepts(version: int) -> Body:
    """Whether a modern version is accepted."""

    def body(view: ListenerView) -> Finding:
        answer = view.answer({TLS1_2: MODERN, TLS1_3: NEWEST}[version])
        status = Status.PASS if answer.version_accepted else Status.FAIL
        return Finding(status, f"{VERSIONS[version]} offered: {answer}")

    return body


def without(family: Family) -> Body:
    """Whether a family of weak ciphers is refused, beside strong ones that are accepted."""

    def body(view: ListenerView) -> Finding:
        control = view.control()
        answer = view.answer(Offer(TLS1_2, family.codes))
        status = Status.FAIL if answer.accepted else Status.PASS
        count = len(family.codes)
        offered = f"{count} ciphers offered" if count > 1 else ciphers.name(family.codes[0])
        return Finding(status, f"{offered}: {answer}; control: {control}")

    return body


def compression(view: ListenerView) -> Finding:
    """Whether DEFLATE is declined: what is compressed reveals its content by its length (CRIME)."""
    hello = view.control().hello
    if hello is None or hello.version >= TLS1_3:
        return Finding(Status.PASS, "it speaks TLS 1.3 alone, which has no compression")
    seen = f"DEFLATE and none offered: compression {hello.compression} chosen"
    return Finding(Status.FAIL if hello.compression else Status.PASS, seen)


def renegotiation(view: ListenerView) -> Finding:
    """Whether renegotiation is bound to the connection (RFC 5746)."""
    hello = view.control().hello
    if hello is None or hello.version >= TLS1_3:
        return Finding(Status.PASS, "it speaks TLS 1.3 alone, which has no renegotiation")
    if hello.secure_renegotiation:
        return Finding(Status.PASS, "renegotiation_info is in the ServerHello, empty as it must be")
    return Finding(Status.FAIL, "no renegotiation_info in the ServerHello")


def mutual(view: ListenerView) -> Finding:
    """Whether a client without a certificate is turned away, beside one with."""
    view.certificates()
    try:
        handshake.unidentified(view.listener, view.audit.timeout)
    except (Refused, ProtocolFault) as error:
        return Finding(Status.PASS, f"without a certificate: {error.message}; with one: accepted")
    return Finding(Status.FAIL, "a client without a certificate was let in")
