"""Is the certificate that a listener serves the right one, and good enough?"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable

from devstack_tui.contracts import registry
from devstack_tui.contracts.audit import Finding, as_declared
from devstack_tui.contracts.model import own_name
from devstack_tui.contracts.service_files import CERT, KEY, ServicePath
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity import bootstrap
from devstack_tui.security.tls import facts
from devstack_tui.security.tls.facts import Facts
from devstack_tui.security.tls.handshake import Session
from devstack_tui.security.tls.listener_audit import ListenerView, together

WARN_DAYS, URGENT_DAYS = 60, 30
LONGEST = datetime.timedelta(days=366)
_EC_BITS, _RSA_BITS = 256, 2048
_DIGESTS = {"sha256", "sha384", "sha512", ""}


def chain(view: ListenerView) -> Finding:
    """A handshake that trusts the root alone, whatever the server's name."""
    return _verified(view, view.verified(""))


def verified(view: ListenerView) -> Finding:
    """A handshake as a client makes it: the root alone, the service's own name, and the address for
    clients that have nothing else."""
    found = _verified(view, view.verified(own_name(view.listener.service)))
    address = san_ip(view)
    return found if address.status is Status.PASS else address


def _verified(view: ListenerView, session: Session) -> Finding:
    path = facts.reach([facts.read(der) for der in session.chain], _roots(view))
    return Finding(Status.PASS, f"{path}; {session.version}, {session.cipher}, {session.ms:.1f} ms")


def san_dns(view: ListenerView) -> Finding:
    """Every declared name is in the certificate."""
    return _holds(view, bootstrap.dns_names(registry.service(view.listener.service)))


def san_ip(view: ListenerView) -> Finding:
    """The address that clients connect to is in the certificate."""
    return _holds(view, [view.listener.host])


def _holds(view: ListenerView, wanted: Iterable[str]) -> Finding:
    held = (*view.leaf().dns, *view.leaf().addresses)
    missing = [name for name in wanted if name not in held]
    seen = f"SAN: {', '.join(held) or 'none'}"
    if missing:
        return Finding(Status.FAIL, f"{seen}; missing: {', '.join(missing)}")
    return Finding(Status.PASS, seen)


def file(view: ListenerView) -> Finding:
    """The server serves what lies in its file, and not what lay there before."""
    leaf, path = view.leaf(), _file(view, CERT)
    own = _lying(path)
    if own.der != leaf.der:
        return Finding(
            Status.FAIL,
            f"served: {leaf.subject}, until {leaf.not_after:%Y-%m-%d %H:%M}; "
            f"in {path}: {own.subject}, until {own.not_after:%Y-%m-%d %H:%M}",
        )
    return Finding(Status.PASS, f"{len(leaf.der)} bytes of DER equal the first in {path}")


def key(view: ListenerView) -> Finding:
    """The private key file belongs to the certificate file: a restart will work."""
    leaf, path = _lying(_file(view, CERT)), _file(view, KEY)
    if not facts.key_matches(_bytes(path.read, str(path)), leaf):
        return Finding(Status.FAIL, f"{path} is not the key of {leaf.subject}")
    return Finding(Status.PASS, f"{path} is the key of {leaf.subject}")


def key_mode(view: ListenerView) -> Finding:
    """Nobody but its owner can read the key."""
    path = _file(view, KEY)
    found = path.stat()
    if found is None:
        raise DevstackError(f"{path} is not there")
    evidence = f"{path} has mode {found.mode:04o}, owner uid {found.uid}"
    return Finding(Status.FAIL if found.mode & 0o077 else Status.PASS, evidence)


def validity(view: ListenerView) -> Finding:
    """Now lies inside the leaf's dates."""
    return dates(view.leaf())


def dates(one: Facts, now: datetime.datetime | None = None) -> Finding:
    """A certificate's dates against the clock: WARN at 60 days and at 30."""
    now = now or datetime.datetime.now(datetime.UTC)
    seen = f"{one.subject}: {one.not_before:%Y-%m-%d %H:%M} to {one.not_after:%Y-%m-%d %H:%M} UTC"
    if now < one.not_before:
        return Finding(Status.FAIL, f"{seen}; it is not valid yet")
    if now >= one.not_after:
        return Finding(Status.FAIL, f"{seen}; it has expired")
    left = (one.not_after - now).days
    if left < WARN_DAYS:
        limit = URGENT_DAYS if left < URGENT_DAYS else WARN_DAYS
        return Finding(Status.WARN, f"{seen}; it ends in {left} days, fewer than {limit}")
    return Finding(Status.PASS, f"{seen}; {left} days are left")


