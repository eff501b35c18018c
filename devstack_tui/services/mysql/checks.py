"""MySQL's and MariaDB's own security checks: who gets in, and what applications may do."""

from __future__ import annotations

from devstack_tui.contracts.audit import Audit, Check, Checks, Finding, Sabotage
from devstack_tui.core.check import Status
from devstack_tui.identity import account_checks
from devstack_tui.identity.account_checks import declared, guesses, none_of
from devstack_tui.services.mysql.accounts import FILES, HOSTS, SYSTEM, name_of, native_hash
from devstack_tui.services.mysql.audit import attempts, sabotages
from devstack_tui.services.mysql.audit.facts import (
    NATIVE,
    Account,
    AdminRefusedError,
    Facts,
    everything,
    facts,
)

NAME = "mysql"
WAYS = ("plain", "tls", "sockets")
PUBLIC = ("PUBLIC", "")
"""MariaDB's role of everybody; what rights it has is another check's."""
NOBODY = "devstack_tui_nobody"
"""No account's name: who lets him in asks nobody."""


class MysqlChecks:
    """See `devstack_tui.contracts.audit.Checks`."""

    def checks(self, audit: Audit) -> tuple[Check, ...]:  # noqa: ARG002
        """All of them, the same for every stack."""
        runs = {
            "accounts": _accounts,
            "passwords": _passwords,
            "methods": _methods,
            "privileged": _privileged,
            "rights": _rights,
            "attempts": _attempts,
            "code": _code,
        }
        return account_checks.checks(NAME, WAYS, _no_login, runs, _setting)

    def sabotages(self) -> tuple[Sabotage, ...]:
        """What turns them red."""
        return sabotages.sabotages()


def _no_login(way: str, audit: Audit) -> Finding:
    """Every name that the server lists, and that of nobody, without a password: he would come in as
    an account without a name."""
    target = audit.target(NAME)
    try:
        listed = {account.user for account in facts(audit).accounts if not account.role}
    except AdminRefusedError:
        listed = {target.credentials.user, target.admin.user}
    names = sorted({*listed, "root", NOBODY} - {""})
    if way == "sockets" and audit.files(NAME).stat(attempts.SOCKET) is None:
        return none_of((), "there is no Unix socket")
    let = [f"{name} is {how}" for name in names if (how := attempts.let_in(audit, way, name))]
    return none_of(let, f"{', '.join(names)}: each is refused")


def _accounts(audit: Audit) -> Finding:
    target, found = audit.target(NAME), facts(audit)
    ours = {name_of(target.admin), *(name_of(target.credentials, host) for host in HOSTS)}
    brought = declared(NAME)["accounts"]["locked"]
    wrong = []
    for account in found.accounts:
        if account.user in brought and account.host == "localhost":
            wrong += [] if account.locked else [f"{account} is not locked"]
        elif str(account) not in ours and (account.user, account.host) != PUBLIC:
            kind = "the role" if account.role else "the account"
            wrong.append(f"{kind} {account} is not declared")
    missing = sorted(ours - {str(account) for account in found.accounts})
    wrong += [f"{name} is missing" for name in missing]
    return none_of(wrong, ", ".join(str(account) for account in found.accounts))


def _open(found: Facts) -> list[Account]:
    """Those by which anybody could log in."""
    return [account for account in found.accounts if not account.locked and not account.role]


def _passwords(audit: Audit) -> Finding:
    target = audit.target(NAME)
    try:
        found = facts(audit)
    except AdminRefusedError as error:
        for account in (target.admin, target.credentials):
            for guess in attempts.guessed(
                target, account.user, guesses(account.user), audit.timeout
            ):
                return none_of([f"{account.user} is let in with {_shown(guess, account.user)}"], "")
        return Finding(Status.ERROR, error.message)
    wrong = [text for account in _open(found) if (text := _weak(account, audit))]
    return none_of(
        wrong, f"none of {len(guesses('name'))} guesses is that of {len(_open(found))} accounts"
    )


