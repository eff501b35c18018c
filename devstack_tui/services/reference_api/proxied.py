"""Sabotages of the reference API's door: a proxy before its plain port that changes what passes.

It takes the place of the API at its port and hands requests on to where the API listens now: what
a reverse proxy that somebody puts there does to the API's own checks.
"""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from devstack_tui.contracts.audit import Sabotage, SabotageStack
from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.reference_api import token
from devstack_tui.services.reference_api.config import FILE
from devstack_tui.services.reference_api.server import UNIT

NAME = "reference_api"
WITHIN_S = 20.0
_PROXY = r"""
import json, re, socket, sys
control = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
here, there = int(sys.argv[2]), int(sys.argv[3])
rules = json.loads(sys.stdin.read())
def changed(raw, rules):
    for old, new in rules:
        raw = re.sub(old.encode(), new.encode(), raw)
    return raw
def whole(sock):
    raw = b""
    while b"\r\n\r\n" not in raw and (more := sock.recv(65536)):
        raw += more
    head, end, body = raw.partition(b"\r\n\r\n")
    size = re.search(rb"(?i)content-length: *(\d+)", head)
    while len(body) < int(size[1] if size else 0) and (more := sock.recv(65536)):
        body += more
    return head + end + body
def passed(sock):
    sock.settimeout(5)
    with socket.create_connection(("127.0.0.1", there), 5) as other:
        # The API knows itself by its own port.
        asked = changed(whole(sock), rules["asked"])
        other.sendall(asked.replace(b":%d" % here, b":%d" % there))
        answer = b""
        while more := other.recv(65536):
            answer += more
        sock.sendall(changed(answer, rules["answered"]))
def serve():
    with socket.create_server(("127.0.0.1", here)) as server:
        control.sendall(b"!")
        while True:
            sock, _ = server.accept()
            with sock:
                try:
                    passed(sock)
                except OSError:
                    pass
import threading
threading.Thread(target=serve, daemon=True).start()
control.recv(1)
"""


@dataclass(frozen=True, slots=True)
class _Proxy:
    """What it does to requests, and to answers: patterns and what stands in their place."""

    id: str
    title: str
    asked: tuple[tuple[str, str], ...] = ()
    answered: tuple[tuple[str, str], ...] = ()


_OWN = {"PYTHONPATH": ""}
"""That of the API may be by descriptors that it alone has."""
_ANY_HOST = (r"(?im)^host:[^\r]*\r\n", "")
_PROXIES = (
    _Proxy(
        "network.reference-api.host",
        "names the API's own host, whatever was asked for",
        (
            _ANY_HOST,
            (r"^(\w+) http://[^/ ]*", r"\1 "),
            (r"^([^\r]*)\r\n", r"\1\r\nHost: 127.0.0.1:{there}\r\n"),
        ),
    ),
    _Proxy(
        "network.reference-api.cross_site",
        "drops what a browser says of the other site, and logs in",
        ((r"(?im)^(origin|sec-fetch-site):[^\r]*\r\n", r"{login}\r\n"),),
    ),
    _Proxy(
        "network.reference-api.form",
        "makes JSON of every write",
        (
            (r"(?im)^content-type:[^\r]*\r\n", ""),
            (r"^(POST[^\r]*)\r\n", r"\1\r\nContent-Type: application/json\r\n"),
        ),
    ),
    _Proxy(
        "network.reference-api.methods",
        "asks by GET instead of a method that it does not know",
        ((r"^(TRACE|PROPFIND|PATCH) [^ ]*", "GET /health/"),),
    ),
    _Proxy(
        "network.reference-api.traversal",
        "tidies paths",
        ((r"^(\w+) (//|/%2e%2e/)", r"\1 /"),),
    ),
    _Proxy(
        "auth.reference-api.no_token",
        "logs in for everybody",
        (
            (r"(?im)^authorization:[^\r]*\r\n", ""),
            (r"^(POST[^\r]*)\r\n", r"\1\r\n{login}\r\n"),
        ),
    ),
    _Proxy(
        "auth.reference-api.masked",
        "shows what the API masks",
        answered=((r'"\*\*\*"', '"abc"'),),
    ),
)
_MOVED = "network.reference-api.gone"
_BOUND = "network.reference-api.listeners"
"""The API has a port that is not declared meanwhile."""


def sabotages() -> tuple[Sabotage, ...]:
    """A proxy for each door, and a port that is gone."""
    return (
        Sabotage(
            _MOVED,
            "the reference API listens at another port",
            NAME,
            functools.partial(_alone, None),
            seconds=3.0,
            expects=("tls.17", _BOUND),
        ),
        *(
            Sabotage(
                proxy.id,
                f"a proxy before the reference API {proxy.title}",
                NAME,
                functools.partial(_alone, proxy),
                seconds=4.0,
                expects=(_BOUND,),
            )
            for proxy in _PROXIES
        ),
    )


@contextlib.contextmanager
def _alone(proxy: _Proxy | None, stack: SabotageStack) -> Iterator[None]:
    target = stack.audit.target(NAME)
    here, there = target.ports["main"], _free()

    def change(text: str) -> str:
        config = codec.decode(text, dict[str, object])
        return msgspec.json.encode({**config, "http_port": there}).decode()

    with stack.reconfigured(NAME, FILE, change):
        if proxy is None:
            yield
            return
        login = token.headers(target.secrets)["Authorization"]
        words = {"{there}": str(there), "{login}": f"Authorization: {login}"}
        rules = json.dumps(
            {
                "asked": [_filled(rule, words) for rule in proxy.asked],
                "answered": [_filled(rule, words) for rule in proxy.answered],
            }
        )
        with _running(stack, [str(here), str(there)], rules):
            yield


def _filled(rule: tuple[str, str], words: dict[str, str]) -> tuple[str, str]:
    old, new = rule
    for name, value in words.items():
        new = new.replace(name, value)
    return old, new


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextlib.contextmanager
def _running(stack: SabotageStack, ports: list[str], rules: str) -> Iterator[None]:
    """The proxy, until we hang up."""
    with socket.create_server(("127.0.0.1", 0)) as ours:
        ours.settimeout(WITHIN_S)
        argv = [sys.executable, "-c", _PROXY, str(ours.getsockname()[1]), *ports]
        thread = threading.Thread(
            target=functools.partial(stack.units.execute, UNIT, argv, stdin=rules, env=_OWN)
        )
        thread.start()
        try:
            control, _ = ours.accept()
            with control:
                control.settimeout(WITHIN_S)
                if not control.recv(1):
                    raise DevstackError("the proxy before the reference API did not start")
                yield
        except TimeoutError:
            raise DevstackError("the proxy before the reference API did not start") from None
        finally:
            ours.close()
            thread.join()
