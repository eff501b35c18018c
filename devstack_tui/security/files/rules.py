"""What each check of the suite decides, of one part of a stack or of the processes of a service."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence

from devstack_tui.contracts.audit import Audit, Finding
from devstack_tui.contracts.processes import ProcessFacts
from devstack_tui.core.check import Status
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.file_tree import Entry
from devstack_tui.core.files import PRIVATE_DIR
from devstack_tui.security.files.scan import (
    Part,
    declared,
    known_secrets,
    look,
    undeclared,
)

SHOWN = 5
OTHERS = 0o077
SPECIAL = 0o7000
WALKABLE = 0o711
UMASK = 0o066
"""MySQL's has no more."""
_CORE = re.compile(r"(?:.*/)?(?:core(?:\.\d+)?|erl_crash\.dump|vgcore\.\d+)")


def modes(part: str, audit: Audit) -> Finding:
    """Nobody but its owner may read, write or enter anything. A socket is as open as its
    directory."""
    found = _part(part, audit)
    walkable = set(declared(part, "open")) if os.geteuid() == 0 else set()
    wrong = [
        f"{_name(entry)} {entry.mode:04o}"
        for entry in found.entries
        if entry.kind not in ("link", "socket")
        and entry.mode & ~(WALKABLE if entry.name in walkable else PRIVATE_DIR) & OTHERS
    ]
    return _judged(wrong, f"{_counted(found)}: none is open to another account")


def owners(part: str, audit: Audit) -> Finding:
    """Everything belongs to the one account that should have it."""
    found = _part(part, audit)
    wrong = [
        f"{_name(entry)} uid {entry.uid}"
        for entry in found.entries
        if entry.uid != found.uid and entry.kind != "link"
    ]
    if found.uid < 0:
        wrong = [
            f"{_name(found.entries[0])} belongs to another account, uid {found.entries[0].uid}"
        ]
    return _judged(wrong, f"{_counted(found)}: all belong to uid {found.uid}")


def links(part: str, audit: Audit) -> Finding:
    """No link but a declared one, no second name, no pipe or device, no setuid."""
    found = _part(part, audit)
    known = [entry.name for entry in found.entries if entry.kind == "link"]
    stray = set(undeclared(part, "links", known))
    wrong = [
        f"{_name(entry)} {why}"
        for entry in found.entries
        if (why := _unusual(entry, entry.name in stray))
    ]
    return _judged(wrong, f"{_counted(found)}: files, directories and sockets, each with one name")


def _unusual(entry: Entry, stray: bool) -> str:
    if stray:
        return f"is a link to {entry.to}"
    if entry.kind in ("pipe", "device"):
        return f"is a {entry.kind}"
    if entry.kind == "file" and entry.size and _CORE.fullmatch(entry.name):
        return "is a core file: a copy of a server's memory"
    if entry.kind == "file" and entry.names > 1:
        return f"has {entry.names} names"
    if entry.kind != "link" and entry.mode & SPECIAL:
        return f"has mode {entry.mode:04o}"
    return ""


def keys(part: str, audit: Audit) -> Finding:
    """A private key, or a copy of one, only where the server reads it."""
    found = _part(part, audit)
    wrong = sorted(undeclared(part, "keys", found.keys))
    seen = f"private keys: {', '.join(sorted(found.keys)) or 'none'}"
    return _judged([f"{name} holds a private key" for name in wrong], seen)


def secrets(part: str, audit: Audit) -> Finding:
    """A password, a secret_id or the unseal key only where it is declared."""
    found = _part(part, audit)
    wrong = sorted(undeclared(part, "secrets", found.secrets))
    seen = f"secrets are in {len(found.secrets)} files, each declared"
    return _judged([f"{name} holds a secret of the stack" for name in wrong], seen)


def account(service: str, audit: Audit) -> Finding:
    """Every process runs as the service's account, which no other has, and has no other rights."""
    found = _processes(service, audit)
    wrong = [f"{_who(one)}: {why}" for one in found if (why := _excess(one))]
    if os.geteuid() == 0:
        shared = {
            name
            for name, others in _all(audit).items()
            if name != service and {one.uid for one in others} & {one.uid for one in found}
        }
        wrong += [f"its account runs {name} as well" for name in sorted(shared)]
    seen = {_rights(one): one for one in found}
    return _judged(wrong, "; ".join(f"{_who(one)}: {text}" for text, one in seen.items()))


