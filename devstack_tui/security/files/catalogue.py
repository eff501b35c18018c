"""The checks of the suite: each kind once for the stack's own files and for every service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from devstack_tui.contracts.audit import Audit, Check, Finding, Severity
from devstack_tui.contracts.registry import IDENTITY, services
from devstack_tui.contracts.service import Service
from devstack_tui.security.files import rules
from devstack_tui.security.files.scan import STACK

SUITE = "files"


@dataclass(frozen=True, slots=True)
class Kind:
    """One decision. `proof` is the part whose instance its sabotage breaks; `{name}` is a service
    in `title` and `remedy`."""

    name: str
    title: str
    severity: Severity
    stake: str
    remedy: str
    decide: Callable[[str, Audit], Finding]
    proof: str
    group: str


FILES = (
    Kind(
        "modes",
        "no other account may read, write or enter a file or directory of {name}",
        Severity.HIGH,
        "Whoever may read a password or a key has it; whoever may write a configuration has more.",
        "`devstack-tui restart {name}` closes its directory; else chmod go= FILE",
        rules.modes,
        "postgres",
        "on disk",
    ),
    Kind(
        "owners",
        "everything of {name} belongs to its one account",
        Severity.HIGH,
        "An owner may change a file's mode and its contents at any time.",
        "`devstack-tui restart {name}` hands its files over; else chown FILE",
        rules.owners,
        "postgres",
        "on disk",
    ),
    Kind(
        "links",
        "{name} has no link, pipe, device or setuid file that is not declared",
        Severity.HIGH,
        "Through a link, or a second name, who works as root changes a file of somebody else.",
        "remove it: nothing of ours has made it",
        rules.links,
        "redis",
        "on disk",
    ),
    Kind(
        "keys",
        "no private key of {name} lies where no server reads it",
        Severity.HIGH,
        "A forgotten copy of a key is as good as the key, and nobody rotates it.",
        "remove the copy, then `devstack-tui certs rotate {name}`",
        rules.keys,
        "mysql",
        "on disk",
    ),
    Kind(
        "secrets",
        "no secret of the stack lies in a file of {name} that is not declared for it",
        Severity.HIGH,
        "Logs, histories and copies go into backups and bug reports.",
        "remove it from the file; the files that may hold one are in configs/files.toml",
        rules.secrets,
        "mongodb",
        "on disk",
    ),
)
MACHINE = (
    Kind(
        "commands",
        "nobody on this machine has started a program with a secret of {name} in its arguments",
        Severity.HIGH,
        "Every user of the machine may read the arguments of every process.",
        "end it; a client takes a password from a file, its environment or standard input",
        rules.commands,
        STACK,
        "processes",
    ),
)
PROCESSES = (
    Kind(
        "account",
        "every process of {name} runs as an account of its own, without rights",
        Severity.CRITICAL,
        "Whoever takes over a server has the rights of its account: root's are all of the machine.",
        "`devstack-tui restart {name}` starts it as its own account",
        rules.account,
        "reference_api",
        "processes",
    ),
    Kind(
        "confined",
        "a process of {name} leaves no core file, gets no new rights, and shares no file",
        Severity.MEDIUM,
        "A core file is a copy of all passwords and keys in its memory.",
        "`devstack-tui restart {name}` starts it with both switched off",
        rules.confined,
        "reference_api",
        "processes",
    ),
    Kind(
        "arguments",
        "no process of {name} was started with a secret in its arguments",
        Severity.HIGH,
        "Every user of the machine may read the arguments of every process.",
        "`devstack-tui restart {name}`; a secret goes by a file, or by standard input",
        rules.arguments,
        "postgres",
        "processes",
    ),
    Kind(
        "environment",
        "no process of {name} was started with a secret in its environment",
        Severity.MEDIUM,
        "It is inherited by all that a server starts, and printed by many a crash report.",
        "`devstack-tui restart {name}`; a secret goes by a file, or by standard input",
        rules.environment,
        "postgres",
        "processes",
    ),
)


def checks() -> tuple[Check, ...]:
    """All of them; asks nobody."""
    return tuple(_checks())


def id_of(kind: str, part: str) -> str:
    """The id of the instance of a kind; `part` is a service's name, or `STACK`."""
    return f"{SUITE}.{part.replace('_', '-')}.{kind}"


def _checks() -> Iterator[Check]:
    for kind in (*FILES, *MACHINE):
        yield _check(kind, STACK, IDENTITY, "the stack itself")
    for kind in FILES:
        for service in services():
            yield _check(kind, service.name, service.name, _name(service))
    for kind in PROCESSES:
        for service in services():
            yield _check(kind, service.name, service.name, _name(service))


def _name(service: Service) -> str:
    return service.secret


def _check(kind: Kind, part: str, service: str, name: str) -> Check:
    remedy = kind.remedy
    if part == STACK:
        remedy = remedy.replace("restart {name}", "up").replace(" {name}", "")
    return Check(
        id=id_of(kind.name, part),
        suite=SUITE,
        title=kind.title.replace("{name}", name),
        severity=kind.severity,
        service=service,
        stake=kind.stake,
        remedy=remedy.replace("{name}", name),
        sabotage=f"{SUITE}.{kind.name}" if part == kind.proof else "",
        run=partial(kind.decide, part),
        kind=f"{SUITE}.{kind.name}",
        group=kind.group,
    )
