"""What each check of the suite decides: of a service, of a CA of Vault, of what is trusted."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from devstack_tui.contracts.audit import Audit, Finding
from devstack_tui.contracts.model import LOOPBACK
from devstack_tui.contracts.registry import service, services
from devstack_tui.contracts.service_files import CA, CHAIN, ServicePath
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity import issued
from devstack_tui.identity.bootstrap import dns_names, usages_of
from devstack_tui.security.tls import certificate, facts
from devstack_tui.security.tls.facts import Facts
from devstack_tui.security.trust import certificates as seen
from devstack_tui.security.trust.certificates import INTERMEDIATE, ROOT, Leaf

STACK = "stack"
_GROUP = 0o020
_WRITABLE = 0o022
_STICKY = 0o1000
_SHOWN = 6


# -- what clients and servers trust ------------------------------------------------------------


def ca(part: str, audit: Audit) -> Finding:
    """The file holds the root of Vault once, and nothing beside it. A service's chain holds that
    and what the root has signed for Vault."""
    root = seen.default_issuer(audit, ROOT)
    path = audit.own_file(audit.ca)
    if part != STACK:
        path = ServicePath(audit.files(part), CA)
    found = seen.read(path)
    wrong = [f"{path} also holds {one.subject}" for one in found if one.der != root.der]
    if not any(one.der == root.der for one in found):
        wrong.append(f"{path} does not hold Vault's root")
    elif len(found) > 1 and not wrong:
        wrong.append(f"{path} holds {len(found)} certificates")
    if part != STACK:
        known = {one.der for one in seen.issuers(audit, INTERMEDIATE)} | {root.der}
        sent = ServicePath(audit.files(part), CHAIN)
        wrong += [f"{sent} holds {one.subject}" for one in seen.read(sent) if one.der not in known]
    return _judged(wrong, f"{path}: {root.subject}, as Vault has it, and nothing else")


def path(part: str, audit: Audit) -> Finding:
    """Nobody but root and we can replace what is trusted: the file, or a directory above it."""
    if part == STACK:
        return _judged(list(_above(audit.ca)), f"{audit.ca} and every directory above it are ours")
    files = audit.files(part)
    wrong = []
    for name in ("", "tls", CA):
        found = files.stat(name)
        if found is None:
            raise DevstackError(f"{files.path(name)} is not there")
        if found.mode & _WRITABLE:
            wrong.append(f"{files.path(name)} has mode {found.mode:04o}")
        if found.is_link or not (found.own or found.uid in (0, os.geteuid())):
            wrong.append(f"{files.path(name)} is a link or belongs to uid {found.uid}")
    above = audit.own_file(audit.ca.parent / "data")
    if (found := above.stat()) is not None and found.mode & _WRITABLE:
        wrong.append(f"{above} has mode {found.mode:04o}")
    return _judged(wrong, f"{files.path(CA)}: its server's account alone may replace it")


def _above(path: Path) -> Iterator[str]:
    """What is wrong from the file to `/`. A sticky directory above the stack's own keeps what is in
    it from others; the stack's own has no such excuse."""
    own = {path, path.parent}
    lexical = [path, *path.parents]
    real = path.resolve()
    for one in dict.fromkeys([*lexical, real, *real.parents]):
        yield from _wrong(one, own=one in own)


def _wrong(path: Path, *, own: bool) -> Iterator[str]:
    found = path.lstat()
    mode = found.st_mode & 0o7777
    if found.st_uid not in (0, os.geteuid()):
        yield f"{path} belongs to uid {found.st_uid}"
    if path.is_symlink():  # its mode says nothing; where it leads is looked at by itself
        return
    others = mode & _WRITABLE
    if not own and _alone(found.st_uid, found.st_gid):
        others &= ~_GROUP
    if others and (own or not mode & _STICKY):
        yield f"{path} has mode {mode:04o}"


def _alone(uid: int, gid: int) -> bool:
    """Whether a group has its owner as its only member: where each user has such a group, as many
    systems have it, directories are writable to it."""
    import grp
    import pwd

    try:
        owner, members = pwd.getpwuid(uid), set(grp.getgrgid(gid).gr_mem)
    except KeyError:
        return False
    others = {one.pw_uid for one in pwd.getpwall() if one.pw_gid == gid} - {uid}
    return owner.pw_gid == gid and not others and members <= {owner.pw_name}