def _excess(one: ProcessFacts) -> str:
    """What it should not have; as a normal user our groups are those of the login."""
    root = os.geteuid() == 0
    if one.uids != {one.uid} or 0 in one.uids:
        return f"{_rights(one)}, in place of uid {one.uid}"
    if one.rights or (root and (one.groups or 0 in one.gids)):
        return _rights(one)
    return ""


def confined(service: str, audit: Audit) -> Finding:
    """A crash leaves no copy of its memory, no setuid program gives it rights, and what it writes
    is its own."""
    found = [one for one in _processes(service, audit) if one.unit != "helper"]
    wrong = []
    for one in found:
        if one.core_bytes != 0:
            size = "of any size" if one.core_bytes is None else f"of {one.core_bytes} bytes"
            wrong.append(f"{_who(one)} may leave core files {size}")
        if one.privileges:
            wrong.append(f"{_who(one)} may get new privileges")
        if one.umask & UMASK != UMASK:
            wrong.append(f"{_who(one)} makes files that others may read, by umask {one.umask:04o}")
    return _judged(wrong, f"{_many(found)}: no core files, no new privileges, files of their own")


def arguments(service: str, audit: Audit) -> Finding:
    """Every user of the machine may read how a process was started."""
    return _without_secret(
        service, audit, lambda one: [("an argument", text) for text in one.arguments]
    )


def commands(_part: str, audit: Audit) -> Finding:
    """The same of whoever else works on this machine: clients, scripts, shells."""
    known = known_secrets(audit)
    found = audit.commands()
    wrong = {
        f"{name} was started with a secret of the stack"
        for name, text in found
        if any(secret in text for secret in known)
    }
    return _judged(sorted(wrong), f"{len(found)} processes: none of {len(known)} secrets")


def environment(service: str, audit: Audit) -> Finding:
    """It is inherited by all that a server starts, and printed by many a crash report."""
    return _without_secret(service, audit, lambda one: list(one.environment.items()))


def _without_secret(
    service: str, audit: Audit, of: Callable[[ProcessFacts], list[tuple[str, str]]]
) -> Finding:
    known = known_secrets(audit)
    found = _processes(service, audit)
    wrong = [
        f"{_who(one)}: {name} holds a secret of the stack"
        for one in found
        for name, text in of(one)
        if any(secret in text for secret in known)
    ]
    return _judged(wrong, f"{_many(found)}: none of {len(known)} secrets")


def _part(part: str, audit: Audit) -> Part:
    found = look(audit)[part]
    if not found.entries:
        raise UnreachableError("it has no directory: it was never started", "`devstack-tui up`")
    return found


def _all(audit: Audit) -> dict[str, Sequence[ProcessFacts]]:
    found = audit.once("files.processes", audit.processes)
    assert isinstance(found, dict)
    return found


def _processes(service: str, audit: Audit) -> Sequence[ProcessFacts]:
    found: Sequence[ProcessFacts] = _all(audit).get(service, ())
    if not found:
        raise UnreachableError("none of its processes runs", f"`devstack-tui up {service}`")
    return found


def _rights(one: ProcessFacts) -> str:
    uids = "/".join(map(str, sorted(one.uids)))
    groups = ", ".join(map(str, sorted(one.gids | one.groups)))
    return f"uid {uids}, groups {groups or 'none'}, capabilities {one.rights:#x}"


def _who(one: ProcessFacts) -> str:
    return one.unit if one.program in one.unit else f"{one.program} of {one.unit}"


def _name(entry: Entry) -> str:
    return entry.name or "the stack's directory"


def _counted(part: Part) -> str:
    return f"{len(part.entries)} entries"


def _many(found: Sequence[ProcessFacts]) -> str:
    return f"{len(found)} processes" if len(found) != 1 else "1 process"


def _judged(wrong: Iterable[str], right: str) -> Finding:
    wrong = list(wrong)
    if not wrong:
        return Finding(Status.PASS, right)
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return Finding(Status.FAIL, "; ".join(wrong[:SHOWN]) + more)
