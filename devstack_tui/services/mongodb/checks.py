"""The checks of suite `auth` for MongoDB, and what turns one of each kind red."""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from devstack_tui.contracts.audit import (
    Audit,
    Check,
    Checks,
    Finding,
    Sabotage,
    SabotageStack,
)
from devstack_tui.contracts.model import Credentials, Target
from devstack_tui.core.check import Status
from devstack_tui.identity import account_checks
from devstack_tui.identity.account_checks import (
    SETTING,
    compared,
    declared,
    guesses,
    none_of,
)
from devstack_tui.services.mongodb import accounts
from devstack_tui.services.mongodb.accounts import HOME, MECHANISM
from devstack_tui.services.mongodb.audit.facts import (
    Facts,
    LockedOutError,
    facts,
    guessed,
    let_in,
    value,
)
from devstack_tui.services.mongodb.server import CONFIG_FILE
from devstack_tui.services.mongodb.wire import MOST_ROUNDS, Wire, salted

SERVICE = "mongodb"
APPLICATION = "application"
ROUNDS = 15000
"""The server's own number, below which a hash is too quick to try."""
_QUICK = 5000
_ITERATIONS = "scramSHA256IterationCount"
_Judge = Callable[[Facts, Target], Finding]


class MongodbChecks:
    """See `devstack_tui.contracts.audit.Checks`."""

    def checks(self, audit: Audit) -> tuple[Check, ...]:  # noqa: ARG002
        """Of its accounts, and of the settings that decide who gets in."""
        make = functools.partial(account_checks.check, SERVICE)
        found = [
            make("no_login", _no_login),
            make("accounts", functools.partial(_judged, exactly)),
            make("roles", functools.partial(_judged, no_roles)),
        ]
        for role in declared(SERVICE)["accounts"]:
            found.append(make("passwords", functools.partial(_password, role), what=role))
            run = functools.partial(_judged, functools.partial(rights, role))
            found.append(make("rights", run, what=role))
        for name in declared(SERVICE)["settings"]:
            run = functools.partial(_judged, functools.partial(setting, name))
            found.append(make(SETTING, run, what=name))
        return tuple(found)

    def sabotages(self) -> tuple[Sabotage, ...]:
        """One of each kind; all but the first while it runs."""
        own = f"{account_checks.SUITE}.{SERVICE}"
        return (
            _sabotage(
                "no_login",
                "asks nobody for an account",
                _open,
                seconds=8.0,
                expects=(f"{own}.authorization", f"{own}.rights.application"),
            ),
            _sabotage("accounts", "has an account that nobody declared", _stranger),
            _sabotage("roles", "has a role that somebody has made", _role),
            _sabotage("passwords.application", "keeps a hash that is quick to break", _quick),
            _sabotage("rights.application", "lets applications see what others do", _monitor),
            _sabotage("iterations", "hashes new passwords with fewer rounds", _fewer_rounds),
        )


def _judged(judge: _Judge, audit: Audit) -> Finding:
    return judge(facts(audit), audit.target(SERVICE))


def _no_login(audit: Audit) -> Finding:
    return none_of(
        (f"without a login: {way}" for way in let_in(audit)),
        "without a login nothing is allowed over TLS or in plain, nor an account made from here",
    )


def _password(role: str, audit: Audit) -> Finding:
    try:
        return _judged(functools.partial(password, role), audit)
    except LockedOutError as error:
        if role == APPLICATION:
            raise
        known = guessed(
            audit, audit.target(SERVICE).admin.user, guesses(audit.target(SERVICE).admin.user)
        )
        return none_of([error.message + (f", but takes {known!r}" if known else "")], "")


def _account(role: str, target: Target) -> Credentials:
    return target.credentials if role == APPLICATION else target.admin


def exactly(found: Facts, target: Target) -> Finding:
    """The declared accounts and no other."""
    return compared(
        "accounts", found.accounts, {f"{HOME}.{name}" for name in accounts.roles(target)}
    )


def no_roles(found: Facts, target: Target) -> Finding:  # noqa: ARG001
    """No role but those of mongod itself."""
    return compared("roles", found.roles, ())


def rights(role: str, found: Facts, target: Target) -> Finding:
    """The declared roles; and an application could do nothing of what was tried."""
    name = _account(role, target).user
    account = found.accounts.get(f"{HOME}.{name}")
    if account is None:
        return account_checks.judged(False, f"there is no account {name}")
    decided = compared(
        "roles", accounts.named(account.get("roles")), accounts.named(accounts.roles(target)[name])
    )
    tried = found.allowed if role == APPLICATION else ()
    if tried is None and account_checks.passed(decided):
        return Finding(Status.INCONCLUSIVE, f"{name} cannot log in: nothing was tried")
    wrong = [f"allowed when tried: {', '.join(tried)}"] if tried else []
    if not account_checks.passed(decided):
        wrong.insert(0, decided.evidence)
    return none_of(wrong, decided.evidence)


