"""The ClientHello is what it says, and no bytes of a server can harm its reader."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from devstack_tui.contracts.audit import ProtocolFault
from devstack_tui.security.tls import ciphers, facts
from devstack_tui.security.tls.client_hello import (
    ALERT,
    HANDSHAKE,
    SSL3,
    TLS1_0,
    TLS1_2,
    TLS1_3,
    Offer,
    alert,
    client_hello,
    hello_length,
    record_header,
    server_hello,
)
from devstack_tui.services.mysql.tls import SSL, greeting
from tests.unit import tls_recorded as recorded

MODERN = Offer(TLS1_2, ciphers.STRONG, deflate=True)
NEWEST = Offer(TLS1_3, ciphers.TLS13)
MUTATIONS = 4000


def test_the_hello_offers_exactly_the_version_and_the_ciphers() -> None:
    raw = client_hello(Offer(TLS1_0, (0x0005, 0xC009), name="db.example"))
    assert raw[:3] == bytes([HANDSHAKE, 3, 1])
    assert int.from_bytes(raw[3:5], "big") == len(raw) - 5
    assert raw[5] == 1
    assert int.from_bytes(raw[6:9], "big") == len(raw) - 9
    assert raw[9:11] == b"\x03\x01"
    assert raw[43:44] == b"\0", "no session id"
    assert raw[44:50] == b"\x00\x04\x00\x05\xc0\x09"
    assert b"db.example" in raw


def test_ssl3_has_no_extensions_and_asks_for_secure_renegotiation_by_a_cipher() -> None:
    raw = client_hello(Offer(SSL3, (0x000A,)))
    assert raw[1:3] == b"\x03\x00"
    assert raw[44:] == b"\x00\x04\x00\x0a\x00\xff" + b"\x01\x00"


def test_only_tls_1_3_hides_its_version_in_an_extension() -> None:
    assert b"\x00\x2b\x00\x03\x02\x03\x04" in client_hello(NEWEST)
    assert b"\x00\x2b\x00\x03" not in client_hello(MODERN)


def test_no_code_point_is_in_two_families_nor_among_the_good_ones() -> None:
    codes = [code for family in ciphers.WEAK for code in family.codes]
    assert len(codes) == len(set(codes))
    assert not set(codes) & {*ciphers.STRONG, *ciphers.TLS13}


@pytest.mark.parametrize(
    ("raw", "offer", "version", "cipher"),
    [
        (recorded.MODERN, MODERN, TLS1_2, 0xC02C),
        (recorded.GO, MODERN, TLS1_2, 0xC02B),
        (recorded.ERLANG, MODERN, TLS1_2, 0xC02B),
        (recorded.NEWEST, NEWEST, TLS1_3, 0x1301),
    ],
    ids=["openssl", "go", "erlang", "tls13"],
)
def test_real_answers_are_read(raw: bytes, offer: Offer, version: int, cipher: int) -> None:
    assert record_header(raw[:5]) == (HANDSHAKE, len(raw) - 5)
    found = server_hello(raw[9 : 9 + hello_length(raw[5:9])], offer)
    assert (found.version, found.cipher, found.compression) == (version, cipher, 0)
    assert found.secure_renegotiation


def test_a_real_alert_is_named() -> None:
    assert record_header(recorded.ALERT[:5]) == (ALERT, 2)
    assert alert(recorded.ALERT[5:7]).name == "protocol_version"


def test_a_server_that_chooses_what_was_not_offered_is_a_liar() -> None:
    body = recorded.MODERN[9:]
    with pytest.raises(ProtocolFault, match="cipher 0xc02c, which was not offered"):
        server_hello(body, Offer(TLS1_2, (0x0005,)))
    with pytest.raises(ProtocolFault, match="version 0x0303, which was not offered"):
        server_hello(body, Offer(TLS1_0, ciphers.STRONG))
    squeezed = body[:37] + b"\1" + body[38:]
    assert server_hello(squeezed, MODERN).compression == 1
    with pytest.raises(ProtocolFault, match="compression 1"):
        server_hello(squeezed, Offer(TLS1_2, ciphers.STRONG))


def test_renegotiation_without_its_extension_is_not_secure() -> None:
    bare = recorded.MODERN[9 : 9 + 38]
    assert not server_hello(bare, MODERN).secure_renegotiation


def _record(raw: bytes) -> None:
    kind, _ = record_header(raw[:5])
    if kind == ALERT:
        alert(raw[5:7])
    else:
        server_hello(raw[9 : 9 + hello_length(raw[5:9])], MODERN)


def _mutated(rng: random.Random, raw: bytes) -> bytes:
    """Bytes flipped, cut, doubled, or with a length made huge."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data))
        match rng.randrange(5):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                data[at : at + 2] = b"\xff\xff"
            case 3:
                del data[at:]
                data += rng.randbytes(rng.randrange(1, 12))
            case _:
                data[at:at] = data[at : at + rng.randrange(1, 40)]
    return bytes(data)


@pytest.mark.filterwarnings("ignore")  # cryptography warns of what it still accepts
@pytest.mark.parametrize(
    ("raw", "parse"),
    [
        (recorded.MODERN, _record),
        (recorded.NEWEST, _record),
        (recorded.GO, _record),
        (recorded.ERLANG, _record),
        (recorded.ALERT, _record),
        (recorded.GREETING[4:], greeting),
        (recorded.LEAF, facts.read),
    ],
    ids=["openssl", "tls13", "go", "erlang", "alert", "mysql", "certificate"],
)
def test_mutated_bytes_of_real_servers_are_read_or_refused_by_name(
    raw: bytes, parse: Callable[[bytes], object]
) -> None:
    rng = random.Random(len(raw))
    refused = 0
    for _ in range(MUTATIONS):
        data = _mutated(rng, raw)
        try:
            parse(data)
        except ProtocolFault as fault:
            refused += 1
            assert len(fault.message) < 400
    assert refused > MUTATIONS / 10, "the mutations must matter"


def test_a_greeting_tells_its_version_and_whether_it_offers_tls() -> None:
    found = greeting(recorded.GREETING[4:])
    assert "MariaDB" in found.version
    assert found.capabilities & SSL


def test_a_server_that_greets_with_an_error_is_quoted() -> None:
    with pytest.raises(ProtocolFault, match="error 1040: Too many connections"):
        greeting(b"\xff\x10\x04#08004Too many connections")
