"""The two listeners by which Erlang's nodes find and talk to each other: the port mapper, which
asks nobody who they are, and the distribution, which is in plain and asks for the cookie."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import Iterator

from devstack_tui.contracts.audit import (
    Audit,
    Check,
    Finding,
    ProtocolFault,
    SabotageStack,
    Severity,
    as_declared,
)
from devstack_tui.contracts.model import Target
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.loadgen.bounded_socket import Reader, translated

SERVICE = "rabbitmq"
_NAMES, _ALIVE2, _ALIVE_ANSWERS = b"n", b"x", (121, 118)
_LARGEST = 64 * 1024
_LINE = re.compile(r"^name (\S+) at port (\d+)$", re.MULTILINE)
STRAY = "devstack_tui_stray"
# What a node must say to be answered since OTP 23; the name is one that no node here has.
_FLAGS = 0x0000_000D_07DF_7FBD
_NOBODY = b"devstack_tui_audit@localhost"
DECIDED = ("ok", "ok_simultaneous", "nok", "not_allowed", "alive")


def checks() -> tuple[Check, ...]:
    """One of each listener."""
    return (
        Check(
            id="tls.rabbitmq-epmd.names",
            title="rabbitmq-epmd: the port mapper knows our node alone",
            severity=Severity.MEDIUM,
            stake="It asks nobody who they are: a node of somebody else's under the name of ours "
            "would be sent our node's tools, and their cookie's proof.",
            remedy="end the process that holds the name in the evidence, then "
            "`devstack-tui restart rabbitmq`",
            sabotage="rabbitmq.epmd_stray",
            run=_names,
            kind="tls.epmd",
            suite="tls",
            service=SERVICE,
            group="nodes",
        ),
        Check(
            id="tls.rabbitmq-dist.plain",
            title="rabbitmq-dist: Erlang's distribution is in plain on loopback, as declared",
            severity=Severity.LOW,
            stake="What our tools say to the node crosses loopback in clear; who has the cookie "
            "runs any program as it.",
            remedy="keep it on loopback (`inet_dist_use_interface` in vm.args) and the cookie 0600",
            sabotage="",
            run=_distribution,
            kind="tls.distribution",
            suite="tls",
            service=SERVICE,
            group="nodes",
        ),
    )


def _names(audit: Audit) -> Finding:
    target = audit.target(SERVICE)
    port, found = names(target, audit.timeout)
    own = target.ports["dist"]
    seen = ", ".join(f"{name} at {at}" for name, at in found.items()) or "no node"
    evidence = f"epmd at {port} says to anybody on loopback: {seen}"
    if [*found.values()] != [own]:
        return Finding(Status.FAIL, f"{evidence}; declared: one node, at {own}")
    return as_declared(f"{evidence}; as declared: it has no TLS and asks for no login")


def names(target: Target, timeout: float) -> tuple[int, dict[str, int]]:
    """What the port mapper answers to NAMES: its own port, and each node's. Raises `OSError` and
    `ProtocolFault`."""
    port = target.ports["epmd"]
    with _connected(target, port, timeout) as sock:
        sock.sendall(struct.pack(">H", 1) + _NAMES)
        reader = Reader(sock)
        head = reader.exactly(4)
        body = bytearray()
        while part := reader.some(4096):
            body += part
            if len(body) > _LARGEST:
                raise ProtocolFault("the port mapper's answer does not end")
    if int.from_bytes(head, "big") != port:
        raise ProtocolFault(f"what listens at {port} is no port mapper")
    text = body.decode("utf-8", "replace")
    return port, {name: int(at) for name, at in _LINE.findall(text)}


def _distribution(audit: Audit) -> Finding:
    """The first two words of a handshake between nodes: it is not ended, so nobody is let in."""
    target = audit.target(SERVICE)
    port = target.ports["dist"]
    words = struct.pack(">cQIH", b"N", _FLAGS, 1, len(_NOBODY)) + _NOBODY
    try:
        with _connected(target, port, audit.timeout) as sock:
            sock.sendall(struct.pack(">H", len(words)) + words)
            reader = Reader(sock)
            size = int.from_bytes(reader.exactly(2), "big")
            answer = reader.exactly(min(size, 256))
    except ProtocolFault as error:
        return Finding(Status.PASS, f"in plain nobody is answered at {port}: {error.message}")
    if answer[:1] != b"s":
        raise ProtocolFault(f"what listens at {port} does not begin as Erlang's distribution")
    status = answer[1:].decode("ascii", "replace").partition(":")[0]
    if status not in (*DECIDED, "named"):
        raise ProtocolFault(f"Erlang's distribution answered {status!r}")
    return as_declared(
        f"in plain at {port} it answered {status}, and asks for the cookie next; as declared: "
        "loopback alone, and only for our own tools"
    )


@contextlib.contextmanager
def stray(stack: SabotageStack) -> Iterator[None]:
    """Somebody has registered a node of theirs with the port mapper."""
    target = stack.audit.target(SERVICE)
    name = STRAY.encode()
    words = _ALIVE2 + struct.pack(">HBBHHH", 1, 77, 0, 6, 5, len(name)) + name + b"\0\0"
    with _connected(target, target.ports["epmd"], stack.audit.timeout) as sock:
        sock.sendall(struct.pack(">H", len(words)) + words)
        if Reader(sock).exactly(2)[0] not in _ALIVE_ANSWERS:
            raise DevstackError("the port mapper took no stray node")
        yield


@contextlib.contextmanager
def _connected(target: Target, port: int, timeout: float) -> Iterator[socket.socket]:
    try:
        with socket.create_connection((target.endpoint.host, port), timeout) as sock:
            sock.settimeout(timeout)
            yield sock
    except OSError as error:
        raise translated(error) from None
