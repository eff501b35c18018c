"""What the checks of Vault share: requests, secret_ids of their own, and findings."""

from __future__ import annotations

import contextlib
import functools
import http.client
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from devstack_tui.contracts.audit import Audit, Check, Finding, Severity, VaultClient
from devstack_tui.core.check import Status
from devstack_tui.core.config import read_toml
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.files import read_word
from devstack_tui.core.paths import shipped
from devstack_tui.core.tls import client_context
from devstack_tui.identity.bootstrap import ADMIN, TOKEN_MAX_TTL
from devstack_tui.identity.vault_api import VaultError, approle_files

FILE = "configs/vault/checks.toml"
SUITE = "approle"
OTHER_SUITES = ("auth.", "files.", "network.", "tls.", "trust.", "vault.")
SECRET_ID_TTL_S = 900
"""Seconds after which what a killed audit leaves expires."""
VAULT = "vault"
OK = (200, 204)
ABSENT = (404, 405)
"""A list of nothing, and what this version of Vault does not have."""
T = TypeVar("T")
_ROOT = " with a root token"
_NO_ROOT = (
    f"{_ROOT}; the stack keeps none: without one, `devstack-tui down --wipe` and `devstack-tui up` "
    "make a new stack, without its data"
)
_FILLED_IN = re.compile(r"\.?\{\w+\}")
"""The part of an id by which instances of one kind differ."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Vault's answer to one request. `document` may hold secrets: it is never evidence."""

    status: int
    document: Mapping[str, Any]
    why: str = ""

    @property
    def ok(self) -> bool:
        return self.status in OK

    @property
    def denied(self) -> bool:
        return self.status == 403

    @property
    def data(self) -> Mapping[str, Any]:
        """The document's `data`; empty where it has none."""
        found = self.document.get("data")
        return found if isinstance(found, dict) else {}

    @property
    def names(self) -> tuple[str, ...]:
        """What a LIST gave."""
        found = self.data.get("keys")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def __str__(self) -> str:
        return f"{self.status} ({self.why})" if self.why else str(self.status)

    def __repr__(self) -> str:
        return f"Answer({self})"


def ask(client: VaultClient, method: str, path: str, **body: Any) -> Answer:
    """One request by the client's token. Raises `VaultError` where Vault cannot answer (sealed,
    broken) and `UnreachableError`: neither says anything about rights."""
    try:
        return Answer(200, client.call(method, path, **body))
    except VaultError as error:
        if error.status >= 500:
            raise
        return Answer(error.status, {}, _plain(error.message.partition(": ")[2]))


def ask_as_admin(audit: Audit, method: str, path: str, **body: Any) -> dict[str, Any]:
    """`data` of what the administrator's AppRole sees. Raises `UnreachableError` where its policy
    is older than the question."""
    return dict(_asked_as_admin(audit, method, path, **body).data)


def admin_answer(audit: Audit, method: str, path: str) -> Answer:
    """What the administrator's AppRole is answered, once an audit: also that there is no such
    thing. Raises as `ask_as_admin`, and `UnreachableError` for an answer that is neither."""

    def asked() -> Answer:
        answer = _asked_as_admin(audit, method, path)
        if answer.ok or answer.status in ABSENT:
            return answer
        raise UnreachableError(f"Vault does not report {path}: {answer}")

    return shared(audit, f"{method} {path}", asked)


def _asked_as_admin(audit: Audit, method: str, path: str, **body: Any) -> Answer:
    answer = ask(audit.login(ADMIN), method, path, **body)
    if answer.denied:
        raise UnreachableError(
            f"the policy of {ADMIN}-role does not let the audit see {path}",
            "the stack is older than this check: `devstack-tui up` lets it look",
        )
    return answer


def tables(audit: Audit, path: str) -> dict[str, dict[str, Any]]:
    """The mounts, auth methods or audit devices by their paths, once an audit."""
    return shared(audit, path, lambda: ask_as_admin(audit, "get", path))


