"""How the checks of suite `auth` judge what servers report of themselves, and how they read bytes
that are no answer. The servers are real in tests/sabotage; here are what none of them would say."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

import msgspec
import pytest

from devstack_tui.contracts.audit import ProtocolFault
from devstack_tui.contracts.model import Credentials, Endpoint, Target
from devstack_tui.core.check import Status
from devstack_tui.services.mongodb import checks as mongodb
from devstack_tui.services.mongodb.audit.facts import loud
from devstack_tui.services.rabbitmq import checks as rabbitmq
from devstack_tui.services.rabbitmq.accounts import hashed
from devstack_tui.services.rabbitmq.audit.facts import Facts as RabbitmqFacts
from devstack_tui.services.rabbitmq.audit.facts import User
from devstack_tui.services.rabbitmq.audit.knock import is_let_in
from devstack_tui.services.redis import accounts
from devstack_tui.services.redis.audit import accounts as redis
from devstack_tui.services.redis.audit.facts import NodeFacts, account, functions

TARGET = Target(
    "redis",
    Endpoint("redis", "127.0.0.1", 1),
    {},
    Credentials("devstack", "of-the-application", "devstack"),
    Path("ca"),
    Path(),
    admin=Credentials("devstack_admin", "of-ours-and-no-others"),
)
USUAL = [f"user {name} {' '.join(words)}" for name, words in accounts.rules(TARGET).items()]


def node(lines: list[str], may: frozenset[str] = frozenset({"info"})) -> NodeFacts:
    known = {found.name: found for line in lines if (found := account(line))}
    return NodeFacts(known, {}, {"application": may}, ())


def with_rule(name: str, rule: str) -> list[str]:
    return [line + f" {rule}" if line.startswith(f"user {name} ") else line for line in USUAL]


def test_redis_accounts_are_as_declared() -> None:
    for judge in (redis.exactly, redis.as_kept):
        assert judge(node(USUAL), TARGET).status is Status.PASS
    assert redis.rights("application", node(USUAL), TARGET).status is Status.PASS


@pytest.mark.parametrize(
    ("name", "rule", "said"),
    [
        ("default", "nopass", "default accepts any password"),
        ("default", "on", "default is on"),
        ("default", "~*", "default has rights: ~*"),
        ("default", "&news", "default has rights: &news"),
        ("default", "+get", "default has rights: +get"),
        ("default", "(~x +get)", "default has rights: (~x +get)"),
        ("devstack", "#" + accounts.fingerprint("devstack"), "further password, 'devstack'"),
        ("devstack_admin", "#" + accounts.fingerprint("x" * 40), "has a further password"),
        ("replica", "#" + accounts.fingerprint(""), "further password, ''"),
    ],
)
def test_another_password_of_a_redis_account_is_named(name: str, rule: str, said: str) -> None:
    found = redis.as_kept(node(with_rule(name, rule)), TARGET)
    assert found.status is Status.FAIL
    assert said in found.evidence


def test_keys_that_an_account_reaches_are_compared() -> None:
    found = redis.rights("application", node(with_rule("devstack", "(~x +get)")), TARGET)
    assert found.status is Status.FAIL


@pytest.mark.parametrize("line", ["", "user", "user ", "no account", "user a", "user a #", "\0"])
def test_a_line_that_is_no_account_is_read_all_the_same(line: str) -> None:
    account(line)


def test_libraries_of_functions_are_named() -> None:
    assert functions([]) == {"functions": "none"}
    listed = [["library_name", "mine", "engine", "LUA", "functions", []], ["library_name"], 1]
    assert functions(listed) == {"functions": "mine, ?, ?"}
    assert functions(ValueError("unknown command 'FUNCTION'")) == {}
    for garbled in (None, "OK", {}, ValueError("no permission")):
        with pytest.raises(ProtocolFault):
            functions(garbled)


def test_parts_of_the_log_of_mongodb_that_are_loud_are_named() -> None:
    usual = {"verbosity": 0, "storage": {"verbosity": -1, "journal": {"verbosity": -1}}}
    assert not list(loud(usual))
    assert list(loud({"verbosity": 1, "command": {"verbosity": 2}})) == ["all 1", "command 2"]
    assert list(loud({"storage": {"journal": {"verbosity": "x"}}})) == ["journal x"]
    for garbled in (None, 1, {"storage": 5}):
        with pytest.raises(ProtocolFault):
            list(loud(garbled))


def test_a_hash_of_rabbitmq_is_of_one_password() -> None:
    kept = hashed("of-the-application", b"salt")
    right = User("devstack", kept, "rabbit_password_hashing_sha256", [])
    facts = RabbitmqFacts([right], [], ["devstack"], (40, 16), {})
    assert rabbitmq.password(facts, TARGET).status is Status.PASS
    weak = User("devstack", hashed("devstack", b"salt"), "rabbit_password_hashing_sha256", [])
    found = rabbitmq.password(RabbitmqFacts([weak], [], [], (4, 1), {}), TARGET)
    assert "not the one of Vault but 'devstack'" in found.evidence
    garbled = User("devstack", "\N{SNOWMAN}", "rabbit_password_hashing_", [])
    facts = RabbitmqFacts([garbled], [], [], (4, 1), {})
    assert rabbitmq.password(facts, TARGET).status is Status.FAIL


@pytest.mark.parametrize(
    "scram",
    [
        {},
        {"iterationCount": 15000, "salt": "?", "storedKey": 1},
        {"iterationCount": -1, "salt": "AAAA", "storedKey": "AAAA"},
        {"iterationCount": "many", "salt": "AAAA", "storedKey": "AAAA"},
        {"iterationCount": 10**9, "salt": "AAAA", "storedKey": "AAAA"},
        {"iterationCount": 10**30, "salt": "AAAA", "storedKey": "AAAA"},
    ],
)
def test_a_credential_of_mongodb_that_cannot_be_read_is_not_the_right_one(
    scram: dict[str, object],
) -> None:
    shown = {"admin.devstack": {"credentials": {"SCRAM-SHA-256": scram}}}
    facts = mongodb.Facts(shown, (), {}, {}, ())
    assert mongodb.password("application", facts, TARGET).status is Status.FAIL


def answered(data: bytes) -> bool | None:
    """What an answer of these bytes amounts to; None: it is no AMQP."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)

        def serve() -> None:
            theirs.sendall(data)
            theirs.shutdown(socket.SHUT_WR)

        server = threading.Thread(target=serve)
        server.start()
        try:
            return is_let_in(ours, "PLAIN", b"\0a\0b")
        except ProtocolFault:
            return None
        finally:
            server.join()


