"""Which groups and signatures a listener takes, who chooses the cipher, and how it falls back."""

from __future__ import annotations

from devstack_tui.contracts.audit import Finding
from devstack_tui.core.check import Status
from devstack_tui.security.tls.ciphers import STRONG
from devstack_tui.security.tls.client_hello import TLS1_2, Offer
from devstack_tui.security.tls.listener_audit import MODERN, NEWEST, ListenerView
from devstack_tui.security.tls.session import Seen

_ECDHE = (0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0xC009, 0xC00A, 0xC013, 0xC014)
# sect163k1 to secp224r1: of characteristic 2, or of fewer than 128 bits (RFC 8422 took them out).
_WEAK_GROUPS = tuple(range(1, 22))
_SHA1 = (0x0203, 0x0201, 0x0202)
_FALLBACK_SCSV = 0x5600
_INAPPROPRIATE_FALLBACK = 86
_DOWNGRADE = b"DOWNGRD\x01"
_DAY_S = 24 * 3600
_ONLY = "it speaks TLS 1.3 alone, which has none of it"


def client_renegotiation(view: ListenerView) -> Finding:
    """Whether a client that asks for another handshake on its connection gets one."""
    if (seen := _seen(view)) is None:
        return Finding(Status.PASS, _ONLY)
    status = Status.FAIL if seen.renegotiates else Status.PASS
    return Finding(status, f"a second ClientHello on an encrypted connection: {seen.answer}")


def tickets(view: ListenerView) -> Finding:
    """How long a session ticket of TLS 1.2 is good. TLS 1.3 has a key exchange beside it."""
    if (seen := _seen(view)) is None:
        return Finding(Status.PASS, _ONLY)
    if seen.ticket_s is None:
        return Finding(Status.PASS, "it gives no session ticket")
    if not seen.ticket_s:
        return Finding(Status.FAIL, "its session ticket says nothing of its lifetime")
    status = Status.PASS if seen.ticket_s <= _DAY_S else Status.FAIL
    return Finding(status, f"its session ticket is good for {seen.ticket_s} s")


def _seen(view: ListenerView) -> Seen | None:
    """Of a handshake in TLS 1.2; None where it speaks TLS 1.3 alone."""
    view.control()
    return view.second() if view.answer(MODERN).hello is not None else None


def weak_groups(view: ListenerView) -> Finding:
    """Whether key exchange on weak curves is refused, beside strong ones that are accepted."""
    return _refused(view, Offer(TLS1_2, _ECDHE, groups=_WEAK_GROUPS), "21 curves that are too weak")


def sha1_signature(view: ListenerView) -> Finding:
    """Whether the server signs a handshake by SHA-1 for a client that knows nothing better."""
    return _refused(view, Offer(TLS1_2, STRONG, signatures=_SHA1), "signatures by SHA-1 alone")


def _refused(view: ListenerView, offer: Offer, what: str) -> Finding:
    control = view.control()
    answer = view.answer(offer)
    status = Status.FAIL if answer.accepted else Status.PASS
    return Finding(status, f"{what} offered: {answer}; control: {control}")


def cipher_order(view: ListenerView) -> Finding:
    """Whether the server chooses the cipher: the same one, in whatever order they are offered."""
    view.control()
    one = view.answer(MODERN)
    other = view.answer(Offer(TLS1_2, STRONG[::-1]))
    if one.hello is None or other.hello is None:
        return Finding(Status.PASS, _ONLY)
    seen = f"offered: {one}; in the reverse order: {other}"
    status = Status.PASS if one.hello.cipher == other.hello.cipher else Status.FAIL
    return Finding(status, seen)


def fallback(view: ListenerView) -> Finding:
    """Whether somebody in the middle can bring a client down to TLS 1.2: the server must refuse one
    that says that it tried better (RFC 7507), or mark its answer (RFC 8446, 4.1.3)."""
    view.control()
    newest, older = view.answer(NEWEST), view.answer(MODERN)
    if not newest.version_accepted or older.hello is None:
        return Finding(Status.PASS, "it speaks one version alone")
    answer = view.answer(Offer(TLS1_2, (*STRONG, _FALLBACK_SCSV)))
    marked = older.hello.random.endswith(_DOWNGRADE)
    seen = f"TLS_FALLBACK_SCSV: {answer}; downgrade marked: {'yes' if marked else 'no'}"
    return Finding(Status.PASS if marked or not answer.accepted else Status.FAIL, seen)
