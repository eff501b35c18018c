"""Logging in by AppRole: one wrong thing at a time, beside the right pair."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.identity.vault_api import VaultApi, VaultError
from devstack_tui.services.vault.audit.kit import (
    Answer,
    AppRoleCredentials,
    UnboundError,
    ask,
    declared,
    destroy,
    failed,
    judged,
    minted,
    passed,
    raw,
    role_id,
    shared,
    try_login,
    unsure,
)
from devstack_tui.services.vault.matrix import secrets

ROLE = "postgres"
NOBODY = "00000000-0000-0000-0000-000000000000"
"""A role_id that anybody would try first."""
NO_ROLE_ID = "missing role_id"
SHORT_S = 1


def checks() -> tuple[Check, ...]:
    """Core checks 3 to 6, and the ways in which a secret_id or a token ends."""
    wrong = ("role_id", "secret_id", "no_role_id", "no_secret_id")
    return (
        *declared("login", {f"login.{name}": partial(_refused, name) for name in wrong}),
        *declared(
            "ended",
            {
                "secret_id.expired": _expired,
                "secret_id.used_up": _used_up,
                "secret_id.destroyed": _destroyed,
                "token.revoked": _revoked,
                "token.none": _anonymous,
                "token.wrapping": _wrapping,
            },
        ),
    )


def _attempts(audit: Audit) -> Mapping[str, Answer]:
    try:
        with minted(audit, ROLE) as pair:
            return _each_wrong(audit, pair.role_id, pair.secret_id)
    except UnboundError:
        # There is no secret_id to be right: let it show what it lets in.
        return _each_wrong(audit, role_id(audit, ROLE), "")


def _each_wrong(audit: Audit, role: str, secret: str) -> Mapping[str, Answer]:
    right = {"role_id": role, "secret_id": secret}
    return {
        "right": try_login(audit, **right),
        "role_id": try_login(audit, **{**right, "role_id": NOBODY}),
        "secret_id": try_login(audit, **{**right, "secret_id": NOBODY}),
        "no_role_id": try_login(audit, secret_id=secret),
        "no_secret_id": try_login(audit, role_id=role),
    }


def _refused(name: str, audit: Audit) -> Finding:
    found = shared(audit, "attempts", lambda: _attempts(audit))
    return _against(found[name], found["right"])


def _against(wrong: Answer, right: Answer) -> Finding:
    """The wrong login is refused as a bad request while the right one succeeds."""
    evidence = f"{wrong}; the right pair: {right}"
    if not right.ok:
        return unsure(f"no control: {evidence}")
    # OpenBao calls it an internal error when there is no role_id at all, and says what is missing.
    refused = wrong.status == 400 or (wrong.status == 500 and wrong.why == NO_ROLE_ID)
    return judged(refused, evidence)


def _spent(
    spend: Callable[[Audit, AppRoleCredentials], None], audit: Audit, **limits: object
) -> Finding:
    """A secret_id that lets in, and does not once it is spent."""
    try:
        with minted(audit, ROLE, **limits) as pair:
            before = try_login(audit, role_id=pair.role_id, secret_id=pair.secret_id)
            spend(audit, pair)
            after = try_login(audit, role_id=pair.role_id, secret_id=pair.secret_id)
    except UnboundError as error:
        after = try_login(audit, role_id=role_id(audit, ROLE), secret_id=NOBODY)
        return judged(not after.ok, f"{error.message}: with any at all, {after}")
    return _against(after, before)


def _expired(audit: Audit) -> Finding:
    # By the server's clock, which is this machine's; the time before it only adds to that.
    return _spent(lambda _, pair: time.sleep(SHORT_S + 0.05), audit, ttl=f"{SHORT_S}s")


def _used_up(audit: Audit) -> Finding:
    return _spent(lambda _, pair: None, audit, num_uses=1)


def _destroyed(audit: Audit) -> Finding:
    return _spent(lambda audit, pair: destroy(audit, ROLE, pair), audit)


def _revoked(audit: Audit) -> Finding:
    with minted(audit, ROLE) as pair, VaultApi(audit.target("vault"), "", audit.timeout) as client:
        client.login(pair.role_id, pair.secret_id)
        before = ask(client, "get", "auth/token/lookup-self")
        try:
            client.call("post", "auth/token/revoke-self")
            text = "revoked"
        except VaultError as error:
            text = f"revoking it: {error.status}"
        after = ask(client, "get", "auth/token/lookup-self")
        evidence = f"before: {before}; {text}; after: {after}"
        if not before.ok:
            return unsure(f"no control: {evidence}")
        return judged(after.denied, evidence)


def _anonymous(audit: Audit) -> Finding:
    with VaultApi(audit.target("vault"), "", audit.timeout) as nobody:
        answers = {name: ask(nobody, "get", f"secret/data/{name}") for name in secrets()}
    let = [name for name, answer in answers.items() if not answer.denied]
    owner = ask(audit.login(ROLE), "get", f"secret/data/{ROLE}")
    if let:
        return failed(f"without a token Vault answers for {', '.join(let)}")
    evidence = f"403 for all {len(answers)} secrets; {ROLE} reads its own: {owner.status}"
    return passed(evidence) if owner.ok else unsure(f"no control: {evidence}")


def _wrapping(audit: Audit) -> Finding:
    owner = ask(audit.login(ROLE), "get", f"secret/data/{ROLE}")
    opened, spent = _wrap(audit), _wrap(audit)
    if not opened.ok:
        return failed(f"nothing can be wrapped: {opened}")
    token = opened.document["wrap_info"]["token"]
    first, _ = raw(audit, "POST", "/v1/sys/wrapping/unwrap", token=token)
    second, _ = raw(audit, "POST", "/v1/sys/wrapping/unwrap", token=token)
    # Whatever it is used for uses it up.
    other = spent.document["wrap_info"]["token"]
    peek, _ = raw(audit, "GET", f"/v1/secret/data/{ROLE}", token=other)
    whole = first.ok and first.document.get("data") == {"canary": "audit"}
    evidence = (
        f"its token on a secret: {peek.status} (the owner: {owner.status}); "
        f"first opening: {first.status}; second: {second}"
    )
    return judged(peek.denied and whole and not second.ok, evidence)


def _wrap(audit: Audit) -> Answer:
    """Something harmless, wrapped for a minute."""
    answer, _ = raw(
        audit,
        "POST",
        "/v1/sys/wrapping/wrap",
        token=audit.login(ROLE).token,
        headers={"X-Vault-Wrap-TTL": "60s"},
        body={"canary": "audit"},
    )
    return answer
