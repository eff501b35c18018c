"""Is the certificate that a listener serves the right one, and good enough?"""

from __future__ import annotations

import datetime
from collections.abc import Callable

from devstack_tui.contracts import registry
from devstack_tui.contracts.audit import Finding
from devstack_tui.contracts.service_files import CERT, KEY, ServicePath
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity import bootstrap
from devstack_tui.security.tls import facts
from devstack_tui.security.tls.facts import Facts
from devstack_tui.security.tls.handshake import Session
from devstack_tui.security.tls.listener_audit import Sight, together

WARN_DAYS, URGENT_DAYS = 60, 30
LONGEST = datetime.timedelta(days=366)
_EC_BITS, _RSA_BITS = 256, 2048
_DIGESTS = {"sha256", "sha384", "sha512", ""}


def chain(sight: Sight) -> Finding:
    """A handshake that trusts the root alone, whatever the server's name."""
    return _verified(sight, sight.verified(""))


def verified(sight: Sight) -> Finding:
    """A handshake as a client makes it: the root alone, and the address that it connects to."""
    return _verified(sight, sight.verified(sight.listener.host))


def _verified(sight: Sight, session: Session) -> Finding:
    path = facts.reach([facts.read(der) for der in session.chain], _roots(sight))
    return Finding(Status.PASS, f"{path}; {session.version}, {session.cipher}, {session.ms:.1f} ms")


def san_dns(sight: Sight) -> Finding:
    """Every declared name is in the certificate."""
    leaf = sight.leaf()
    wanted = [*bootstrap.names_of(registry.service(sight.listener.service)), "localhost"]
    missing = [name for name in wanted if name not in leaf.dns]
    told = f"SAN: {', '.join(leaf.dns) or 'no DNS name'}"
    if missing:
        return Finding(Status.FAIL, f"{told}; missing: {', '.join(missing)}")
    return Finding(Status.PASS, told)


def san_ip(sight: Sight) -> Finding:
    """The address that clients connect to is in the certificate."""
    leaf, host = sight.leaf(), sight.listener.host
    told = f"SAN: {', '.join(leaf.addresses) or 'no address'}"
    if host not in (*leaf.addresses, *leaf.dns):
        return Finding(Status.FAIL, f"{told}; missing: {host}")
    return Finding(Status.PASS, told)


def file(sight: Sight) -> Finding:
    """The server serves what lies in its file, and not what lay there before."""
    leaf, path = sight.leaf(), _file(sight, CERT)
    own = _lying(path)
    if own.der != leaf.der:
        return Finding(
            Status.FAIL,
            f"served: {leaf.subject}, until {leaf.not_after:%Y-%m-%d %H:%M}; "
            f"in {path}: {own.subject}, until {own.not_after:%Y-%m-%d %H:%M}",
        )
    return Finding(Status.PASS, f"{len(leaf.der)} bytes of DER equal the first in {path}")


def key(sight: Sight) -> Finding:
    """The private key file belongs to the certificate file: a restart will work."""
    leaf, path = _lying(_file(sight, CERT)), _file(sight, KEY)
    if not facts.key_matches(_bytes(path.read, str(path)), leaf):
        return Finding(Status.FAIL, f"{path} is not the key of {leaf.subject}")
    return Finding(Status.PASS, f"{path} is the key of {leaf.subject}")


def key_mode(sight: Sight) -> Finding:
    """Nobody but its owner can read the key."""
    path = _file(sight, KEY)
    found = path.stat()
    if found is None:
        raise DevstackError(f"{path} is not there")
    evidence = f"{path} has mode {found.mode:04o}, owner uid {found.uid}"
    return Finding(Status.FAIL if found.mode & 0o077 else Status.PASS, evidence)


def validity(sight: Sight) -> Finding:
    """Now lies inside the leaf's dates."""
    return dates(sight.leaf())


