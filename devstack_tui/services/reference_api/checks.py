"""The security checks of the reference API's door: real requests that could do no harm were they
let through. A write is always one whose body is refused once it has passed the door (422)."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import msgspec

from devstack_tui.contracts.audit import (
    Audit,
    Check,
    Checks,
    Finding,
    ProtocolFault,
    Sabotage,
    Severity,
)
from devstack_tui.contracts.model import Target
from devstack_tui.core import codec
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.tls import client_context
from devstack_tui.loadgen.bounded_socket import Reader, guarded, translated
from devstack_tui.services.reference_api import proxied, token

NAME = "reference_api"
_MAX_ANSWER = 64 * 1024  # bytes
_WRITE = "POST /examples/messaging/publish"
_PASSED = 422
MASK = "***"
JSON = ("Content-Type: application/json",)


@dataclass(frozen=True, slots=True)
class Request:
    """What stands on the wire, and the statuses that refuse it. `{host}` is the listener's name and
    port, `{scheme}` http or https."""

    line: str
    refused: tuple[int, ...]
    headers: tuple[str, ...] = ("Host: {host}",)
    body: bytes = b""

    def shown(self, words: Mapping[str, str]) -> str:
        """As it was sent; its own Host is left out where it is the only one."""
        hosts = sum(header.startswith("Host:") for header in self.headers)
        headers = [one for one in self.headers if hosts > 1 or one != "Host: {host}"]
        lines = _filled([self.line, *headers, *([] if hosts else ["no Host"])], words)
        return ", ".join(f"{line}(empty)" if line.endswith(": ") else line for line in lines)


def _get(path: str, refused: tuple[int, ...] = ()) -> Request:
    return Request(f"GET {path}", refused)


def _write(refused: tuple[int, ...], *headers: str) -> Request:
    return Request(_WRITE, refused, ("Host: {host}", *headers), b"{}")


@dataclass(frozen=True, slots=True)
class Door:
    """One decision: every one of `requests` is refused."""

    suite: str
    name: str
    title: str
    severity: Severity
    stake: str
    requests: tuple[Request, ...]


_FORBIDDEN = (400, 403)
DOORS = (
    Door(
        "network",
        "host",
        "a request that names another host is refused",
        Severity.HIGH,
        "A page of another site whose name is made to lead to this machine (DNS rebinding) is the "
        "API's own page for the browser: it can read all, and write.",
        (
            _get("http://rebound.example/health/", _FORBIDDEN),
            *(
                Request("GET /health/", _FORBIDDEN, tuple(f"Host: {host}" for host in hosts))
                for hosts in (
                    ("rebound.example",),
                    ("rebound.example:{port}",),
                    ("x@{host}",),
                    ("{host}@rebound.example",),
                    ("127.0.0.1",),
                    ("127.0.0.1:1",),
                    ("localhost.:{port}",),
                    ("/",),
                    ("",),
                    (),
                    ("{host}", "rebound.example"),
                )
            ),
        ),
    ),
    Door(
        "network",
        "cross_site",
        "a request that a page of another site makes is refused",
        Severity.HIGH,
        "Any page in the user's browser could write through the API to every service behind it.",
        tuple(
            _write((403,), *JSON, header)
            for header in (
                "Origin: https://evil.example",
                "Origin: null",
                "Origin: {scheme}://127.0.0.1:1",
                "Origin: {scheme}://127.0.0.1",
                "Sec-Fetch-Site: cross-site",
                "Sec-Fetch-Site: same-site",
            )
        ),
    ),
    Door(
        "network",
        "form",
        "a write that a form could send is refused",
        Severity.MEDIUM,
        "A browser sends a form, or text, to any site without asking it first.",
        tuple(
            _write((415,), "Origin: {scheme}://{host}", *kind)
            for kind in (
                (),
                ("Content-Type: text/plain",),
                ("Content-Type: application/x-www-form-urlencoded",),
                ("Content-Type: text/plain; application/json",),
            )
        ),
    ),
    Door(
        "network",
        "methods",
        "methods beyond its routes are refused",
        Severity.LOW,
        "TRACE gives back what the browser keeps from a page; CONNECT makes a proxy of the API.",
        tuple(
            Request(f"{method} {path}", (400, 405))
            for method, path in (
                ("TRACE", "/health/"),
                ("CONNECT", "127.0.0.1:1"),
                ("DELETE", "/health/"),
                ("PATCH", "/examples/cache/devstack-tui:check"),
                ("PROPFIND", "/"),
            )
        ),
    ),
    Door(
        "network",
        "traversal",
        "a path that leads elsewhere is refused",
        Severity.MEDIUM,
        "A path with empty, dotted or encoded parts may mean another file or service to what is "
        "behind the API.",
        tuple(
            _get(path, (400, 404))
            for path in (
                "/..%2f..%2fetc/passwd",
                "/../../etc/passwd",
                "//health/",
                "/%2e%2e/health/",
                "/examples/vault/secret/..%2fadmin",
                "/examples/vault/secret/%252e%252e",
                "/examples/cache/..",
            )
        ),
    ),
    Door(
        "auth",
        "no_token",
        "nobody writes without the stack's token",
        Severity.HIGH,
        "Every account of this machine reaches the port: without a token each of them writes to "
        "the services behind the API, with the API's own rights.",
        tuple(
            _write((401,), *JSON, *given)
            for given in (
                (),
                ("Authorization: Bearer",),
                ("Authorization: Bearer ",),
                ("Authorization: Bearer " + "A" * 43,),
                ("Authorization: Basic ZGV2c3RhY2s6ZGV2c3RhY2s=",),
                ("X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: {host}"),
            )
        ),
    ),
)


class _Shown(msgspec.Struct):
    """What the API answers: a whole secret, or one key of it."""

    service: str
    data: dict[str, str] = {}
    value: str = ""


class ReferenceApiChecks:
    """See `devstack_tui.contracts.audit.Checks`."""

    def checks(self, audit: Audit) -> tuple[Check, ...]:  # noqa: ARG002
        """Every door, of the listener with TLS and of the one without."""
        found = []
        for tls, name in ((True, "reference-api"), (False, "reference-api-plain")):
            found += [_check(door, name, functools.partial(_closed, door, tls)) for door in DOORS]
            found.append(_check(MASKED, name, functools.partial(_masked, tls)))
        return tuple(found)

    def sabotages(self) -> tuple[Sabotage, ...]:
        """What turns them red."""
        return proxied.sabotages()


MASKED = Door(
    "auth",
    "masked",
    "the secrets that it reads from Vault are masked",
    Severity.CRITICAL,
    "Whoever reaches the port may read: a password that is shown is everybody's.",
    (),
)


def _check(door: Door, name: str, run: Callable[[Audit], Finding]) -> Check:
    sabotage = f"{door.suite}.reference-api.{door.name}" if name.endswith("plain") else ""
    return Check(
        id=f"{door.suite}.{name}.{door.name}",
        suite=door.suite,
        title=f"{name}: {door.title}",
        severity=door.severity,
        service=NAME,
        stake=door.stake,
        remedy="put no proxy before the API that changes requests; "
        "`devstack-tui restart reference_api`",
        sabotage=sabotage,
        run=run,
        kind=f"{door.suite}.door.{door.name}",
        group="door",
    )


def _closed(door: Door, tls: bool, audit: Audit) -> Finding:
    passed, answers, words = [], [], _words(audit, tls)
    for request in door.requests:
        status, _ = _ask(audit, request, tls)
        answers.append(f"{request.shown(words)} → {status}")
        if status not in request.refused:
            passed.append(answers[-1])
    # Where everything is answered alike, whoever answers, nothing is decided.
    control = _control(audit, tls)
    if passed:
        return Finding(Status.FAIL, f"let through: {'; '.join(passed)}; {control}")
    return Finding(Status.PASS, f"{'; '.join(answers)}; {control}")


def _control(audit: Audit, tls: bool) -> str:
    """What is let through as it should be: a refusal says nothing where all is refused. Raises
    `DevstackError`."""

    def ask() -> object:
        own = [*JSON, "Origin: {scheme}://{host}"]
        if tls:  # a secret goes to a proven server alone
            own = [f"{name}: {value}" for name, value in token.headers(audit.secrets).items()]
        read, _ = _ask(audit, _get("/health/"), tls)
        write, _ = _ask(audit, _write((), *own), tls)
        if (read, write) != (200, _PASSED):
            raise DevstackError(
                f"reading answers {read}, and a write of ours {write}, not 200 and {_PASSED}: "
                "who answers is not the API as it should be",
                "`devstack-tui restart reference_api`",
            )
        return f"reading answers {read}, and a write of ours passes the door ({write})"

    return str(audit.once(f"reference api control {tls}", ask))


def _masked(tls: bool, audit: Audit) -> Finding:
    shown, asked = [], []
    for name in audit.services():
        target = audit.target(name)
        if not target.credentials.password:
            continue
        for path in (f"/examples/vault/secret/{name}", f"/examples/vault/secret/{name}/password"):
            status, body = _ask(audit, _get(path), tls)
            if status == 200:
                asked.append(path)
                if _secret(path, body) != MASK:
                    shown.append(path)
    if shown:
        return Finding(Status.FAIL, f"not masked: {', '.join(shown)}")
    if not asked:
        return Finding(Status.INCONCLUSIVE, "no secret could be asked for")
    return Finding(Status.PASS, f"masked: {', '.join(asked)}")


def _secret(path: str, body: bytes) -> str:
    """The password as the API shows it. Raises `ProtocolFault` for another document."""
    try:
        shown = codec.decode(body, _Shown)
    except ValueError:
        raise ProtocolFault(f"{path} is answered with something else than a secret") from None
    return shown.value or shown.data.get("password", "")


# -- asking ------------------------------------------------------------------------------------


def _ask(audit: Audit, request: Request, tls: bool) -> tuple[int, bytes]:
    """Status and body of the answer to one request on a connection of its own. Raises
    `DevstackError` or `OSError`."""
    target, words = audit.target(NAME), _words(audit, tls)
    head = _filled([f"{request.line} HTTP/1.1", *request.headers], words)
    head += [f"Content-Length: {len(request.body)}"] if request.body else []
    raw = "\r\n".join([*head, "Connection: close", "", ""]).encode() + request.body
    try:
        return _status(_sent(target, int(words["port"]), raw, tls, audit.timeout))
    except TimeoutError:
        raise DevstackError(f"{words['host']} gave no answer in time") from None
    except OSError as error:
        raise translated(error) from None


def _words(audit: Audit, tls: bool) -> dict[str, str]:
    """What fills in the requests of one listener."""
    target = audit.target(NAME)
    host, port = target.endpoint.host, target.ports["tls" if tls else "main"]
    return {"host": f"{host}:{port}", "port": str(port), "scheme": "https" if tls else "http"}


def _filled(lines: Iterable[str], words: Mapping[str, str]) -> list[str]:
    return [line.format_map(words) for line in lines]


def _sent(target: Target, port: int, raw: bytes, tls: bool, timeout: float) -> bytes:
    where = (target.endpoint.host, port)
    with socket.create_connection(where, timeout) as plain, guarded(plain.fileno(), timeout):
        context = client_context(target.ca, target.name) if tls else None
        sock = context.wrap_socket(plain, server_hostname=where[0]) if context else plain
        with sock:
            sock.sendall(raw)
            reader, answer = Reader(sock), bytearray()
            while len(answer) < _MAX_ANSWER and (more := reader.some(_MAX_ANSWER)):
                answer += more
            return bytes(answer)


def _status(answer: bytes) -> tuple[int, bytes]:
    """Raises `ProtocolFault` for what is no HTTP."""
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if not words[0].startswith(b"HTTP/1.") or len(words) < 2 or not words[1][:3].isdigit():
        raise ProtocolFault("its answer is no HTTP" if answer else "it closed the connection")
    return int(words[1][:3]), body


CHECKS: Checks = cast(Checks, ReferenceApiChecks())