def frame(method: int, rest: bytes = b"") -> bytes:
    body = b"\0\x0a" + method.to_bytes(2, "big") + rest
    return b"\x01\0\0" + len(body).to_bytes(4, "big") + body + b"\xce"


START = frame(10, b"\0\x09" + b"\0\0\0\0" + b"\0\0\0\x0ePLAIN AMQPLAIN" + b"\0\0\0\x05en_US")
ANONYMOUS_ONLY = frame(10, b"\0\x09" + b"\0\0\0\0" + b"\0\0\0\x09ANONYMOUS" + b"\0\0\0\x05en_US")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (START + frame(30, b"\0" * 8), True),
        (START + frame(50), False),
        (START, False),
        (ANONYMOUS_ONLY, False),
        (b"", None),
        (b"AMQP\0\x01\0\0", None),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", None),
        (b"\x01\0\0\xff\xff\xff\xff", None),
        (frame(30), None),
    ],
)
def test_a_login_of_amqp_is_accepted_or_not(data: bytes, expected: bool | None) -> None:
    assert answered(data) is expected


def test_no_bytes_make_the_login_of_amqp_fail_otherwise() -> None:
    chance = random.Random(16)
    for _ in range(300):
        data = bytearray(START + frame(50))
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        answered(bytes(data[: chance.randrange(len(data) + 1)]))


@pytest.mark.parametrize("password", ["", "devstack", "postgres", "of-15-character"])
def test_a_password_that_vault_has_may_be_weak_itself(password: str) -> None:
    target = msgspec.structs.replace(TARGET, credentials=Credentials("devstack", password))
    lines = [f"user {name} {' '.join(words)}" for name, words in accounts.rules(target).items()]
    found = redis.as_kept(node(lines), target)
    assert found.status is Status.FAIL
    assert "in Vault" in found.evidence