def password(role: str, found: Facts, target: Target) -> Finding:
    """One credential, by SCRAM-SHA-256 with enough rounds, of the password that Vault has."""
    account = _account(role, target)
    kept = found.accounts.get(f"{HOME}.{account.user}", {}).get("credentials")
    if not isinstance(kept, dict):
        return account_checks.judged(False, f"{account.user} has no password")
    wrong = [f"{name} is on too" for name in sorted(set(kept) - {MECHANISM})]
    wrong += filter(None, [account_checks.weak(account.user, account.password)])
    scram = kept.get(MECHANISM)
    if not isinstance(scram, dict):
        return none_of([*wrong, f"{account.user} cannot log in by {MECHANISM}"], "")
    rounds = scram.get("iterationCount")
    if not isinstance(rounds, int) or rounds < ROUNDS:
        wrong.append(f"{rounds} rounds: at least {ROUNDS} are declared")
    if not _is(account.password, scram):
        names = (guess for guess in guesses(account.user) if _is(guess, scram))
        known = next(names, None)
        wrong.append(
            "its password is not the one of Vault"
            + (f" but {known!r}" if known is not None else "")
        )
    return none_of(wrong, f"{account.user}: the password of Vault, {MECHANISM}, {rounds} rounds")


def _is(text: str, scram: dict[str, Any]) -> bool:
    """Whether a credential as mongod keeps it is of this password (RFC 5802, 3)."""
    try:
        rounds = int(scram["iterationCount"])
        if not 0 < rounds <= MOST_ROUNDS:
            return False
        key = salted(text, base64.b64decode(scram["salt"]), rounds)
        stored = base64.b64decode(scram["storedKey"])
    except (KeyError, TypeError, ValueError, OverflowError, binascii.Error):
        return False
    client = hmac.digest(key, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client).digest(), stored)


def setting(name: str, found: Facts, target: Target) -> Finding:  # noqa: ARG001
    """One setting as declared."""
    row = declared(SERVICE)["settings"][name]
    return account_checks.setting(row.get("option") or row["parameter"], row, value(found, row))


# -- sabotages -------------------------------------------------------------------------------

_Apply = Callable[[SabotageStack], AbstractContextManager[None]]


def _sabotage(
    what: str, title: str, apply: _Apply, seconds: float = 0.1, expects: tuple[str, ...] = ()
) -> Sabotage:
    id = f"{account_checks.SUITE}.{SERVICE}.{what}"
    return Sabotage(id, f"MongoDB {title}", SERVICE, apply, seconds, expects)


def _open(stack: SabotageStack) -> AbstractContextManager[None]:
    def change(text: str) -> str:
        config = json.loads(text)
        config["security"]["authorization"] = "disabled"
        return json.dumps(config, indent=2) + "\n"

    return stack.reconfigured(SERVICE, CONFIG_FILE, change)


@contextlib.contextmanager
def _commands(
    stack: SabotageStack, make: list[dict[str, Any]], undo: list[dict[str, Any]]
) -> Iterator[None]:
    """`make`, and `undo` at the end, by our own account."""
    _send(stack, make)
    try:
        yield
    finally:
        _send(stack, undo)


def _send(stack: SabotageStack, commands: list[dict[str, Any]]) -> None:
    target = stack.audit.target(SERVICE)
    with Wire(target, accounts.TIMEOUT_S) as wire:
        wire.login(target.admin.user, target.admin.password)
        for command in commands:
            wire.command(HOME, command)


def _stranger(stack: SabotageStack) -> AbstractContextManager[None]:
    made = {"createUser": "stranger", "pwd": "x" * 40, "roles": [], "mechanisms": [MECHANISM]}
    return _commands(stack, [made], [{"dropUser": "stranger"}])


def _role(stack: SabotageStack) -> AbstractContextManager[None]:
    made = {"createRole": "stranger", "privileges": [], "roles": []}
    return _commands(stack, [made], [{"dropRole": "stranger"}])


def _rounds(number: int) -> dict[str, Any]:
    return {"setParameter": 1, _ITERATIONS: number}


def _quick(stack: SabotageStack) -> AbstractContextManager[None]:
    who = stack.audit.target(SERVICE).credentials
    again = {"updateUser": who.user, "pwd": who.password, "mechanisms": [MECHANISM]}
    return _commands(stack, [_rounds(_QUICK), again, _rounds(ROUNDS)], [again])


def _fewer_rounds(stack: SabotageStack) -> AbstractContextManager[None]:
    return _commands(stack, [_rounds(_QUICK)], [_rounds(ROUNDS)])


def _monitor(stack: SabotageStack) -> AbstractContextManager[None]:
    roles = [{"role": "clusterMonitor", "db": HOME}]
    user = stack.audit.target(SERVICE).credentials.user
    return _commands(
        stack,
        [{"grantRolesToUser": user, "roles": roles}],
        [{"revokeRolesFromUser": user, "roles": roles}],
    )


CHECKS: Checks = MongodbChecks()