def elsewhere(audit: Audit) -> str:
    """An address outside of what the AppRoles are bound to, from which we can call as well."""
    return str(ipaddress.ip_network(audit.target(VAULT).clients)[-1] + 1)


def raw(
    audit: Audit,
    method: str,
    path: str,
    *,
    token: str = "",
    headers: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    source: str = "",
) -> tuple[Answer, Mapping[str, str]]:
    """One request on a connection of its own, with its headers in lower case: from another
    address, without a token, to a path outside of the API. Raises `UnreachableError`."""
    target = audit.target(VAULT)
    connection = http.client.HTTPSConnection(
        target.endpoint.host,
        target.endpoint.port,
        timeout=audit.timeout,
        context=client_context(audit.ca, target.name),
        source_address=(source, 0) if source else None,
    )
    sent = {**({"X-Vault-Token": token} if token else {}), **(headers or {})}
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, sent)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"Vault does not answer {path}: {error}") from None
    finally:
        connection.close()
    try:
        document = json.loads(text)
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    why = _plain("; ".join(map(str, document.get("errors") or [])))
    summary = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, document, why), summary


def health(audit: Audit) -> int:
    """The status of what anybody may ask, once an audit: where nothing answers, all that ask it
    first have the same error at once."""
    return shared(audit, "health", lambda: raw(audit, "GET", "/v1/sys/health")[0].status)


class UnboundError(DevstackError):
    """The role_id alone is enough to log in by this AppRole."""


@dataclass(frozen=True, slots=True)
class AppRoleCredentials:
    """What an AppRole logs in with."""

    role_id: str
    secret_id: str
    accessor: str

    def __repr__(self) -> str:
        return "Pair(…)"


def role_id(audit: Audit, name: str) -> str:
    """Of the AppRole of `name`. Raises `UnreachableError` when it is not here."""
    path = approle_files(audit.secrets, name)[0]
    try:
        return read_word(path)
    except OSError as error:
        raise UnreachableError(
            f"{path}, by which {name} logs in, cannot be read: {error.strerror}"
        ) from None


@contextlib.contextmanager
def minted(audit: Audit, name: str, **limits: object) -> Iterator[AppRoleCredentials]:
    """A secret_id of the check's own for the AppRole of `name`; destroyed at the end.

    Raises `UnboundError` for an AppRole that wants none.
    """
    admin = audit.login(ADMIN)
    wanted = {"ttl": SECRET_ID_TTL_S, **limits}
    try:
        answer = admin.call("post", f"auth/approle/role/{name}-role/secret-id", **wanted)
    except VaultError as error:
        if error.status == 400 and "bind_secret_id is not set" in error.message:
            raise UnboundError(f"{name}-role asks for no secret_id") from None
        raise
    made = answer["data"]
    pair = AppRoleCredentials(role_id(audit, name), made["secret_id"], made["secret_id_accessor"])
    try:
        yield pair
    finally:
        destroy(audit, name, pair)


def destroy(audit: Audit, name: str, pair: AppRoleCredentials) -> None:
    """Destroy a secret_id; harmless for one that has expired."""
    admin = audit.login(ADMIN)
    path = f"auth/approle/role/{name}-role/secret-id-accessor/destroy"
    with contextlib.suppress(VaultError):
        admin.call("post", path, secret_id_accessor=pair.accessor)


def try_login(audit: Audit, **body: str) -> Answer:
    """Log in with exactly this; a token that comes of it is revoked at once."""
    answer, _ = raw(audit, "POST", "/v1/auth/approle/login", body=body)
    if answer.ok:
        token = answer.document["auth"]["client_token"]
        # A batch token cannot be revoked: it ends by itself.
        raw(audit, "POST", "/v1/auth/token/revoke-self", token=token)
    return Answer(answer.status, {}, answer.why)


def shared(audit: Audit, key: str, make: Callable[[], T]) -> T:
    """`make()` once an audit; see `Audit.once`."""
    return cast("T", audit.once(f"vault.{key}", make))


