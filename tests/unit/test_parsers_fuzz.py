"""Whatever bytes a server sends, what reads them returns or says what is wrong, in bounded time.

Seeded mutations of what servers really sent. `FUZZ` is how many inputs all parsers are given
together, `SEED` repeats them; `make fuzz` gives a million.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devstack_tui.contracts.model import Credentials, Endpoint, Target
from devstack_tui.core import socket_table
from devstack_tui.core.errors import DevstackError
from devstack_tui.loadgen.bounded_socket import Reader
from devstack_tui.security.tls import client_hello, facts
from devstack_tui.security.tls.ciphers import STRONG
from devstack_tui.security.tls.client_hello import TLS1_2, TLS1_3, Offer
from devstack_tui.security.tls.probe import read_answer
from devstack_tui.services.mongodb.wire import Wire, scram
from devstack_tui.services.mysql import tls as mysql
from devstack_tui.services.postgres import tls as postgres
from devstack_tui.services.postgres.audit import attempts
from devstack_tui.services.postgres.audit.facts import Account, guessed
from devstack_tui.services.rabbitmq.audit import knock, nodes
from devstack_tui.services.redis import topology
from devstack_tui.services.redis.audit import facts as redis_facts
from devstack_tui.services.redis.instrument import node_view, resp
from devstack_tui.services.redis.instrument.resp import ProtocolError
from devstack_tui.services.reference_api import checks as api
from devstack_tui.services.vault import policies
from tests.unit import tls_recorded as recorded
from tests.unit.fuzz_kit import Parser, Played, mutated
from tests.unit.test_network_checks import TCP, TCP6, UNIX

INPUTS = int(os.environ.get("FUZZ", "30000"))
SEED = os.environ.get("SEED", "devstack-tui")
LIMIT_S = 60.0
"""Against hanging: a busy machine is slow."""
ASKED = (DevstackError, OSError)
"""What a check expects of a conversation."""

NODES = (
    b"07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004,host,shard-id=69bc slave "
    b"e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected\n"
    b"e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 127.0.0.1:30001@31001 myself,master - 0 0 1 "
    b"connected 0-5460 5462 [93-<-292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f]\n"
)
INFO = b"cluster_state:ok\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n"
ROLE = b"role:slave\r\nmaster_link_status:up\r\nslave_repl_offset:42\r\n"
RESP = b"$5\r\nhello\r\n:42\r\n+OK\r\n-ERR no\r\n$-1\r\n$0\r\n\r\n"
START = (
    b"\x01\x00\x00\x00\x00\x00\x31\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x0f\x07versionS\x00\x00\x00"
    b"\x02\x34\x30\x00\x00\x00\x0ePLAIN EXTERNAL\x00\x00\x00\x05en_US\xce"
    b"\x01\x00\x00\x00\x00\x00\x0c\x00\x0a\x00\x1e\x07\xff\x00\x02\x00\x00\x00\x3c\xce"
)
TARGET = Target(
    "rabbitmq",
    Endpoint("amqps", "127.0.0.1", 1),
    {"epmd": 4369},
    Credentials(),
    Path("none"),
    Path("none"),
)


def talk(part: Callable[[Any], object]) -> Callable[[bytes], object]:
    """A conversation, played."""
    return lambda raw: part(Played(raw))


def answer(offer: Offer) -> Callable[[bytes], object]:
    return lambda raw: read_answer(Reader(Played(raw)), offer)  # type: ignore[arg-type]


def names(raw: bytes) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodes, "_connected", lambda *_: contextlib.nullcontext(Played(raw)))
        return nodes.names(TARGET, 1.0)


def replies(raw: bytes) -> object:
    return list(resp.Parser().feed(raw))


def seen(raw: bytes) -> object:
    first, second, third = [*raw.split(b"\x1e"), b"", b""][:3]
    return node_view.Reader().read(first, second, third)


def viewed(raw: bytes) -> object:
    text = raw.decode(errors="replace")
    view = topology.View(
        0, topology.parse_nodes(text), info := topology.parse_info(text), info, info
    )
    return view.me, view.ok, view.link_up, view.offset, view.slots("ok")


def commanded(raw: bytes) -> object:
    wire = object.__new__(Wire)
    wire._deadline = time.monotonic() + LIMIT_S
    wire._socket = Played(raw)  # type: ignore[assignment]
    return wire.command("admin", {"ping": 1})


def logged_in(raw: bytes) -> object:
    wire = object.__new__(Wire)
    wire._deadline = time.monotonic() + LIMIT_S
    wire._socket = Played(raw)  # type: ignore[assignment]
    return wire.login("user", "password")


def documents(*found: dict[str, Any]) -> bytes:
    import bson

    bodies = [b"\0" * 5 + bson.encode(one) for one in found]
    heads = [(16 + len(body)).to_bytes(4, "little") + bytes(8) + b"\xdd\x07\0\0" for body in bodies]
    return b"".join(head + body for head, body in zip(heads, bodies, strict=True))


def shown(raw: bytes) -> object:
    return api._secret("/", api._status(raw)[1])


SECRET = json.dumps({"service": "mysql", "data": {"user": "u", "password": "***"}}).encode()
FAILED = {"ok": 1.0, "writeErrors": [{"errmsg": "no", "code": 11}], "writeConcernError": {"a": 1}}
SASL = {"ok": 1.0, "conversationId": 1, "payload": b"r=abc,s=QUJDRA==,i=15000", "done": False}
PARSERS = (
    Parser("tls 1.2", answer(Offer(TLS1_2, STRONG)), (recorded.MODERN, recorded.FLIGHT), ASKED),
    Parser("tls 1.3", answer(Offer(TLS1_3, STRONG)), (recorded.NEWEST, recorded.ALERT), ASKED),
    Parser(
        "server hello",
        lambda raw: client_hello.server_hello(raw, Offer(TLS1_2, STRONG)),
        (recorded.GO[9:], recorded.ERLANG[9:]),
        ASKED,
    ),
    Parser("certificate", facts.read, (recorded.LEAF,), ASKED),
    Parser("postgres begin", talk(postgres.begin), (b"S", b"E\0\0\0\x0eSFATAL\0Mno\0"), ASKED),
    Parser(
        "postgres login",
        lambda raw: attempts._answer(Reader(Played(raw))),  # type: ignore[arg-type]
        (b"R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0", b"E\0\0\0\x16C28000\0Mno entry\0\0"),
        ASKED,
    ),
    Parser(
        "postgres verifier",
        lambda raw: guessed(Account("a", True, raw.decode(errors="replace"), frozenset()), ("x",)),
        (b"SCRAM-SHA-256$1:QUJDRA==$QUJDRA==:QUJDRA==", b"md5" + b"0" * 32),
    ),
    Parser("mysql begin", talk(mysql.begin), (recorded.GREETING,), ASKED),
    Parser("mysql greeting", mysql.greeting, (recorded.GREETING[4:], b"\xff\x15\x04no"), ASKED),
    Parser("mongodb reply", commanded, (documents({"ok": 1.0}), documents(FAILED)), ASKED),
    Parser("mongodb login", logged_in, (documents(SASL, SASL),), ASKED),
    Parser(
        "mongodb scram",
        lambda raw: scram("x", "n=a,r=abc", raw.decode(errors="replace")),
        (b"r=abcdef,s=QUJDRA==,i=4",),
        ASKED,
    ),
    Parser("amqp", talk(lambda sock: knock.is_let_in(sock, "PLAIN", b"\0a\0b")), (START,), ASKED),
    Parser("epmd", names, (b"\0\0\x11\x11name rabbit-default at port 25672\n",), ASKED),
    Parser("resp", replies, (RESP,), (ProtocolError,)),
    Parser("redis view", seen, (b"\x1e".join((NODES, INFO, ROLE)),), (ProtocolError,)),
    Parser("redis nodes", viewed, (NODES + INFO + ROLE,), (DevstackError,)),
    Parser(
        "redis account",
        lambda raw: redis_facts.account(raw.decode(errors="replace")),
        (
            b"user default on nopass sanitize-payload ~* &* +@all",
            b"user x off #ab -@all",
        ),
    ),
    Parser(
        "policy",
        lambda raw: policies.parse(raw.decode(errors="replace")),
        (
            b'path "secret/data/x" { capabilities = ["read", "list"] } # c\n',
            b'path "a" { policy = "w" }',
        ),
        (DevstackError,),
    ),
    Parser("http", shown, (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n" + SECRET,), ASKED),
    Parser("kernel tcp", lambda raw: dict(socket_table.parse("tcp", raw)), (TCP,)),
    Parser("kernel tcp6", lambda raw: dict(socket_table.parse("tcp6", raw)), (TCP6,)),
    Parser("kernel unix", lambda raw: dict(socket_table.parse("unix", raw)), (UNIX,)),
)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda one: one.name)
def test_a_parser_is_total(parser: Parser) -> None:
    dice = random.Random(f"{SEED} {parser.name}")
    for seed in parser.seeds:
        with contextlib.suppress(*parser.errors):
            parser.read(seed)
    for number in range(INPUTS // len(PARSERS)):
        raw = mutated(dice.choice(parser.seeds), dice)
        if number % 50 == 0:
            raw = dice.randbytes(dice.randrange(300))
        began = time.monotonic()
        try:
            parser.read(raw)
        except parser.errors:
            pass
        except Exception as error:
            raise AssertionError(f"{parser.name} of {raw!r}: {error!r}") from error
        assert time.monotonic() - began < LIMIT_S, raw
