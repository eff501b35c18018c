"""What mongod reports of its accounts and settings, asked once an audit; and what it answers to
somebody who may do nothing."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from devstack_tui.contracts.audit import Audit, ProtocolFault
from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity.account_checks import unanswered
from devstack_tui.services.mongodb.accounts import AUTHENTICATION_FAILED, HOME
from devstack_tui.services.mongodb.wire import Refused, Wire

_UNAUTHORIZED = 13
# They change nothing even where they are allowed: the accounts that they would make lack a role
# that exists.
_NOBODYS = [{"role": "devstack_tui_no_such_role", "db": HOME}]
ATTEMPTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("read the accounts", {"find": "system.users", "limit": 1, "singleBatch": True}),
    ("make an account", {"createUser": "devstack_tui_nobody", "pwd": "x", "roles": _NOBODYS}),
    ("read its configuration", {"getCmdLineOpts": 1}),
    ("read its parameters", {"getParameter": 1, "quiet": 1}),
    ("read its log", {"getLog": "startupWarnings"}),
    ("see what others do", {"currentOp": 1}),
)
DATABASES = ("list the databases", {"listDatabases": 1, "nameOnly": True})
"""An application is shown those that it may use."""


PROFILE, VERBOSITY = "profile", "logComponentVerbosity"
"""Judged like parameters: which databases are profiled, and which parts of the log are loud."""


class LockedOutError(DevstackError):
    """An account of ours cannot log in any more."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`accounts` by `database.name`, each as `usersInfo` shows it with its credentials; `allowed`
    is what the application could do of the `ATTEMPTS`; None: it could not log in."""

    accounts: dict[str, dict[str, Any]]
    roles: tuple[str, ...]
    options: dict[str, Any]
    parameters: dict[str, Any]
    allowed: tuple[str, ...] | None


def facts(audit: Audit) -> Facts:
    """What mongod reports. Raises `DevstackError` and `OSError`."""
    return cast(Facts, audit.once("mongodb.accounts", lambda: _ask(audit)))


def _ask(audit: Audit) -> Facts:
    target = audit.target("mongodb")
    try:
        with _in(target.as_admin(), audit) as wire:
            users = wire.command(HOME, {"usersInfo": {"forAllDBs": True}, "showCredentials": True})
            roles = wire.command(HOME, {"find": "system.roles", "batchSize": 1000})
            options = wire.command(HOME, {"getCmdLineOpts": 1})
            parameters = wire.command(HOME, {"getParameter": "*"})
            levels = _levels(wire)
        allowed = _tried(target, audit)
    except OSError as error:
        raise unanswered("MongoDB", error, audit.timeout) from None
    return Facts(
        accounts={str(one.get("_id")): one for one in _tables(users.get("users"))},
        roles=tuple(str(one.get("_id")) for one in _tables(_part(roles, "cursor", "firstBatch"))),
        options=_table(options.get("parsed")),
        parameters={
            **parameters,
            PROFILE: ", ".join(f"{name} {level}" for name, level in levels.items()) or "none",
            VERBOSITY: ", ".join(loud(parameters.get(VERBOSITY))) or "none",
        },
        allowed=allowed,
    )


@contextlib.contextmanager
def _in(target: Target, audit: Audit) -> Iterator[Wire]:
    who = target.credentials
    with Wire(target, audit.timeout) as wire:
        try:
            wire.login(who.user, who.password)
        except Refused as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            raise LockedOutError(f"it refuses the password of Vault for {who.user}") from None
        yield wire


def _levels(wire: Wire) -> dict[str, object]:
    """The databases whose operations are recorded, with the level."""
    listed = wire.command(HOME, {"listDatabases": 1, "nameOnly": True}).get("databases")
    names = [str(one.get("name")) for one in _tables(listed)]
    levels = {name: wire.command(name, {"profile": -1}).get("was") for name in names}
    return {name: level for name, level in levels.items() if level != 0}


def loud(found: object, name: str = "all") -> Iterator[str]:
    """The components of the log that say more than usual, of nested tables of verbosity."""
    for key, part in _table(found).items():
        if key != "verbosity":
            yield from loud(part, key)
        elif not isinstance(part, int) or part > 0:
            yield f"{name} {part}"


def _tried(target: Target, audit: Audit) -> tuple[str, ...] | None:
    try:
        with _in(target, audit) as wire:
            return tuple(_allowed(wire, ATTEMPTS))
    except LockedOutError:
        return None


def let_in(audit: Audit) -> list[str]:
    """What somebody may do, over TLS or in plain, who has not logged in. Raises `OSError`."""
    target = audit.target("mongodb")
    found: list[str] = []
    for tls in (True, False):
        where = "over TLS" if tls else "in plain"
        try:
            with Wire(target, audit.timeout, tls) as wire:
                ways = [*_allowed(wire, (*ATTEMPTS, DATABASES))]
        except ConnectionError as error:
            if tls or isinstance(error, ConnectionRefusedError):
                raise unanswered("MongoDB", error, audit.timeout) from None
            continue  # where TLS is required, it closes what does not begin with it
        except OSError as error:
            raise unanswered("MongoDB", error, audit.timeout) from None
        found += [f"{where}: {way}" for way in ways]
    return found


def _allowed(wire: Wire, attempts: tuple[tuple[str, dict[str, Any]], ...]) -> list[str]:
    """Those that were not refused for a lack of rights; another error comes after them."""
    found = []
    for what, command in attempts:
        try:
            wire.command(HOME, command)
        except Refused as error:
            if error.code == _UNAUTHORIZED:
                continue
            if not error.code:  # it does not speak the protocol
                raise
        found.append(what)
    return found


def guessed(audit: Audit, name: str, words: Iterable[str]) -> str | None:
    """The password that opens an account, of those that are tried; None if none does, or none that
    could be tried in time. Raises `OSError`, `DevstackError`."""
    target = audit.target("mongodb")
    until = time.monotonic() + audit.timeout
    for word in words:
        if time.monotonic() > until:
            break
        with Wire(target, audit.timeout) as wire, contextlib.suppress(Refused):
            wire.login(name, word)
            return word
    return None


def value(found: Facts, row: Mapping[str, Any]) -> str | None:
    """A setting as text; None where the server does not report it."""
    if "parameter" in row:
        return _text(found.parameters.get(row["parameter"]))
    return _text(_part(found.options, *row["option"].split("."))) or row["default"]


def _text(found: object) -> str | None:
    if found is None:
        return None
    if isinstance(found, list):
        return ", ".join(map(str, found))
    return found if isinstance(found, str) else json.dumps(found, default=str)


def _part(found: object, *path: str) -> object:
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _table(found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ProtocolFault(f"mongod answered with {str(found)[:100]!r}")
    return found


def _tables(found: object) -> list[dict[str, Any]]:
    if not isinstance(found, list):
        raise ProtocolFault(f"mongod answered with {str(found)[:100]!r}")
    return [_table(one) for one in found]
