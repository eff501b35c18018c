"""Nobody without a token is answered, wherever there is something to see."""

from __future__ import annotations

from functools import partial

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.services.vault.audit.kit import declared, health, judged, raw, unsure

PATHS = {
    "secret": "secret/data/postgres",
    "secrets": "secret/metadata?list=true",
    "roles": "auth/approle/role?list=true",
    "role_id": "auth/approle/role/admin-role/role-id",
    "tokens": "auth/token/accessors?list=true",
    "policies": "sys/policies/acl?list=true",
    "mounts": "sys/mounts",
    "methods": "sys/auth",
    "audit": "sys/audit",
    "config": "sys/config/state/sanitized",
    "host": "sys/host-info",
    "log": "sys/monitor",
    "loggers": "sys/loggers",
    "snapshot": "sys/storage/raft/snapshot",
    "peers": "sys/storage/raft/configuration",
    "entities": "identity/entity/id?list=true",
    "issuing_roles": "pki_int/roles?list=true",
    "acme": "pki_int/acme/directory",
    "root_acme": "pki/acme/directory",
    "leases": "sys/leases/count",
    "namespaces": "sys/namespaces?list=true",
    "raw": "sys/raw?list=true",
    "plugins": "sys/plugins/catalog",
}


def checks() -> tuple[Check, ...]:
    """One for each path."""
    return tuple(
        check
        for name, path in PATHS.items()
        for check in declared(
            "no_token",
            {"vault.no_token.{name}": partial(_refused, path)},
            name=name,
            path=path.partition("?")[0],
        )
    )


def _refused(path: str, audit: Audit) -> Finding:
    """Refused without a token, beside a path that is for everybody."""
    control = health(audit)
    answer, _ = raw(audit, "GET", f"/v1/{path}")
    evidence = f"GET {path} without a token: {answer}; sys/health: {control}"
    if control != 200 or answer.status >= 500:
        return unsure(f"no control: {evidence}")
    return judged(answer.status >= 400, evidence)
