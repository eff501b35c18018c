"""PostgreSQL's own security checks: who gets in, and what applications may do."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from devstack_tui.contracts.audit import Audit, Check, Checks, Finding, Sabotage
from devstack_tui.contracts.model import Target
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity import account_checks
from devstack_tui.identity.account_checks import compared, declared, guesses, none_of
from devstack_tui.services.postgres.accounts import MAINTENANCE, refused
from devstack_tui.services.postgres.audit import attempts, sabotages
from devstack_tui.services.postgres.audit.facts import (
    AdminRefusedError,
    Facts,
    Rule,
    facts,
    guessed,
)
from devstack_tui.services.postgres.client import connect
from devstack_tui.services.postgres.server import HBA, HBA_FILE

NAME = "postgres"
WAYS = ("plain", "tls", "sockets")


class PostgresChecks:
    """See `devstack_tui.contracts.audit.Checks`."""

    def checks(self, audit: Audit) -> tuple[Check, ...]:  # noqa: ARG002
        """All of them, the same for every stack."""
        runs = {
            "rules": _rules,
            "ident": lambda audit: none_of(facts(audit).maps, "pg_ident.conf maps nobody"),
            "accounts": _accounts,
            "databases": _stray_databases,
            "privileged": _privileged,
            "passwords": _passwords,
            "hashes": _hashes,
            "attempts": _attempts,
            "grants": lambda audit: none_of(
                facts(audit).grants, f"as initdb left them, in {_databases(facts(audit))}"
            ),
            "public": lambda audit: none_of(
                facts(audit).public, f"it may create in no schema of {_databases(facts(audit))}"
            ),
            "code": lambda audit: none_of(
                facts(audit).code, f"there is none in {_databases(facts(audit))}"
            ),
            "parameters": lambda audit: none_of(
                facts(audit).parameters, "no parameter was granted to anybody"
            ),
        }
        return account_checks.checks(NAME, WAYS, _no_login, runs, _setting)

    def sabotages(self) -> tuple[Sabotage, ...]:
        """What turns them red."""
        return sabotages.sabotages()


def _databases(found: Facts) -> str:
    return ", ".join(found.databases)


def _no_login(way: str, audit: Audit) -> Finding:
    """Every account that may log in, at every kind of database: what the server answers to the
    name alone."""
    target = audit.target(NAME)
    try:
        found = facts(audit)
        names = [account.name for account in found.accounts if account.login]
        directories = found.settings.get("unix_socket_directories", "")
    except AdminRefusedError:
        names, directories = [target.credentials.user, target.admin.user], ""
    paths = list(attempts.sockets(target, directories)) if way == "sockets" else [way]
    answers = [
        (f"{name} at {database}", answer)
        for path in paths
        for name in names
        for database in (target.credentials.database, MAINTENANCE, "replication")
        for answer in [attempts.first_answer(target, path, name, database, audit.timeout)]
    ]
    let = [who for who, answer in answers if answer == attempts.LET_IN]
    if let:
        return none_of([f"{', '.join(let)}: let in without a password"], "")
    seen = sorted({answer for _, answer in answers})
    return none_of((), "; ".join(seen) if answers else "it listens on no Unix socket")


def _rules(audit: Audit) -> Finding:
    try:
        found = facts(audit).rules
    except AdminRefusedError as error:  # a rule may be why: then only the file can be read
        lines = audit.files(NAME).read(HBA_FILE).decode(errors="replace").splitlines()
        own = HBA.format(host=audit.target(NAME).endpoint.host)
        more = [line for line in lines if line.strip() and line not in own.splitlines()]
        return (
            none_of([f"{line!r} is not declared" for line in more], "") if more else _error(error)
        )
    wrong = [text for rule in found for text in _wrong(rule)]
    return none_of(wrong, "; ".join(map(str, found)) or "pg_hba.conf lets nobody in")


def _error(error: DevstackError) -> Finding:
    return Finding(Status.ERROR, error.message)


def _wrong(rule: Rule) -> Iterator[str]:
    wanted = declared(NAME)["rules"]
    if rule.error:
        yield f"line {rule.line} is wrong: {rule.error}"
    elif rule.method not in wanted["methods"]:
        yield f"{rule} is not a declared method"
    elif rule.method != "reject":
        denied = sorted(set(rule.databases) & set(wanted["databases_denied"]))
        if denied:
            yield f"{rule} is for {', '.join(denied)}, which is not declared"
        if rule.type != "local" and not _own_machine(rule):
            yield f"{rule} lets in other machines than this one"


def _own_machine(rule: Rule) -> bool:
    try:
        network = ipaddress.ip_network(
            f"{rule.address}/{rule.netmask}" if "." in rule.netmask else rule.address, strict=False
        )
    except ValueError:  # a host's name, `all`, `samenet`
        return rule.address == "samehost"
    if network.version == 6:
        return str(network.network_address) == "::1" and "ffff:ffff" in (
            rule.netmask or "ffff:ffff"
        )
    return network.subnet_of(ipaddress.IPv4Network("127.0.0.0/8"))


def _accounts(audit: Audit) -> Finding:
    target = audit.target(NAME)
    found = [account.name for account in facts(audit).accounts]
    return compared("accounts", found, (target.credentials.user, target.admin.user))


def _stray_databases(audit: Audit) -> Finding:
    """Those of a benchmark come and go. Another is no fault: somebody may want it."""
    wanted = {audit.target(NAME).credentials.database, *declared(NAME)["databases"]["known"]}
    found = facts(audit).databases
    more = sorted(set(found) - wanted)
    if more:
        return Finding(Status.WARN, f"not declared: {', '.join(more)}")
    return none_of((), ", ".join(found))


def _privileged(audit: Audit) -> Finding:
    target, found = audit.target(NAME), facts(audit)
    may = {
        target.admin.user: declared(NAME)["accounts"]["administrator"],
        target.credentials.user: declared(NAME)["accounts"]["application"],
    }
    wrong = [
        f"{account.name} has {', '.join(sorted(more))}"
        for account in found.accounts
        if (more := account.attributes - set(may.get(account.name, ())))
    ]
    wrong += [f"{member} is a member of {role}" for member, role in found.members]
    return none_of(wrong, f"{target.admin.user} alone; nobody is a member of another role")


def _passwords(audit: Audit) -> Finding:
    target = audit.target(NAME)
    try:
        found = facts(audit)
    except AdminRefusedError as error:
        let = list(_let_in(target, audit.timeout))
        return none_of(let, "") if let else _error(error)
    wrong, tried = [], 0
    for account in found.accounts:
        words = guesses(account.name, account.name[::-1], f"{account.name}123")
        tried = max(tried, len(words))
        guess = guessed(account, words)
        if guess is not None:
            wrong.append(f"the password of {account.name} is {_shown(guess, account.name)}")
    return none_of(wrong, f"none of {tried} guesses is the password of an account")


def _shown(guess: str, name: str) -> str:
    if not guess:
        return "empty"
    return "its own name" if guess == name else f"{guess!r}, one of the first to be tried"


def _let_in(target: Target, timeout: float) -> Iterator[str]:
    """Our accounts that a guess lets in, tried over verified TLS."""
    import msgspec
    import psycopg

    for account in (target.admin, target.credentials):
        for guess in filter(None, guesses(account.user)):
            known = msgspec.structs.replace(account, password=guess)
            try:
                connect(msgspec.structs.replace(target, credentials=known), timeout).close()
            except psycopg.OperationalError as error:
                if not refused(error):
                    return
                continue
            yield f"{account.user} is let in with {_shown(guess, account.user)}"


def _hashes(audit: Audit) -> Finding:
    old = [
        f"{account.name}'s is {account.verifier[:3]}"
        for account in facts(audit).accounts
        if account.verifier and not account.verifier.startswith("SCRAM-SHA-256$")
    ]
    return none_of(old, "all are SCRAM-SHA-256")


def _attempts(audit: Audit) -> Finding:
    let = attempts.allowed(audit)
    wrong = [f"it may {what} ({how})" for what, how in let.items()]
    return none_of(wrong, f"refused: {', '.join(declared(NAME)['attempts'])}")


def _setting(name: str, audit: Audit) -> Finding:
    found = facts(audit).settings
    return account_checks.setting(name, declared(NAME)["settings"][name], found.get(name))


CHECKS: Checks = PostgresChecks()
