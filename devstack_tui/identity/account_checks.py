"""The checks of suite `auth`: their texts, and what is declared of each service's accounts and
settings, are in `configs/accounts.toml`; how it is found out is each technology's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from devstack_tui.contracts.audit import Audit, Check, Finding, Severity
from devstack_tui.core.check import Status
from devstack_tui.core.config import read_toml
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.paths import shipped
from devstack_tui.loadgen.bounded_socket import translated

FILE = "configs/accounts.toml"
SUITE = "auth"
SETTING = "setting"
SHORTEST = 16
"""How many characters a password has that nobody types."""
Run = Callable[[Audit], Finding]


@functools.cache
def declared(service: str) -> dict[str, Any]:
    """The table of a service."""
    found = _file()[service]
    assert isinstance(found, dict)
    return found


@functools.cache
def _file() -> dict[str, Any]:
    return read_toml(shipped(FILE))


def guesses(*names: str) -> tuple[str, ...]:
    """The passwords that are tried first: an account's own name, and those that servers and images
    come with."""
    return tuple(dict.fromkeys((*names, *_file()["guesses"])))


def weak(name: str, password: str) -> str:
    """Why the password that Vault has for an account is no good one; empty for one that is."""
    if password in guesses(name):
        return f"the password of {name} in Vault is one of the first to be tried"
    if len(password) < SHORTEST:
        return f"the password of {name} in Vault has {len(password)} characters only"
    return ""


def check(service: str, kind: str, run: Run, *, unit: str = "", what: str = "") -> Check:
    """A check of one kind. `unit` is the node, if the service has several, and `what` distinguishes
    the instances of one node; a setting has a row of its own. The sabotage that proves an instance
    is called as it is."""
    table = declared(service)
    row = table["checks"][kind]
    unit = unit or service
    name = what or kind
    if kind == SETTING:
        row = {**row, **table["settings"][what]}
    elif what:
        name = f"{kind}.{what}"
    title, remedy = (
        str(row[text]).replace("{unit}", unit).replace("{what}", what)
        for text in ("title", "remedy")
    )
    return Check(
        id=f"{SUITE}.{unit}.{name}",
        suite=SUITE,
        title=f"{unit}: {title}",
        severity=Severity(row["severity"]),
        service=service,
        stake=row["stake"],
        remedy=remedy,
        sabotage=f"{SUITE}.{unit}.{name}",
        run=run,
        kind=f"{SUITE}.{service}.{kind}",
        group="settings" if kind == SETTING else "accounts",
    )


def unanswered(who: str, error: Exception, limit: float) -> Exception:
    """A driver's or a socket's error, with the reason in words."""
    found = translated(error)
    if isinstance(found, TimeoutError):
        return UnreachableError(f"{who} does not answer within {limit:g} s")
    if isinstance(found, ConnectionRefusedError):
        return UnreachableError(f"{who} does not run: the connection is refused")
    return found


def checks(
    service: str,
    ways: Iterable[str],
    no_login: Callable[[str, Audit], Finding],
    runs: Mapping[str, Run],
    of_setting: Callable[[str, Audit], Finding],
) -> tuple[Check, ...]:
    """Those of a service with one server: a login by each way, each of `runs` by its kind, and each
    declared setting."""
    return (
        *(check(service, "no_login", partial(no_login, way), what=way) for way in ways),
        *(check(service, kind, run) for kind, run in runs.items()),
        *(
            check(service, SETTING, partial(of_setting, name), what=name)
            for name in declared(service)["settings"]
        ),
    )


def judged(right: bool, evidence: str) -> Finding:
    """PASS or FAIL."""
    return Finding(Status.PASS if right else Status.FAIL, evidence)


def passed(found: Finding) -> bool:
    """Whether a part of a check holds."""
    return found.status is Status.PASS


def compared(what: str, found: Collection[str], wanted: Collection[str]) -> Finding:
    """Whether exactly the declared ones are there."""
    more, less = sorted(set(found) - set(wanted)), sorted(set(wanted) - set(found))
    wrong = [f"{what} that are not declared: {', '.join(more)}"] if more else []
    wrong += [f"declared {what} that are missing: {', '.join(less)}"] if less else []
    return judged(not wrong, "; ".join(wrong) or f"{what}: {', '.join(sorted(found)) or 'none'}")


def none_of(wrong: Iterable[str], right: str) -> Finding:
    """FAIL with all that is wrong, PASS with what is right."""
    wrong = list(wrong)
    return judged(not wrong, "; ".join(wrong) or right)


def setting(name: str, row: Mapping[str, Any], value: str | None) -> Finding:
    """Whether a setting has its declared value; None: the server does not have it, which a row may
    say is right."""
    if value is None:
        if row.get("since"):
            return Finding(Status.PASS, f"a version before {row['since']} does not have {name}")
        return Finding(Status.FAIL, f"the server does not report {name}")
    return judged(value == row["value"], f"{name} is {value!r}; declared: {row['value']!r}")