# -- the CAs of Vault --------------------------------------------------------------------------


def issuers(mount: str, audit: Audit) -> Finding:
    """A mount knows its own CA, and the root above it, and no other."""
    root = seen.default_issuer(audit, ROOT)
    found = seen.issuers(audit, mount)
    own = [one for one in found if one.der == root.der]
    if mount == INTERMEDIATE:
        own += [one for one in _signed(found, root) if one.der in _used(audit)]
    foreign = [one for one in found if one not in own]
    names = ", ".join(dict.fromkeys(one.subject for one in own))
    wrong = [f"{mount}/ also knows {one.subject} by {one.issuer}" for one in foreign]
    if not own or (mount == INTERMEDIATE and len(own) > 2):
        wrong.append(f"{mount}/ knows {len(own)} CAs of the stack")
    return _judged(wrong, f"{mount}/ knows {names} and no other")


def default(mount: str, audit: Audit) -> Finding:
    """A mount signs by the CA that clients trust, or that the servers send."""
    found = seen.default_issuer(audit, mount)
    if mount == ROOT:
        trusted = seen.read(audit.own_file(audit.ca))
        right, where = found.der in [one.der for one in trusted], "what clients trust"
    else:
        right, where = found.der in _used(audit), "what the services send"
    evidence = f"{mount}/ signs by {found.subject}, until {found.not_after:%Y-%m-%d}"
    return _judged([] if right else [f"{evidence}: it is not in {where}"], evidence)


def dates(part: str, audit: Audit) -> Finding:
    """Every CA of a mount, or behind the leaf of a service, is inside its dates: WARN at 60 days
    and at 30."""
    if part in (ROOT, INTERMEDIATE):
        found: Sequence[Facts] = seen.issuers(audit, part)
    else:
        chain = seen.read(ServicePath(audit.files(part), CHAIN))
        found = [*seen.in_file(audit, part)[1:], *chain]
    if not found:
        return Finding(Status.FAIL, "there is no CA")
    return certificate.dates(min(found, key=lambda one: one.not_after))


def beyond(mount: str, audit: Audit) -> Finding:
    """No certificate is valid that Vault has issued, and that nobody here knows."""
    listed = {str(one).lower() for one in seen.ask(audit, "list", f"{mount}/certs").get("keys", ())}
    known = issued.read(audit.secrets) if mount == INTERMEDIATE else {}
    own = {_serial(one) for one in (*seen.issuers(audit, ROOT), *_intermediates(audit))}
    own |= known.keys() | (_serials(audit) if mount == INTERMEDIATE else set())
    begun = min(known.values(), default=float("inf"))
    wrong: list[str] = []
    unsure: list[str] = []
    for serial in sorted(listed - own):
        one = _valid(audit, mount, serial)
        if one is None or (mount == INTERMEDIATE and one.begins < begun and _declared(one, False)):
            continue  # before it was written down; the leaves were for clients, too
        text = f"{serial} for {', '.join(sorted(one.names)) or one.common_name}"
        (unsure if mount == INTERMEDIATE and _declared(one) else wrong).append(text)
    evidence = f"{mount}/: {len(listed)} certificates issued, all of them known or over"
    if unsure and not wrong:
        return Finding(
            Status.WARN, f"valid, of a service's names, and issued by nobody here: {_some(unsure)}"
        )
    return _judged([f"valid, and nobody's: {one}" for one in wrong], evidence)


def _valid(audit: Audit, mount: str, serial: str) -> Leaf | None:
    """An issued certificate; None for one that has ended or was revoked."""
    answer = seen.ask(audit, "get", f"{mount}/cert/{serial}")
    found = facts.read_pem(str(answer.get("certificate", "")).encode(), f"{mount}/cert/{serial}")[0]
    over = found.not_after.timestamp() < time.time() or bool(answer.get("revocation_time"))
    return None if over else seen.leaf_of(found.der, serial)


def _declared(one: Leaf, use: bool = True) -> bool:
    """Whether a certificate is as it is issued to one of the services; of its use, too."""
    return any(
        not (_unlike(one, known.name) or (use and _misused(one, known.name)))
        for known in services()
        if not known.unavailable
    )


def _serials(audit: Audit) -> set[str]:
    """Of the certificates in the services' files."""
    found = set()
    for name in seen.with_certificates(audit):
        try:
            found.add(seen.leaf_of(seen.in_file(audit, name)[0].der, "").serial)
        except DevstackError:
            continue
    return found