def dates(one: Facts) -> Finding:
    """A certificate's dates against the clock: WARN at 60 days and at 30."""
    now = datetime.datetime.now(datetime.UTC)
    told = f"{one.subject}: {one.not_before:%Y-%m-%d %H:%M} to {one.not_after:%Y-%m-%d %H:%M} UTC"
    if now < one.not_before:
        return Finding(Status.FAIL, f"{told}; it is not valid yet")
    if now >= one.not_after:
        return Finding(Status.FAIL, f"{told}; it has expired")
    left = (one.not_after - now).days
    if left < WARN_DAYS:
        limit = URGENT_DAYS if left < URGENT_DAYS else WARN_DAYS
        return Finding(Status.WARN, f"{told}; it ends in {left} days, fewer than {limit}")
    return Finding(Status.PASS, f"{told}; {left} days are left")


def key_size(sight: Sight) -> Finding:
    """The leaf's key is as long as today's clients want."""
    leaf = sight.leaf()
    least = _RSA_BITS if leaf.key in ("RSA", "DSA") else _EC_BITS
    told = f"{leaf.key}, {leaf.bits} bits"
    if leaf.bits < least:
        return Finding(Status.FAIL, f"{told}; at least {least} are needed")
    return Finding(Status.PASS, told)


def signature(sight: Sight) -> Finding:
    """No certificate that is sent is signed by a broken hash."""
    sent = sight.certificates()
    told = ", ".join(f"{one.subject}: {one.digest or 'EdDSA'}" for one in sent)
    # A root is trusted for what it is: nobody looks at its own signature.
    weak = [one for one in sent if one.digest not in _DIGESTS and not one.own_issuer]
    weak += [one for one in sent[:1] if one.digest not in _DIGESTS and one.own_issuer]
    return Finding(Status.FAIL if weak else Status.PASS, told)


def lifetime(sight: Sight) -> Finding:
    """The leaf was not made for more than a year."""
    days = sight.leaf().lifetime.total_seconds() / 86400
    status = Status.FAIL if sight.leaf().lifetime > LONGEST else Status.PASS
    return Finding(status, f"{days:.1f} days in all, {LONGEST.days} at most")


def usage(sight: Sight) -> Finding:
    """The leaf is for servers (and, where both sides show one, for clients), and is no CA."""
    leaf = sight.leaf()
    wanted = ["serverAuth", "clientAuth"] if sight.listener.mutual else ["serverAuth"]
    purposes = leaf.purposes or ()
    told = f"extended key usage: {', '.join(purposes) or 'none'}"
    if leaf.ca:
        return Finding(Status.FAIL, f"{told}; it is a CA, and could sign others")
    missing = [one for one in wanted if one not in purposes]
    if missing:
        return Finding(Status.FAIL, f"{told}; missing: {', '.join(missing)}")
    return Finding(Status.PASS, told)


def intermediate(sight: Sight) -> Finding:
    """Every certificate between the leaf and a root is sent; which root is the chain's affair."""
    found = facts.reach(sight.certificates(), _roots(sight))
    if found.missing:
        return Finding(Status.FAIL, f"sent: {found}; missing: {found.missing}")
    return Finding(Status.PASS, f"sent: {found}")


def files(sight: Sight) -> Finding:
    """File, key and mode as one."""
    return together({"served": file(sight), "key": key(sight), "mode": key_mode(sight)})


def leaf(sight: Sight) -> Finding:
    """Key size, signature, names and lifetime as one."""
    return together(
        {
            "key": key_size(sight),
            "signature": signature(sight),
            "names": san_dns(sight),
            "lifetime": lifetime(sight),
        }
    )


def _file(sight: Sight, name: str) -> ServicePath:
    return ServicePath(sight.audit.files(sight.listener.service), name)


def _lying(path: ServicePath) -> Facts:
    """The first certificate in a file."""
    return facts.read_pem(_bytes(path.read, str(path)), str(path))[0]


def _roots(sight: Sight) -> tuple[Facts, ...]:
    path = sight.audit.ca
    return facts.read_pem(_bytes(path.read_bytes, str(path)), str(path))


def _bytes(read: Callable[[], bytes], path: str) -> bytes:
    try:
        return read()
    except OSError as error:
        raise DevstackError(f"{path} cannot be read: {error.strerror}") from None
