"""PostgreSQL's checks of suite `auth`: what is decided of bytes, hashes and rules."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import socket

import pytest

from devstack_tui.contracts.audit import ProtocolFault
from devstack_tui.core.errors import DevstackError
from devstack_tui.loadgen.bounded_socket import Reader
from devstack_tui.services.postgres import checks
from devstack_tui.services.postgres.audit import attempts
from devstack_tui.services.postgres.audit.facts import Account, Rule, guessed


def scram(password: str, rounds: int = 4096) -> str:
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    words = [base64.b64encode(part).decode() for part in (salt, stored)]
    return f"SCRAM-SHA-256${rounds}:{words[0]}${words[1]}:x"


@pytest.mark.parametrize(
    ("verifier", "guess"),
    [
        (scram("postgres"), "postgres"),
        (scram(""), ""),
        (scram("kX2-long-and-random"), None),
        ("md5" + hashlib.md5(b"devstackbob").hexdigest(), "devstack"),
        ("", None),
        ("SCRAM-SHA-256$x:!$!:", None),
        ("SCRAM-SHA-256$4096", None),
        ("nothing$known", None),
    ],
)
def test_a_password_is_guessed_by_its_hash(verifier: str, guess: str | None) -> None:
    account = Account("bob", True, verifier, frozenset())
    assert guessed(account, ("", "devstack", "postgres")) == guess
    assert verifier == "" or verifier not in repr(account)


@pytest.mark.parametrize(
    ("kind", "address", "netmask", "method", "told"),
    [
        ("host", "127.0.0.1", "255.255.255.255", "scram-sha-256", ""),
        ("hostssl", "127.0.0.0", "255.0.0.0", "scram-sha-256", ""),
        ("host", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "scram-sha-256", ""),
        ("local", "", "", "scram-sha-256", ""),
        ("host", "0.0.0.0", "0.0.0.0", "reject", ""),
        ("host", "127.0.0.1", "255.255.255.255", "trust", "trust is not a declared method"),
        ("host", "127.0.0.1", "255.255.255.255", "password", "password is not a declared"),
        ("local", "", "", "peer", "peer is not a declared"),
        ("host", "0.0.0.0", "0.0.0.0", "scram-sha-256", "other machines"),
        ("host", "126.0.0.0", "254.0.0.0", "scram-sha-256", "other machines"),
        ("host", "all", "", "scram-sha-256", "other machines"),
        ("host", "samenet", "", "scram-sha-256", "other machines"),
        ("host", "db.example.org", "", "scram-sha-256", "other machines"),
        ("host", "::", "::", "scram-sha-256", "other machines"),
        ("host", "fe80::", "ffff::", "scram-sha-256", "other machines"),
    ],
)
def test_a_rule_is_judged(kind: str, address: str, netmask: str, method: str, told: str) -> None:
    rule = Rule(3, kind, ("all",), ("all",), address, netmask, method, "")
    found = "; ".join(checks._wrong(rule))
    assert (told in found) if told else (found == "")


def test_a_rule_for_replication_is_not_declared() -> None:
    rule = Rule(
        1, "host", ("replication",), ("all",), "127.0.0.1", "255.255.255.255", "scram-sha-256", ""
    )
    assert "for replication" in "; ".join(checks._wrong(rule))


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"R\0\0\0\x08\0\0\0\0", attempts.LET_IN),
        (b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0", "asked for a password by SCRAM"),
        (b"R\0\0\0\x08\0\0\0\x63", "asked for authentication 99"),
        (b"E\0\0\0\x10C28P01\0Mno\0\0", "refused (28P01: no)"),
    ],
)
def test_the_servers_first_answer_is_read(sent: bytes, answer: str) -> None:
    assert answered(sent) == answer


def answered(sent: bytes) -> str:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        return attempts._answer(Reader(ours))


def test_any_bytes_are_an_answer_or_a_fault() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        size = chance.randrange(0, 40)
        head = chance.choice([b"R", b"E", b"", b"R\0\0\0", b"E\0\0\0\x20"])
        try:
            assert isinstance(answered(head + chance.randbytes(size)), str)
        except (ProtocolFault, DevstackError, OSError):
            continue
