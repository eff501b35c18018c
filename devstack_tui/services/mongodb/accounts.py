"""Who may do what in MongoDB: an account for applications, in their own database, and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devstack_tui.contracts.model import Credentials, Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity.account_checks import declared
from devstack_tui.services.mongodb.wire import Refused, Wire

HOME = "admin"
"""The database that keeps the accounts, whatever they may use."""
MECHANISM = "SCRAM-SHA-256"
MADE = "accounts"
"""A file of ours that is there once the accounts are."""
TIMEOUT_S = 10.0
AUTHENTICATION_FAILED = 18

Roles = list[dict[str, str]]


def roles(target: Target) -> dict[str, Roles]:
    """The roles of each account."""
    wanted = declared("mongodb")["accounts"]
    return {
        target.credentials.user: _roles(wanted["application"], target),
        target.admin.user: _roles(wanted["administrator"], target),
    }


def _roles(names: list[str], target: Target) -> Roles:
    pairs = (name.replace("{database}", target.credentials.database).split("@") for name in names)
    return [{"role": role, "db": database} for role, database in pairs]


def settle(target: Target, say: Callable[[str], None]) -> None:
    """Make the accounts, or what is missing of them. One that a release before had, which could do
    everything, keeps its password and loses the rest.

    Raises `DevstackError` when the data is of another Vault.
    """
    ours = target.admin
    if not _knows(target, ours):
        _first(target, ours)
    with Wire(target, TIMEOUT_S) as wire:
        wire.login(ours.user, ours.password)
        for name, wanted in roles(target).items():
            _keep(wire, name, wanted, target, say)
    if not _knows(target, target.credentials):
        raise _foreign(target.credentials)


def _knows(target: Target, account: Credentials) -> bool:
    with Wire(target, TIMEOUT_S) as wire:
        try:
            wire.login(account.user, account.password)
        except Refused as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            return False
    return True


def _first(target: Target, ours: Credentials) -> None:
    """Our own account, made by the one that an older release had, or else by nobody: mongod lets
    somebody from localhost make the first."""
    old = target.credentials
    known = _knows(target, old)
    with Wire(target, TIMEOUT_S) as wire:
        try:
            if known:
                wire.login(old.user, old.password)
            wire.command(HOME, _made(ours, roles(target)[ours.user]))
        except Refused as error:
            raise _foreign(ours) from error


def _foreign(account: Credentials) -> DevstackError:
    return DevstackError(
        f"MongoDB refuses the password that Vault has for {account.user!r}",
        "its data is from another Vault: `devstack-tui down --wipe` makes both anew",
    )


def _made(account: Credentials, wanted: Roles) -> dict[str, Any]:
    return {
        "createUser": account.user,
        "pwd": account.password,
        "roles": wanted,
        "mechanisms": [MECHANISM],
    }


def _keep(wire: Wire, name: str, wanted: Roles, target: Target, say: Callable[[str], None]) -> None:
    """Make the account where it is missing, and mend it where it is not as declared."""
    found = wire.command(HOME, {"usersInfo": {"user": name, "db": HOME}})["users"]
    if not found:
        wire.command(HOME, _made(target.credentials, wanted))
    elif not as_declared(found[0], wanted):
        change = {"updateUser": name, "roles": wanted, "mechanisms": [MECHANISM]}
        wire.command(HOME, change)
        say(f"{name} has the declared roles alone now")
        if others := _others(wire, target):
            say(f"{', '.join(others)}: from now on for {target.admin.user}, who may grant roles")


def _others(wire: Wire, target: Target) -> list[str]:
    """The databases that are neither mongod's own nor the applications'."""
    known = {HOME, "local", "config", target.credentials.database}
    listed = wire.command(HOME, {"listDatabases": 1, "nameOnly": True})["databases"]
    return sorted({str(one["name"]) for one in listed} - known)


def as_declared(account: Mapping[str, Any], wanted: Roles) -> bool:
    """Whether an account, as `usersInfo` shows it, has these roles and one mechanism."""
    return named(account.get("roles", ())) == named(wanted) and list(
        account.get("mechanisms", ())
    ) == [MECHANISM]


def named(found: Any) -> list[str]:
    """Roles as `readWrite@devstack`, in order."""
    return sorted(f"{one.get('role')}@{one.get('db')}" for one in found if isinstance(one, dict))