def check(
    id: str,
    title: str,
    run: Callable[[Audit], Finding],
    sabotage: str,
    remedy: str,
    *,
    severity: Severity,
    stake: str,
    group: str,
    kind: str,
    core: int = 0,
    suite: str = SUITE,
) -> Check:
    """A check of the suite. `core` is its number among the core checks, which is its id then."""
    return Check(
        id=f"{suite}.{f'{core:02}' if core else id}",
        suite=suite,
        title=title,
        severity=severity,
        service=VAULT,
        stake=stake,
        remedy=remedy,
        sabotage=sabotage,
        run=run,
        kind=f"{suite}.{kind}",
        core=f"AppRole {core}" if core else "",
        group=group,
    )


def declared(
    group: str, runs: Mapping[str, Callable[[Audit], Finding]], **fields: object
) -> tuple[Check, ...]:
    """The checks of one group of `configs/vault/checks.toml` by their ids, and what each runs.
    `fields` are filled in; the first one chooses the number of a core check."""
    common = _groups()[group]
    filled = {"token_max_ttl": TOKEN_MAX_TTL, **fields}
    whose = str(next(iter(fields.values()), ""))
    return tuple(
        _declared(id, {**common, **common["checks"][id]}, run, filled, whose)
        for id, run in runs.items()
    )


@functools.cache
def _groups() -> dict[str, Any]:
    return read_toml(shipped(FILE))


def _declared(
    id: str,
    row: dict[str, Any],
    run: Callable[[Audit], Finding],
    fields: Mapping[str, object],
    whose: str,
) -> Check:
    text = functools.partial(filled_in, fields)
    core, sabotage = row.get("core", 0), row.get("sabotage", "")
    return check(
        text(id),
        text(row["title"]),
        run,
        text(sabotage.get(whose, "") if isinstance(sabotage, dict) else sabotage),
        text(
            row["remedy"].replace(f"{_ROOT}, or make a new stack", _ROOT).replace(_ROOT, _NO_ROOT)
        ),
        severity=Severity(row["severity"]),
        stake=text(row["stake"]),
        group=row["group"],
        kind=row.get("kind") or _FILLED_IN.sub("", id),
        core=core.get(whose, 0) if isinstance(core, dict) else core,
        suite=row.get("suite", SUITE),
    )


def qualified(id: str) -> str:
    """A check's id with its suite, which those of the suite `approle` are written without."""
    return id if id.startswith(OTHER_SUITES) else f"{SUITE}.{id}"


def filled_in(fields: Mapping[str, object], template: str) -> str:
    """The text with each `{name}` replaced; not by `format`, since remedies have other braces."""
    for name, value in fields.items():
        template = template.replace(f"{{{name}}}", str(value))
    return template


def passed(evidence: str) -> Finding:
    """The check passed."""
    return Finding(Status.PASS, evidence)


def failed(evidence: str) -> Finding:
    """The check failed."""
    return Finding(Status.FAIL, evidence)


def unsure(evidence: str) -> Finding:
    """The control failed, so the observation decides nothing."""
    return Finding(Status.INCONCLUSIVE, evidence)


def judged(right: bool, evidence: str) -> Finding:
    """PASS or FAIL."""
    return passed(evidence) if right else failed(evidence)


def exactly(found: Iterable[str], declared: Iterable[str]) -> Finding:
    """Whether these are the declared names, all of them and no other."""
    found, declared = set(found), set(declared)
    foreign, missing = sorted(found - declared), sorted(declared - found)
    evidence = ", ".join(sorted(found)) or "none"
    if foreign:
        evidence += f"; not declared: {', '.join(foreign)}"
    if missing:
        evidence += f"; missing: {', '.join(missing)}"
    return judged(not foreign and not missing, evidence)


def within(cidr: str, around: str) -> bool:
    """Whether an address or CIDR lies inside another."""
    try:
        one, other = (ipaddress.ip_network(text, strict=False) for text in (cidr, around))
    except ValueError:
        return False
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]


def _plain(text: str) -> str:
    """A server's message on one line."""
    return " ".join(text.replace("1 error occurred:\n\t* ", "").split())[:160]
