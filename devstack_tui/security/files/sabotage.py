"""What turns each kind of the suite red: one file, or one process, of one service."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial

from devstack_tui.contracts.audit import Breaking, Sabotage, SabotageStack
from devstack_tui.contracts.processes import Loosening
from devstack_tui.contracts.registry import IDENTITY
from devstack_tui.contracts.service_files import KEY
from devstack_tui.core.environment import of_child
from devstack_tui.core.errors import DevstackError
from devstack_tui.security.files.catalogue import FILES, MACHINE, PROCESSES, SUITE, id_of
from devstack_tui.security.files.scan import STACK

SERIES = "series"
STRAY = ".devstack-tui-stray"
WAIT = 'while [ ! -e "$END" ]; do sleep 0.1; done'
LIMIT_S = 120.0
BEGINS_WITHIN_S = 10.0


def sabotages() -> tuple[Sabotage, ...]:
    """One of each kind that can be shown here: who is not root can give no file away, and start no
    server as root."""
    acts: Mapping[str, tuple[str, Breaking]] = {
        "modes": ("a file is readable to all", _readable),
        "links": ("there is a link to /etc", _linked),
        "keys": ("there is a copy of the private key", _copied_key),
        "secrets": ("a text holds the password", _noted_password),
        "confined": ("it may leave core files", partial(_loosened, Loosening.LIMITS)),
        "arguments": ("a helper has the password as an argument", _argument),
        "commands": ("a client has the password as an argument", _command),
        "environment": ("a helper has the password in its environment", _variable),
    }
    if os.geteuid() == 0:
        acts = {
            **acts,
            "owners": ("a file belongs to root", _of_root),
            "account": ("it runs as root", partial(_loosened, Loosening.ROOT)),
        }
    return tuple(
        Sabotage(
            id=f"{SUITE}.{kind.name}",
            title=f"{kind.proof}: {acts[kind.name][0]}",
            service=kind.proof if kind.proof != STACK else IDENTITY,
            apply=acts[kind.name][1],
            expects=(id_of("commands", STACK),) if kind.name == "arguments" else (),
        )
        for kind in (*FILES, *MACHINE, *PROCESSES)
        if kind.name in acts
    )


def _proof(kind: str) -> str:
    return next(one.proof for one in (*FILES, *PROCESSES) if one.name == kind)


@contextlib.contextmanager
def _readable(stack: SabotageStack) -> Iterator[None]:
    files = stack.audit.files(_proof("modes"))
    files.chmod(SERIES, 0o644)
    try:
        yield
    finally:
        files.chmod(SERIES, 0o600)


@contextlib.contextmanager
def _of_root(stack: SabotageStack) -> Iterator[None]:
    files = stack.audit.files(_proof("owners"))
    own = stack.audit.own_file(stack.audit.ca.parent / "data" / _proof("owners") / STRAY)
    own.files.write(own.name, "stray\n")
    try:
        yield
    finally:
        files.remove(STRAY)


@contextlib.contextmanager
def _linked(stack: SabotageStack) -> Iterator[None]:
    files = stack.audit.files(_proof("links"))
    files.link(STRAY, "/etc")
    try:
        yield
    finally:
        files.remove(STRAY)


@contextlib.contextmanager
def _written(
    kind: str, text: Callable[[SabotageStack], str], stack: SabotageStack
) -> Iterator[None]:
    files = stack.audit.files(_proof(kind))
    files.write(STRAY, text(stack))
    try:
        yield
    finally:
        files.remove(STRAY)


def _copied_key(stack: SabotageStack) -> AbstractContextManager[None]:
    return _written(
        "keys", lambda stack: stack.audit.files(_proof("keys")).read(KEY).decode(), stack
    )


def _noted_password(stack: SabotageStack) -> AbstractContextManager[None]:
    return _written(
        "secrets", lambda stack: f"mongosh --password {_password(stack, 'secrets')}\n", stack
    )


def _password(stack: SabotageStack, kind: str) -> str:
    return stack.audit.target(_proof(kind)).credentials.password


@contextlib.contextmanager
def _loosened(how: Loosening, stack: SabotageStack) -> Iterator[None]:
    with stack.loosened(_proof("confined"), how):
        yield


@contextlib.contextmanager
def _command(stack: SabotageStack) -> Iterator[None]:
    """A program of ours, outside of the stack, until its input ends."""
    argv = ["/bin/sh", "-c", "read end", _password(stack, "arguments")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, env=of_child({})) as client:
        try:
            yield
        finally:
            client.communicate()


def _argument(stack: SabotageStack) -> AbstractContextManager[None]:
    return _beside(stack, _proof("arguments"), [_password(stack, "arguments")], {})


def _variable(stack: SabotageStack) -> AbstractContextManager[None]:
    kind = "environment"
    return _beside(stack, _proof(kind), [], {"PGPASSWORD": _password(stack, kind)})


@contextlib.contextmanager
def _beside(
    stack: SabotageStack, service: str, more: Sequence[str], env: Mapping[str, str]
) -> Iterator[None]:
    """A helper runs beside the server, until it is no longer wanted."""
    files = stack.audit.files(service)
    end = f"{STRAY}-{secrets.token_hex(4)}"
    argv = ["/bin/sh", "-c", WAIT, *more]
    failed: list[DevstackError] = []

    def run() -> None:
        try:
            stack.units.execute(service, argv, env={**env, "END": end}, limit=LIMIT_S)
        except DevstackError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        _await_helper(stack, service, end)
        yield
    finally:
        files.write(end, "")
        thread.join()
        files.remove(end)
    if failed:
        raise failed[0]


def _await_helper(stack: SabotageStack, service: str, end: str) -> None:
    begun = threading.Event()
    for _ in range(int(BEGINS_WITHIN_S / 0.05)):
        if any(
            one.environment.get("END") == end for one in stack.audit.processes().get(service, ())
        ):
            return
        begun.wait(0.05)
    raise DevstackError(f"no helper began beside {service} within {BEGINS_WITHIN_S:.0f} s")