def key_size(view: ListenerView) -> Finding:
    """The leaf's key is as long as today's clients want."""
    leaf = view.leaf()
    least = _RSA_BITS if leaf.key in ("RSA", "DSA") else _EC_BITS
    seen = f"{leaf.key}, {leaf.bits} bits"
    if leaf.bits < least:
        return Finding(Status.FAIL, f"{seen}; at least {least} are needed")
    return Finding(Status.PASS, seen)


def revocation(view: ListenerView) -> Finding:
    """Whom a client is to ask whether the leaf was revoked: of ours nobody, as declared."""
    leaf = view.leaf()
    if leaf.revocation:
        return Finding(Status.FAIL, f"{leaf.subject} sends clients to {', '.join(leaf.revocation)}")
    days = leaf.lifetime.days
    return as_declared(
        f"{leaf.subject} names no CRL and no OCSP responder, as declared: it ends after {days} "
        "days, and `devstack-tui certs rotate` has another served at once"
    )


def signature(view: ListenerView) -> Finding:
    """No certificate that is sent is signed by a broken hash."""
    sent = view.certificates()
    seen = ", ".join(f"{one.subject}: {one.digest or 'EdDSA'}" for one in sent)
    # A root is trusted for what it is: nobody looks at its own signature.
    weak = [one for one in sent if one.digest not in _DIGESTS and not one.own_issuer]
    weak += [one for one in sent[:1] if one.digest not in _DIGESTS and one.own_issuer]
    return Finding(Status.FAIL if weak else Status.PASS, seen)


def lifetime(view: ListenerView) -> Finding:
    """The leaf was not made for more than a year."""
    days = view.leaf().lifetime.total_seconds() / 86400
    status = Status.FAIL if view.leaf().lifetime > LONGEST else Status.PASS
    return Finding(status, f"{days:.1f} days in all, {LONGEST.days} at most")


def usage(view: ListenerView) -> Finding:
    """The leaf is for servers (and, where both sides show one, for clients), and is no CA."""
    leaf = view.leaf()
    wanted = ["serverAuth", "clientAuth"] if view.listener.mutual else ["serverAuth"]
    purposes = leaf.purposes or ()
    seen = f"extended key usage: {', '.join(purposes) or 'none'}"
    if leaf.ca:
        return Finding(Status.FAIL, f"{seen}; it is a CA, and could sign others")
    missing = [one for one in wanted if one not in purposes]
    if missing:
        return Finding(Status.FAIL, f"{seen}; missing: {', '.join(missing)}")
    return Finding(Status.PASS, seen)


def intermediate(view: ListenerView) -> Finding:
    """Every certificate between the leaf and a root is sent; which root is the chain's affair."""
    found = facts.reach(view.certificates(), _roots(view))
    if found.missing:
        return Finding(Status.FAIL, f"sent: {found}; missing: {found.missing}")
    return Finding(Status.PASS, f"sent: {found}")


def files(view: ListenerView) -> Finding:
    """File, key and mode as one."""
    return together({"served": file(view), "key": key(view), "mode": key_mode(view)})


def leaf(view: ListenerView) -> Finding:
    """Key size, signature, names and lifetime as one."""
    return together(
        {
            "key": key_size(view),
            "signature": signature(view),
            "names": san_dns(view),
            "lifetime": lifetime(view),
        }
    )


def _file(view: ListenerView, name: str) -> ServicePath:
    return ServicePath(view.audit.files(view.listener.service), name)


def _lying(path: ServicePath) -> Facts:
    """The first certificate in a file."""
    return facts.read_pem(_bytes(path.read, str(path)), str(path))[0]


def _roots(view: ListenerView) -> tuple[Facts, ...]:
    path = view.audit.ca
    return facts.read_pem(_bytes(path.read_bytes, str(path)), str(path))


def _bytes(read: Callable[[], bytes], path: str) -> bytes:
    try:
        return read()
    except OSError as error:
        raise DevstackError(f"{path} cannot be read: {error.strerror}") from None
