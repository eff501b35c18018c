"""The secret_ids that are alive: each service's own works, and there is no other."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from functools import partial
from typing import Any

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.contracts.registry import services
from devstack_tui.core.check import Status
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.files import read_word
from devstack_tui.identity.bootstrap import (
    ADMIN,
    ADMIN_SECRET_ID_TTL,
    SECRET_ID_TTL,
    accessor_of,
)
from devstack_tui.identity.vault_api import VaultError, approle_files, approle_pair
from devstack_tui.services.vault.audit.kit import (
    SECRET_ID_TTL_S,
    VAULT,
    ask,
    declared,
    failed,
    health,
    judged,
    passed,
    shared,
    try_login,
    within,
)
from devstack_tui.services.vault.matrix import roles

SHOWN = 5


def checks() -> tuple[Check, ...]:
    """Four for each AppRole."""
    kinds = {"life": _life, "cidrs": _cidrs, "ours": _ours, "works": _works}
    found: list[Check] = []
    for role in roles():
        runs = {f"secret_id.{{role}}.{kind}": partial(run, role) for kind, run in kinds.items()}
        found += declared("secret_ids", runs, role=role, days=_ttl(role) // 86400)
    return tuple(found)


def _ttl(role: str) -> int:
    return ADMIN_SECRET_ID_TTL if role == ADMIN else SECRET_ID_TTL


def living(audit: Audit, role: str) -> Mapping[str, Mapping[str, Any]]:
    """What Vault says of every secret_id of the AppRole, by its accessor; once an audit."""
    return shared(audit, f"secret_ids.{role}", lambda: _living(audit, role))


def _living(audit: Audit, role: str) -> Mapping[str, Mapping[str, Any]]:
    path = f"auth/approle/role/{role}-role"
    admin = audit.login(ADMIN)
    listed = ask(admin, "list", f"{path}/secret-id")
    if listed.denied:
        raise UnreachableError(f"{ADMIN}-role may not list the secret_ids of {role}-role")
    found: dict[str, Mapping[str, Any]] = {}
    for accessor in listed.names:
        with contextlib.suppress(VaultError):  # it ended meanwhile
            answer = ask(
                admin, "post", f"{path}/secret-id-accessor/lookup", secret_id_accessor=accessor
            )
            if answer.data:
                found[accessor] = answer.data
    return found


def life_s(secret_id: Mapping[str, Any]) -> float:
    """Seconds from its beginning to its end; infinite for one that never ends."""
    if not secret_id.get("secret_id_ttl"):
        return float("inf")
    try:
        begin, end = (
            datetime.datetime.fromisoformat(str(secret_id[key])[:19])
            for key in ("creation_time", "expiration_time")
        )
    except (KeyError, ValueError):
        return float(secret_id["secret_id_ttl"])
    return max(float(secret_id["secret_id_ttl"]), (end - begin).total_seconds())


def _life(role: str, audit: Audit) -> Finding:
    found = living(audit, role)
    long = {a: life_s(one) for a, one in found.items() if life_s(one) > _ttl(role) + 1}
    words = ", ".join(f"accessor {a}: {s / 86400:.0f} days" for a, s in [*long.items()][:SHOWN])
    most = f"none is longer than {_ttl(role) // 86400} days"
    return judged(not long, f"secret_ids alive: {len(found)}; {words or most}")


def _cidrs(role: str, audit: Audit) -> Finding:
    """A secret_id's own CIDRs come before those of its AppRole."""
    found, clients = living(audit, role), audit.target(VAULT).clients
    wide = {
        accessor: [cidr for cidr in _bounds(one) if not within(cidr, clients)]
        for accessor, one in found.items()
    }
    words = ", ".join(f"accessor {a}: {' '.join(c)}" for a, c in [*wide.items()][:SHOWN] if c)
    return judged(
        not words, f"secret_ids alive: {len(found)}; bound more widely: {words or 'none'}"
    )


def _bounds(one: Mapping[str, Any]) -> list[str]:
    return [str(c) for key in ("cidr_list", "token_bound_cidrs") for c in one.get(key) or ()]


def _ours(role: str, audit: Audit) -> Finding:
    """An audit's own are short: whatever else there is, is in the service's file."""
    try:
        kept = read_word(accessor_of(approle_files(audit.secrets, role)[1]))
    except OSError:
        kept = ""
    found = living(audit, role)
    stray = {
        accessor: one
        for accessor, one in found.items()
        if accessor != kept and life_s(one) > SECRET_ID_TTL_S
    }
    words = ", ".join(
        f"accessor {a}, made {str(one.get('creation_time'))[:19]}"
        for a, one in [*stray.items()][:SHOWN]
    )
    return judged(
        not stray, f"secret_ids alive: {len(found)}; in no file of the stack: {words or 'none'}"
    )


def _works(role: str, audit: Audit) -> Finding:
    """A real login with what lies in the files; its token is revoked at once."""
    runs = role == ADMIN or any(s.secret == role and audit.running(s.name) for s in services())
    try:
        role_id, secret_id = approle_pair(audit.secrets, role)
    except UnreachableError as error:
        if runs:
            return failed(f"{error.message}; {error.remedy}")
        return Finding(Status.SKIPPED, f"{role} has not been started yet: it has no secret_id")
    if (status := health(audit)) != 200:
        raise UnreachableError(f"Vault does not let anybody in: sys/health answers {status}")
    answer = try_login(audit, role_id=role_id, secret_id=secret_id)
    if answer.ok:
        return passed(f"login with the pair in its files: {answer}; the token is revoked")
    if answer.status >= 500:
        raise UnreachableError(f"Vault does not log anybody in: {answer}")
    if runs:
        return failed(f"login with the pair in its files: {answer}")
    return Finding(
        Status.WARN, f"login with the pair in its files: {answer}; `devstack-tui up` makes another"
    )