def _weak(account: Account, audit: Audit) -> str:
    """What is wrong with the account's password, by its hash; where that cannot be made here, by
    logging in as who can."""
    words = guesses(account.user, account.user[::-1], f"{account.user}123")
    for plugin, kept in account.methods:
        if not kept and plugin not in ("unix_socket", "auth_socket"):
            return f"{account} has an empty password"
        if plugin == NATIVE:
            guess = next((word for word in words if native_hash(word) == kept), None)
        elif account.host in (*HOSTS, "%") and not kept.startswith("invalid"):
            tried = attempts.guessed(audit.target(NAME), account.user, words, audit.timeout)
            guess = next(tried, None)
        else:
            guess = None
        if guess is not None:
            return f"the password of {account} is {_shown(guess, account.user)}"
    return ""


def _shown(guess: str, name: str) -> str:
    return "its own name" if guess == name else f"{guess!r}, one of the first to be tried"


def _methods(audit: Audit) -> Finding:
    found = facts(audit)
    wanted = declared(NAME)["methods"][found.flavour]
    wrong = [
        f"{account} comes in by {plugin}"
        for account in _open(found)
        for plugin, _ in account.methods
        if plugin not in wanted
    ]
    used = sorted({plugin for account in _open(found) for plugin, _ in account.methods})
    return none_of(wrong, f"{', '.join(used)}, as declared for {found.flavour}")


def _watched(audit: Audit) -> dict[str, Account]:
    """Every account that may log in, or is a role, but ours."""
    admin = name_of(audit.target(NAME).admin)
    found = facts(audit).accounts
    return {str(one): one for one in found if not one.locked and str(one) != admin}


def _privileged(audit: Audit) -> Finding:
    found, watched = facts(audit), _watched(audit)
    names = set(watched) | {one.user for one in watched.values() if one.role}
    wrong = [
        f"{who} has {', '.join(sorted(set(rights)))}"
        for who, rights in found.whole.items()
        if who in names or who.strip("'") in names
    ]
    ours = name_of(audit.target(NAME).admin)
    wrong += [text for text in found.others if not text.startswith(ours)]
    return none_of(wrong, "the administrator alone; no proxies, no roles")


def _rights(audit: Audit) -> Finding:
    found, watched = facts(audit), _watched(audit)
    wrong = []
    for who, database, name, right, grantable in found.below:
        if who not in watched:
            continue
        if database.lower() in SYSTEM or everything(database):
            wrong.append(f"{who} has {right} on {database}.{name}")
        elif grantable:
            wrong.append(f"{who} may give away {right} on {database}.{name}")
    mine = sorted({f"{who} on {database}" for who, database, *_ in found.below if who in watched})
    return none_of(wrong, f"only {', '.join(mine) or 'none'}")


def _attempts(audit: Audit) -> Finding:
    let = attempts.allowed(audit)
    wrong = [f"it may {what} ({how})" for what, how in let.items()]
    return none_of(wrong, f"refused: {', '.join(declared(NAME)['attempts'])}")


def _code(audit: Audit) -> Finding:
    found, own = facts(audit), audit.target(NAME).credentials.user
    wrong = list(found.libraries)
    wrong += [
        f"{what} runs as {definer}"
        for what, definer in found.routines
        if definer.partition("@")[0] in found_users(found) - {own}
    ]
    return none_of(wrong, "there is none")


def found_users(found: Facts) -> set[str]:
    """The users with rights to the whole server, those that are locked included."""
    return {who.partition("@")[0].strip("'") for who in found.whole}


def _setting(name: str, audit: Audit) -> Finding:
    found, row = facts(audit), declared(NAME)["settings"][name]
    value = found.settings.get(name)
    only = row.get("only", found.flavour)
    if value is None and only != found.flavour:
        return none_of((), f"only {only} has it")
    if name == "secure_file_priv":
        own = audit.files(NAME).path(FILES)
        right = value in ("NULL", own, f"{own}/")
        return account_checks.judged(right, f"it is {value!r}; declared: {own!r}, or none at all")
    if value is None and row.get("only"):
        return none_of((), f"{found.flavour} does not have it any more")
    return account_checks.setting(name, row, value)


CHECKS: Checks = MysqlChecks()
