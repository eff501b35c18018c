"""Sabotages of suite `network`: a process of the stack that opens a socket which it must not have.

It runs beside a server, as its account and in its environment, so it is the service's own for
whoever looks; it holds its socket until we hang up.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import sys
import threading
from collections.abc import Iterator

from devstack_tui.contracts.audit import Sabotage, SabotageStack
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import DevstackError
from devstack_tui.security.network.catalogue import SABOTAGED, SUITE

WITHIN_S = 20.0
_HOLD = """
import socket, sys
control = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
{opened}
control.sendall(b"!")
control.recv(1)
"""
_OPENED = {
    "listeners": "one = socket.create_server(('127.0.0.2', 0))",
    "loopback": "one = socket.create_server(('0.0.0.0', 0))",
    "unix": "one = socket.socket(socket.AF_UNIX); "
    "one.bind('\\0devstack-tui-' + sys.argv[1]); one.listen()",
    # Nothing is sent: the address is one for documentation (RFC 5737).
    "outgoing": "one = socket.socket(type=socket.SOCK_DGRAM); one.connect(('203.0.113.1', 9))",
}
_TITLES = {
    "listeners": "a process of {title} listens at another address",
    "loopback": "a process of {title} listens at every address",
    "unix": "a process of {title} listens at an abstract socket",
    "outgoing": "a process of {title} is connected beyond this machine",
}


def sabotages() -> tuple[Sabotage, ...]:
    """One for each kind that every service has."""
    one = service(SABOTAGED)
    return tuple(
        Sabotage(
            f"{SUITE}.{one.secret}.{kind}",
            _TITLES[kind].format(title=one.title),
            one.name,
            functools.partial(_held, opened),
            seconds=1.0,
        )
        for kind, opened in _OPENED.items()
    )


@contextlib.contextmanager
def _held(opened: str, stack: SabotageStack) -> Iterator[None]:
    """Raises `DevstackError` when the process could not open its socket."""
    unit = f"{SABOTAGED}-1"
    with socket.create_server(("127.0.0.1", 0)) as ours:
        ours.settimeout(WITHIN_S)
        port = str(ours.getsockname()[1])
        argv = [sys.executable, "-c", _HOLD.format(opened=opened), port]
        errors: list[str] = []

        def run() -> None:
            try:
                ended = stack.units.execute(unit, argv)
                errors.append(ended.errors.strip().rpartition("\n")[2])
            except DevstackError as error:
                errors.append(error.message)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            with _accepted(ours, errors):
                yield
        finally:
            ours.close()
            thread.join()


def _accepted(ours: socket.socket, errors: list[str]) -> socket.socket:
    try:
        control, _ = ours.accept()
        control.settimeout(WITHIN_S)
        if control.recv(1):
            return control
        control.close()
    except TimeoutError:
        pass
    raise DevstackError(f"a process beside the server did not open its socket {errors}")
