"""Is the root that clients trust a CA, and how long will it be one?"""

from __future__ import annotations

from devstack_tui.contracts.audit import Audit, Finding, ProtocolFault
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.security.tls import facts
from devstack_tui.security.tls.certificate import dates
from devstack_tui.security.tls.facts import Facts


def is_ca(audit: Audit) -> Finding:
    """The CA file parses, and holds self-signed CAs and nothing else."""
    try:
        roots = _roots(audit)
    except ProtocolFault as error:
        return Finding(Status.FAIL, error.message)
    wrong = [f"{one.subject} is no CA" for one in roots if not one.ca]
    wrong += [
        f"{one.subject} did not sign itself: it is no root"
        for one in roots
        if one.ca and not facts.signed(one, one)
    ]
    if wrong:
        return Finding(Status.FAIL, "; ".join(wrong))
    seen = ", ".join(f"{one.subject} ({one.key}, {one.digest})" for one in roots)
    return Finding(Status.PASS, f"{seen} in {audit.ca}")


def validity(audit: Audit) -> Finding:
    """The root's dates."""
    try:
        roots = _roots(audit)
    except ProtocolFault as error:
        return Finding(Status.INCONCLUSIVE, error.message)
    return dates(min(roots, key=lambda one: one.not_after))


def _roots(audit: Audit) -> tuple[Facts, ...]:
    try:
        raw = audit.ca.read_bytes()
    except FileNotFoundError:
        raise ProtocolFault(f"{audit.ca} is not there") from None
    except OSError as error:
        raise DevstackError(f"{audit.ca} cannot be read: {error.strerror}") from None
    return facts.read_pem(raw, str(audit.ca))