def _serial(one: Facts) -> str:
    return seen.leaf_of(one.der, "").serial


def _signed(found: Iterable[Facts], root: Facts) -> list[Facts]:
    return [one for one in found if one.ca and one.der != root.der and facts.signed(one, root)]


def _used(audit: Audit) -> set[bytes]:
    """The CAs that the services send."""
    return {one.der for _, one in seen.chains(audit)}


def _intermediates(audit: Audit) -> list[Facts]:
    root = seen.default_issuer(audit, ROOT)
    used = _used(audit)
    return [one for one in _signed(seen.issuers(audit, INTERMEDIATE), root) if one.der in used]


# -- a service's own certificate ---------------------------------------------------------------


def names(name: str, audit: Audit) -> Finding:
    """The leaf is for the service's own names, localhost and the loopback address, and for nothing
    else: neither another's name nor a wildcard."""
    found = seen.leaves(audit, name)
    wrong = [f"{one.where}: {why}" for one in found for why in _unlike(one, name)]
    return _judged(wrong, f"for {', '.join(sorted(found[0].names))} alone")


def _unlike(one: Leaf, name: str) -> list[str]:
    declared = {*dns_names(service(name)), LOOPBACK}
    wrong = [f"also for {found}" for found in sorted(one.names - declared)]
    wrong += [f"not for {found}" for found in sorted(declared - one.names)]
    wrong += [f"also for {found}" for found in one.others]
    if one.common_name not in declared:
        wrong.append(f"its common name is {one.common_name or 'empty'}")
    return wrong


def usage(name: str, audit: Audit) -> Finding:
    """The leaf is for the declared use alone, and signs no other."""
    found = seen.leaves(audit, name)
    wrong = [f"{one.where}: {why}" for one in found for why in _misused(one, name)]
    return _judged(wrong, f"extended key usage: {', '.join(found[0].usages)}; it signs no other")


def _misused(one: Leaf, name: str) -> list[str]:
    declared = {*usages_of(service(name))}
    wrong = [f"also for {found}" for found in sorted({*one.usages} - declared)]
    wrong += [f"not for {found}" for found in sorted(declared - {*one.usages})]
    if one.signs:
        wrong.append("it may sign others")
    return wrong


def key(name: str, audit: Audit) -> Finding:
    """The leaf's key is nobody else's: neither a CA's, nor that of a service before it in the order
    of all (who has copied it is not to be seen)."""
    own = seen.leaves(audit, name)
    others: dict[bytes, str] = {}
    for other in itertools.takewhile(lambda one: one != name, seen.with_certificates(audit)):
        # One that has none fails its own checks.
        with contextlib.suppress(DevstackError):
            leaf = seen.leaf_of(seen.in_file(audit, other)[0].der, "")
            others[leaf.key] = service(other).secret
    for whose, one in seen.chains(audit):
        others[seen.leaf_of(one.der, "").key] = f"{one.subject} (the CA that {whose} sends)"
    wrong = [
        f"{one.where}: its key is also that of {others[one.key]}"
        for one in own
        if one.key in others
    ]
    return _judged(wrong, f"a key of its own, beside {len(others)} others")


def known(name: str, audit: Audit) -> Finding:
    """Vault has issued the leaf, and has not revoked it."""
    wrong = []
    found = seen.leaves(audit, name)
    for one in found:
        if why := _unknown(audit, one):
            wrong.append(f"{one.where}: {one.serial} {why}")
    return _judged(wrong, f"{found[0].serial} is issued by Vault and not revoked")


def _unknown(audit: Audit, one: Leaf) -> str:
    from devstack_tui.identity.vault_api import VaultError

    try:
        answer = seen.ask(audit, "get", f"{INTERMEDIATE}/cert/{one.serial}")
    except VaultError as error:
        if error.status not in (400, 404):
            raise
        answer = {}
    text = str(answer.get("certificate") or "")
    if not text:
        return "is unknown to Vault"
    if facts.read_pem(text.encode(), "Vault's answer")[0].der != one.der:
        return "is another certificate in Vault"
    return "was revoked" if answer.get("revocation_time") else ""


def _judged(wrong: Sequence[str], evidence: str) -> Finding:
    return Finding(Status.FAIL, _some(wrong)) if wrong else Finding(Status.PASS, evidence)


def _some(found: Sequence[str]) -> str:
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more
