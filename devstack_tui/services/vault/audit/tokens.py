"""The tokens that are alive: none is root's, none came by another way than an AppRole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.identity.bootstrap import ADMIN, TOKEN_MAX_TTL
from devstack_tui.identity.vault_api import VaultError
from devstack_tui.services.vault.audit.kit import (
    VAULT,
    ask,
    ask_as_admin,
    declared,
    judged,
    shared,
    within,
)
from devstack_tui.services.vault.matrix import roles

LOGIN = "auth/approle/login"
# What a wrapped answer is opened with: it lives for a minute and reads nothing.
WRAPPING = "response-wrapping"


def checks() -> tuple[Check, ...]:
    """Six looks at one list."""
    runs = {
        "token.root": _root,
        "token.origin": _origin,
        "token.lasting": _lasting,
        "token.powers": _powers,
    }
    beyond = {"token.period": _period, "token.cidrs": _bound}
    return (*declared("tokens", runs), *declared("tokens_beyond", beyond))


def _alive(audit: Audit) -> list[Mapping[str, Any]]:
    """Every service token, looked up by its accessor; batch tokens leave nothing to list."""
    accessors = ask_as_admin(audit, "list", "auth/token/accessors")["keys"]
    admin = audit.login(ADMIN)
    found = []
    for accessor in accessors:
        try:
            answer = ask(admin, "post", "auth/token/lookup-accessor", accessor=accessor)
        except VaultError:  # it ended meanwhile
            continue
        if answer.ok and answer.document["data"]["policies"] != [WRAPPING]:
            found.append(answer.document["data"])
    return found


def _judge(audit: Audit, wrong: Callable[[Mapping[str, Any]], bool], what: str) -> Finding:
    tokens = shared(audit, "tokens", lambda: _alive(audit))
    stray = [token for token in tokens if wrong(token)]
    listed = "; ".join(
        f"accessor {token['accessor']} by {token['path']} with {', '.join(token['policies'])}, "
        f"{token['ttl']} s left"
        for token in stray[:5]
    )
    evidence = f"{len(tokens)} tokens are alive; {what}: {len(stray)}"
    return judged(not stray, f"{evidence} ({listed})" if stray else evidence)


def _root(audit: Audit) -> Finding:
    return _judge(audit, _is_root, "root tokens")


def _is_root(token: Mapping[str, Any]) -> bool:
    return "root" in token["policies"]


def _origin(audit: Audit) -> Finding:
    return _judge(
        audit, lambda token: token["path"] != LOGIN and not _is_root(token), "of another origin"
    )


def _lasting(audit: Audit) -> Finding:
    return _judge(
        audit,
        lambda token: token["creation_ttl"] > TOKEN_MAX_TTL or token["ttl"] > TOKEN_MAX_TTL,
        f"that may live longer than {TOKEN_MAX_TTL} s",
    )


def _powers(audit: Audit) -> Finding:
    allowed = [{"default", f"{role}-policy"} for role in roles()]
    return _judge(
        audit,
        lambda token: set(token["policies"]) not in allowed and not _is_root(token),
        "under other policies",
    )


def _period(audit: Audit) -> Finding:
    return _judge(
        audit, lambda token: bool(token.get("period")) and not _is_root(token), "with a period"
    )


def _bound(audit: Audit) -> Finding:
    clients = audit.target(VAULT).clients
    return _judge(
        audit,
        lambda token: (
            not _is_root(token)
            and not all(within(str(c), clients) for c in token.get("bound_cidrs") or ["0.0.0.0/0"])
        ),
        "that are good elsewhere",
    )
