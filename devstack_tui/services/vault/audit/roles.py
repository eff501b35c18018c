"""Each AppRole: what its logins give, how long that lasts, and from where it can be used."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from devstack_tui.contracts.audit import Audit, Check, Finding, VaultClient
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import UnreachableError
from devstack_tui.identity.bootstrap import (
    ADMIN,
    ADMIN_SECRET_ID_TTL,
    SECRET_ID_TTL,
    TOKEN_MAX_TTL,
    TOKEN_TTL,
)
from devstack_tui.identity.vault_api import VaultApi, VaultError
from devstack_tui.services.vault.audit.kit import (
    Answer,
    ask,
    ask_as_admin,
    declared,
    elsewhere,
    failed,
    judged,
    minted,
    passed,
    raw,
    shared,
    unsure,
)
from devstack_tui.services.vault.matrix import roles

FIRST = "postgres"
"""The role whose token core checks 19 to 21 look at."""
LONG_S = 10 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Session:
    """One login of the check's own and what its token could do; nothing of it is secret."""

    auth: Mapping[str, Any]
    token: Mapping[str, Any]
    renewed: Answer
    lease_s: int
    """What renewing it by ten days gave, seconds."""
    used_elsewhere: Answer
    login_elsewhere: Answer


def session(audit: Audit, role: str) -> Session:
    """Once an audit."""
    return shared(audit, f"session.{role}", lambda: _session(audit, role))


def _session(audit: Audit, role: str) -> Session:
    with minted(audit, role) as pair, VaultApi(audit.target("vault"), "", audit.timeout) as client:
        pair_body = {"role_id": pair.role_id, "secret_id": pair.secret_id}
        auth = client.login(**pair_body)
        try:
            token = ask(client, "get", "auth/token/lookup-self").document.get("data") or {}
            path = "/v1/auth/token/lookup-self"
            used, _ = raw(audit, "GET", path, token=client.token, source=elsewhere(audit))
            path = "/v1/auth/approle/login"
            other, _ = raw(audit, "POST", path, body=pair_body, source=elsewhere(audit))
            if other.ok:
                with VaultApi(
                    audit.target("vault"), other.document["auth"]["client_token"], audit.timeout
                ) as stray:
                    _end(stray)
            renewed = ask(client, "post", "auth/token/renew-self", increment=LONG_S)
            lease = (renewed.document.get("auth") or {}).get("lease_duration", 0)
        finally:
            _end(client)
    kept = ("token_type", "token_policies", "policies", "lease_duration", "renewable")
    return Session(
        {name: auth.get(name) for name in kept},
        {name: value for name, value in token.items() if name not in ("id", "accessor")},
        Answer(renewed.status, {}, renewed.why),
        lease,
        Answer(used.status, {}, used.why),
        Answer(other.status, {}, other.why),
    )


def _end(client: VaultClient) -> None:
    # A batch token cannot be revoked: it ends by itself.
    with contextlib.suppress(VaultError):
        client.revoke()


def setting(audit: Audit, role: str) -> dict[str, Any]:
    """How the AppRole is set, once an audit."""
    return shared(
        audit,
        f"setting.{role}",
        lambda: ask_as_admin(audit, "get", f"auth/approle/role/{role}-role"),
    )


def checks(clients: str) -> tuple[Check, ...]:
    """All of them, role by role. `clients` is the CIDR that roles are bound to."""
    return tuple(found for role in roles() for found in _of_role(role, clients))


def _of_role(role: str, clients: str) -> tuple[Check, ...]:
    batch = _token_type(role) == "batch"
    runs: dict[str, Callable[[str, Audit], Finding]] = {
        "login.{role}": _login,
        "role.{role}.effective_policies": _effective,
        **({"role.{role}.ttls": _ttls} if role == FIRST else {"role.{role}.token_ttl": _token_ttl}),
        "role.{role}.renewal": _renewal,
        "role.{role}.token_cidrs": _token_cidrs,
        "role.{role}.secret_id_cidrs": _secret_id_cidrs,
        "role.{role}.secret_ids_expire": _living,
    }
    for name, value in _settings(role).items():
        runs[f"role.{{role}}.{name}"] = partial(_as_declared, name, value)
    if not batch:
        runs["role.{role}.renewal_cap"] = _cap
    ttl = _secret_id_ttl(role)
    return declared(
        "roles",
        {id: partial(run, role) for id, run in runs.items()},
        role=role,
        clients=clients,
        token_type=_token_type(role),
        can="cannot" if batch else "can",
        token_ttl=TOKEN_TTL,
        secret_id_ttl=ttl,
        secret_id_days=ttl // 86400,
    )


def _settings(role: str) -> dict[str, object]:
    """What is declared for the settings of an AppRole that no login shows."""
    found: dict[str, object] = {
        "bind_secret_id": True,
        "secret_id_ttl": _secret_id_ttl(role),
        "secret_id_num_uses": 0,
    }
    if _token_type(role) != "batch":  # Vault gives those no period
        found["token_period"] = 0
    if role != FIRST:
        found["token_max_ttl"] = TOKEN_MAX_TTL
    return found


