"""The checks of suite `auth` for each node, and what turns one of each kind red."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from devstack_tui.contracts.audit import Audit, Check, Finding, Sabotage, SabotageStack
from devstack_tui.contracts.model import Target
from devstack_tui.core.check import Status
from devstack_tui.identity import account_checks
from devstack_tui.identity.account_checks import SETTING, compared, declared, guesses, none_of
from devstack_tui.services.redis import accounts
from devstack_tui.services.redis.audit.facts import (
    Account,
    LockedOutError,
    NodeFacts,
    facts,
    guessed,
    let_in,
)
from devstack_tui.services.redis.client import node_count, node_name, session

SERVICE = "redis"
VICTIM = 4
"""The node that is sabotaged, from 0: none that the core checks name."""
EMPTIED = 5
"""Another, whose `default` gets an empty password."""
_Judge = Callable[[NodeFacts, Target], Finding]


def checks(audit: Audit) -> tuple[Check, ...]:
    """Those of every node."""
    found = []
    for index in range(node_count(audit.target(SERVICE))):
        make = functools.partial(account_checks.check, SERVICE, unit=node_name(index))
        found.append(make("no_login", functools.partial(_no_login, index)))
        found.append(make("accounts", functools.partial(_judged, index, exactly)))
        found.append(make("passwords", functools.partial(_passwords, index)))
        for role in declared(SERVICE)["privileged"]:
            judge = functools.partial(rights, role)
            found.append(make("rights", functools.partial(_judged, index, judge), what=role))
        for name in declared(SERVICE)["settings"]:
            judge = functools.partial(setting, name)
            found.append(make(SETTING, functools.partial(_judged, index, judge), what=name))
    return tuple(found)


def _judged(index: int, judge: _Judge, audit: Audit) -> Finding:
    return judge(facts(audit, index), audit.target(SERVICE))


def _passwords(index: int, audit: Audit) -> Finding:
    try:
        return _judged(index, as_kept, audit)
    except LockedOutError as error:
        known = guessed(audit, index, tuple(accounts.rules(audit.target(SERVICE))))
        return none_of([error.message, *known], "")


def _no_login(index: int, audit: Audit) -> Finding:
    known = facts(audit, index).accounts
    ways = let_in(audit, index, tuple(known))
    tried = ", ".join(known)
    return none_of(ways, f"refused: a command without a login, an empty password for {tried}")


def exactly(found: NodeFacts, target: Target) -> Finding:
    """The declared accounts and no other."""
    return compared("accounts", found.accounts, accounts.rules(target))


def as_kept(found: NodeFacts, target: Target) -> Finding:
    """On with the one password of Vault, or off with none and without any right."""
    known = accounts.passwords(target)
    wrong = [reason for pair in known.items() if (reason := account_checks.weak(*pair))]
    for name in accounts.rules(target):
        if (account := found.accounts.get(name)) is not None:
            wrong += _password(account, known.get(name))
    return none_of(
        wrong, f"{', '.join(known)}: the one of Vault; {accounts.DEFAULT}: off, without rights"
    )


def _password(account: Account, password: str | None) -> Iterator[str]:
    if account.open:
        yield f"{account.name} accepts any password"
    if account.on is not (password is not None):
        yield f"{account.name} is {'on' if account.on else 'off'}"
    granted = account.reach | account.commands - {"-@all"}
    if password is None and granted:
        yield f"{account.name} has rights: {' '.join(sorted(granted))}"
    wanted = {accounts.fingerprint(password)} if password is not None else set()
    known = {accounts.fingerprint(guess): guess for guess in guesses(account.name)}
    for kept in sorted(set(account.passwords) - wanted):
        yield f"{account.name} has a further password" + (
            f", {known[kept]!r}" if kept in known else ""
        )
    if wanted - set(account.passwords):
        yield f"{account.name} does not have the password of Vault"


def rights(role: str, found: NodeFacts, target: Target) -> Finding:
    """Nothing privileged but what is declared, no other keys and channels, and no attempt that was
    allowed."""
    names = dict(zip(accounts.ROLES, accounts.passwords(target), strict=True))
    account = found.accounts.get(names[role])
    if account is None:
        return account_checks.judged(False, f"there is no account {names[role]}")
    if found.privileged is None:
        return Finding(Status.SKIPPED, "versions before 7.0 cannot be asked what an account may do")
    may, wanted = (
        found.privileged.get(role, frozenset()),
        set(declared(SERVICE)["privileged"][role]),
    )
    wrong = [f"it may run {', '.join(sorted(may - wanted))}"] if may - wanted else []
    reach = {word for word in declared(SERVICE)["accounts"][role].split() if word[0] in "~&"}
    if account.reach != reach:
        has = " ".join(sorted(account.reach)) or "no keys or channels"
        wrong.append(f"it reaches {has}; declared: {' '.join(sorted(reach)) or 'nothing'}")
    if role == accounts.APPLICATION and found.allowed:
        wrong.append(f"allowed when tried: {', '.join(found.allowed)}")
    if role == accounts.APPLICATION and found.allowed is None and not wrong:
        return Finding(Status.INCONCLUSIVE, f"{account.name} cannot log in: nothing was tried")
    return none_of(
        wrong, f"administrative or dangerous, as declared: {', '.join(sorted(may)) or 'nothing'}"
    )


def setting(name: str, found: NodeFacts, target: Target) -> Finding:  # noqa: ARG001
    """One setting as declared."""
    return account_checks.setting(
        name, declared(SERVICE)["settings"][name], found.settings.get(name)
    )


# -- sabotages -------------------------------------------------------------------------------


def sabotages() -> tuple[Sabotage, ...]:
    """One of each kind, on one node, while it runs."""
    where = node_name(VICTIM)
    own = f"auth.{where}"
    return (
        _sabotage(
            "no_login",
            "lets in who has no credential",
            _acl("default", "on", "nopass", "~*", "&*", "+@all"),
            expects=(f"{own}.passwords",),
        ),
        _sabotage("accounts", "has an account that nobody declared", _stranger),
        _sabotage(
            "passwords",
            "has a second password for applications: their account's name",
            _acl("devstack", ">devstack"),
        ),
        Sabotage(
            f"auth.{node_name(EMPTIED)}.passwords",
            f"{node_name(EMPTIED)} has an empty requirepass",
            SERVICE,
            _emptied,
            seconds=0.1,
        ),
        _sabotage(
            "rights.application",
            "lets applications read its configuration",
            _acl("devstack", "+config|get"),
        ),
        _sabotage("protected-mode", "has no protected mode", _unprotected),
    )


def _sabotage(
    what: str,
    title: str,
    apply: Callable[[SabotageStack], AbstractContextManager[None]],
    expects: tuple[str, ...] = (),
) -> Sabotage:
    where = node_name(VICTIM)
    return Sabotage(
        f"auth.{where}.{what}", f"{where} {title}", SERVICE, apply, seconds=0.1, expects=expects
    )


def _send(stack: SabotageStack, *commands: tuple[str, ...], index: int = VICTIM) -> None:
    target = stack.audit.target(SERVICE).as_admin()
    with session(target, index, stack.audit.timeout) as client:
        send: Any = client.execute_command
        for command in commands:
            send(*command)


def _acl(name: str, *rules: str) -> Callable[[SabotageStack], AbstractContextManager[None]]:
    @contextlib.contextmanager
    def changed(stack: SabotageStack) -> Iterator[None]:
        usual = accounts.rules(stack.audit.target(SERVICE))
        try:
            _send(stack, ("ACL SETUSER", name, *rules))
            yield
        finally:
            _send(stack, ("ACL SETUSER", name, "reset", *usual[name]))

    return changed


@contextlib.contextmanager
def _emptied(stack: SabotageStack) -> Iterator[None]:
    """`default` stays off, and accepts any password once somebody turns it on. A requirepass that
    was empty before changes nothing: it is another one first."""
    set_to = "CONFIG SET", "requirepass"
    try:
        _send(stack, (*set_to, "x" * 40), (*set_to, ""), index=EMPTIED)
        yield
    finally:
        again = ("ACL SETUSER", accounts.DEFAULT, "reset", *accounts.OFF)
        _send(stack, (*set_to, ""), again, index=EMPTIED)


@contextlib.contextmanager
def _stranger(stack: SabotageStack) -> Iterator[None]:
    try:
        _send(stack, ("ACL SETUSER", "stranger", "on", "#" + accounts.fingerprint("x" * 40)))
        yield
    finally:
        _send(stack, ("ACL DELUSER", "stranger"))


@contextlib.contextmanager
def _unprotected(stack: SabotageStack) -> Iterator[None]:
    try:
        _send(stack, ("CONFIG SET", "protected-mode", "no"))
        yield
    finally:
        _send(stack, ("CONFIG SET", "protected-mode", "yes"))