def _secret_id_ttl(role: str) -> int:
    return ADMIN_SECRET_ID_TTL if role == ADMIN else SECRET_ID_TTL


def _as_declared(name: str, wanted: object, role: str, audit: Audit) -> Finding:
    found = setting(audit, role).get(name)
    return judged(found == wanted, f"{role}-role: {name} = {found}; declared {wanted}")


def _token_type(role: str) -> str:
    return "service" if role == ADMIN else service(role).token_type


def _login(role: str, audit: Audit) -> Finding:
    auth = session(audit, role).auth
    wanted = ["default", f"{role}-policy"]
    right = sorted(auth["token_policies"]) == sorted(wanted) and auth["token_type"] == _token_type(
        role
    )
    return judged(
        right,
        f"login: {auth['token_type']} token with {', '.join(sorted(auth['token_policies']))}; "
        f"declared {_token_type(role)} with {', '.join(sorted(wanted))}",
    )


def _effective(role: str, audit: Audit) -> Finding:
    token = session(audit, role).token
    own, identity = set(token["policies"]), set(token.get("identity_policies") or [])
    wanted = {"default", f"{role}-policy"}
    evidence = (
        f"lookup-self: policies {', '.join(sorted(own))}; "
        f"by the entity: {', '.join(sorted(identity)) or 'none'}"
    )
    return judged(own == wanted and not identity, evidence)


def _token_ttl(role: str, audit: Audit) -> Finding:
    lease = session(audit, role).auth["lease_duration"]
    return judged(lease == TOKEN_TTL, f"login: lease_duration {lease} s; declared {TOKEN_TTL} s")


def _ttls(role: str, audit: Audit) -> Finding:
    lease = session(audit, role).auth["lease_duration"]
    most = setting(audit, role).get("token_max_ttl")
    return judged(
        lease == TOKEN_TTL and most == TOKEN_MAX_TTL,
        f"login: lease_duration {lease} s; {role}-role: token_max_ttl {most} s; "
        f"declared {TOKEN_TTL} s and {TOKEN_MAX_TTL} s",
    )


def _renewal(role: str, audit: Audit) -> Finding:
    seen = session(audit, role)
    batch = _token_type(role) == "batch"
    evidence = f"login: renewable {seen.auth['renewable']}; renew-self: {seen.renewed}"
    return judged(seen.renewed.ok != batch and bool(seen.auth["renewable"]) != batch, evidence)


def _cap(role: str, audit: Audit) -> Finding:
    seen = session(audit, role)
    if not seen.renewed.ok:
        return unsure(f"renew-self: {seen.renewed}")
    evidence = f"asked for {LONG_S} s more, it was given {seen.lease_s} s"
    period = seen.token.get("period") or 0
    if period:
        return failed(f"{evidence}, and again after every renewal: its period is {period} s")
    return judged(seen.lease_s <= TOKEN_MAX_TTL, evidence)


def _token_cidrs(role: str, audit: Audit) -> Finding:
    seen = session(audit, role)
    here = bool(seen.token)
    evidence = (
        f"from {elsewhere(audit)}: {seen.used_elsewhere}; from here: {'200' if here else 'refused'}"
    )
    if not here:
        return unsure(f"no control: {evidence}")
    return judged(seen.used_elsewhere.denied, evidence)


def _secret_id_cidrs(role: str, audit: Audit) -> Finding:
    """The role's setting as well: Vault refuses a login elsewhere for the token's binding too."""
    bound = setting(audit, role).get("secret_id_bound_cidrs") or []
    refused = not session(audit, role).login_elsewhere.ok
    evidence = (
        f"login from {elsewhere(audit)}: {session(audit, role).login_elsewhere}; from here: 200; "
        f"secret_id_bound_cidrs {', '.join(bound) or 'none'}"
    )
    return judged(refused and bound == [audit.target("vault").clients], evidence)


def _living(role: str, audit: Audit) -> Finding:
    """Every secret_id that is alive, whatever made it and however the role was set then."""
    path = f"auth/approle/role/{role}-role"
    admin = audit.login(ADMIN)
    listed = ask(admin, "list", f"{path}/secret-id")
    if listed.denied:
        raise UnreachableError(f"{ADMIN}-role may not list the secret_ids of {role}-role")
    accessors = (listed.document.get("data") or {}).get("keys") or []
    eternal, seen = 0, 0
    for accessor in accessors:
        try:
            found = ask(
                admin, "post", f"{path}/secret-id-accessor/lookup", secret_id_accessor=accessor
            )
        except VaultError:  # it ended meanwhile
            continue
        if data := found.document.get("data"):
            seen += 1
            eternal += not data["secret_id_ttl"]
    evidence = f"{seen} secret_ids are alive; {eternal or 'none'} without an end"
    return failed(evidence) if eternal else passed(evidence)
