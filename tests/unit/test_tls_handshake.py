"""Real handshakes with real servers of every wrong kind, and what each check says of them."""

from __future__ import annotations

import dataclasses
import datetime
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from devstack_tui.contracts.audit import Audit, Finding, Listener, ProtocolFault, Untrusted
from devstack_tui.core.check import Status
from devstack_tui.core.tls import SERVER_CIPHERS, client_context
from devstack_tui.security import forged_certs
from devstack_tui.security.tls import (
    authority,
    certificate,
    facts,
    handshake,
    paths,
    protocol,
    session,
    strength,
    untrusted_ca,
)
from devstack_tui.security.tls.catalogue import _run
from devstack_tui.security.tls.ciphers import WEAK
from devstack_tui.security.tls.client_hello import SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3
from devstack_tui.security.tls.listener_audit import ListenerView, decide
from devstack_tui.security.tls.properties import PROPERTIES
from devstack_tui.services.rabbitmq import connection
from tests.unit.tls_kit import DAY, NOW, FakeAudit, Pair, Pki, make, tls_server

NAMES = ("postgres", "postgres.dev-services.local", "localhost")
Body = Callable[[ListenerView], Finding]
Tune = Callable[[ssl.SSLContext], None]


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def seen(pki: Pki, listener: Listener, body: Body) -> Finding:
    return decide(ListenerView(FakeAudit(pki.ca, pki.files), listener), body)  # type: ignore[arg-type]


def only(version: ssl.TLSVersion, least: ssl.TLSVersion | None = None) -> Tune:
    def tune(context: ssl.SSLContext) -> None:
        context.minimum_version = least or version
        context.maximum_version = version

    return tune


def ciphers_of(text: str) -> Tune:
    return lambda context: context.set_ciphers(text)


GOOD = {
    "chain": certificate.chain,
    "verified": certificate.verified,
    "san_dns": certificate.san_dns,
    "san_ip": certificate.san_ip,
    "file": certificate.file,
    "key": certificate.key,
    "key_mode": certificate.key_mode,
    "validity": certificate.validity,
    "key_size": certificate.key_size,
    "signature": certificate.signature,
    "lifetime": certificate.lifetime,
    "usage": certificate.usage,
    "intermediate": certificate.intermediate,
}


def judged(pki: Pki, leaf: Pair, *more: Pair) -> dict[str, Status]:
    """What every check of the certificate says, where it is not PASS."""
    with tls_server(pki.write(leaf, *more)) as listener:
        found = {name: seen(pki, listener, body) for name, body in GOOD.items()}
    return {name: one.status for name, one in found.items() if one.status is not Status.PASS}


def test_a_good_server_passes_every_check(pki: Pki) -> None:
    assert judged(pki, pki.leaf(dns=NAMES), pki.middle) == {}


CHAIN = {"chain": Status.FAIL, "verified": Status.FAIL}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"days": 1.5 / 86400, "begins": NOW - DAY}, {**CHAIN, "validity": Status.FAIL}),
        ({"begins": NOW + DAY}, {**CHAIN, "validity": Status.FAIL}),
        ({"days": 45}, {"validity": Status.WARN}),
        ({"days": 20}, {"validity": Status.WARN}),
        ({"days": 400}, {"lifetime": Status.FAIL}),
        ({"addresses": ()}, {"verified": Status.FAIL, "san_ip": Status.FAIL}),
        ({"dns": ("elsewhere.invalid",)}, {"verified": Status.FAIL, "san_dns": Status.FAIL}),
        (
            {"usage": ExtendedKeyUsageOID.CLIENT_AUTH},
            {**CHAIN, "usage": Status.FAIL},
        ),
        ({"usage": None}, {"usage": Status.FAIL}),
        (
            {"key": rsa.generate_private_key(65537, 1024)},
            {**CHAIN, "key_size": Status.FAIL},
        ),
    ],
    ids=[
        "expired", "not yet", "45 days", "20 days", "long life", "no address", "wrong name",
        "for clients", "no usage", "rsa 1024",
    ],
)  # fmt: skip
def test_one_wrong_thing_turns_exactly_its_checks(
    pki: Pki, changes: dict[str, object], expected: dict[str, Status]
) -> None:
    assert judged(pki, pki.leaf(**{"dns": NAMES, **changes}), pki.middle) == expected


def test_a_self_signed_leaf_fails_the_chain_alone(pki: Pki) -> None:
    assert judged(pki, make("alone", dns=NAMES)) == CHAIN


def test_a_missing_intermediate_is_named(pki: Pki) -> None:
    with tls_server(pki.write(pki.leaf(dns=NAMES))) as listener:
        found = seen(pki, listener, certificate.intermediate)
        chain = seen(pki, listener, certificate.chain)
    assert (found.status, chain.status) == (Status.FAIL, Status.FAIL)
    assert "missing: CN=middle" in found.evidence
    assert "unable to get local issuer" in chain.evidence


def test_another_ca_is_no_matter_of_the_intermediate(pki: Pki) -> None:
    other = make("other", ca=True)
    assert judged(pki, make("leaf", other, dns=NAMES), other) == CHAIN


def test_a_file_that_is_not_served_is_seen_as_such(pki: Pki) -> None:
    with tls_server(pki.write(pki.leaf(dns=NAMES), pki.middle)) as listener:
        assert seen(pki, listener, certificate.file).status is Status.PASS
        pki.files.cert.write_bytes(pki.leaf(dns=NAMES).pem)
        assert seen(pki, listener, certificate.file).status is Status.FAIL
        assert seen(pki, listener, certificate.key).status is Status.FAIL
        pki.files.key.write_text("no key")
        broken = seen(pki, listener, certificate.key)
        assert (broken.status, "does not parse" in broken.evidence) == (Status.FAIL, True)
        pki.files.key.chmod(0o640)
        assert seen(pki, listener, certificate.key_mode).status is Status.FAIL


@pytest.mark.parametrize(
    ("name", "trusted", "words"),
    [
        ("127.0.0.2", None, "IP address mismatch"),
        ("elsewhere.invalid", None, "Hostname mismatch"),
        ("127.0.0.1", untrusted_ca.authority, "unable to get local issuer|self-signed"),
    ],
    ids=["address", "name", "ca"],
)
def test_our_client_turns_a_wrong_server_down_and_says_why(
    pki: Pki, name: str, trusted: Callable[[], untrusted_ca.Authority] | None, words: str
) -> None:
    ca = trusted().path if trusted else pki.ca
    with tls_server(pki.write(pki.leaf(), pki.middle)) as listener:
        with pytest.raises(Untrusted, match=words):
            handshake.verify(listener, ca, name, 2)
        assert handshake.verify(listener, pki.ca, "127.0.0.1", 2).version == "TLS 1.3"


def test_the_chain_that_was_sent_is_seen_whole(pki: Pki) -> None:
    leaf = pki.leaf()
    with tls_server(pki.write(leaf, pki.middle)) as listener:
        session = handshake.look(listener, 2)
    assert session.chain == (leaf.der, pki.middle.der)
    assert session.ms > 0


def test_a_server_that_wants_our_certificate_refuses_us_without_one(pki: Pki) -> None:
    def tune(context: ssl.SSLContext) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pki.ca)

    files = pki.write(pki.leaf(usage=None, dns=NAMES), pki.middle)
    with tls_server(files, tune) as listener:
        both = dataclasses.replace(listener, mutual=True)
        found = seen(pki, both, protocol.mutual)
    assert found.status is Status.PASS
    assert "certificate required" in found.evidence.replace("_", " ")
    with tls_server(files) as listener:
        both = dataclasses.replace(listener, mutual=True)
        assert seen(pki, both, protocol.mutual).status is Status.FAIL


def test_every_version_is_told_apart(pki: Pki) -> None:
    versions = {
        "ssl3": protocol.refuses(SSL3),
        "1.0": protocol.refuses(TLS1_0),
        "1.1": protocol.refuses(TLS1_1),
        "1.2": protocol.accepts(TLS1_2),
        "1.3": protocol.accepts(TLS1_3),
    }

    def bad(tune: Tune) -> set[str]:
        with tls_server(pki.write(pki.leaf(), pki.middle), tune) as listener:
            found = {name: seen(pki, listener, body) for name, body in versions.items()}
        assert not {one.status for one in found.values()} - {Status.PASS, Status.FAIL}
        return {name for name, one in found.items() if one.status is Status.FAIL}

    newest, tls12 = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
    assert bad(only(newest, tls12)) == set()
    assert bad(only(tls12)) == {"1.3"}
    assert bad(only(newest)) == {"1.2"}
    assert bad(only(newest, ssl.TLSVersion.TLSv1)) == {"1.0", "1.1"}
    assert bad(only(newest, ssl.TLSVersion.TLSv1_1)) == {"1.1"}


def test_weak_ciphers_are_found_one_family_at_a_time(pki: Pki) -> None:
    leaf = pki.leaf(key=rsa.generate_private_key(65537, 2048))

    def bad(text: str) -> set[str]:
        with tls_server(pki.write(leaf, pki.middle), ciphers_of(text)) as listener:
            found = {one.name: seen(pki, listener, protocol.without(one)) for one in WEAK}
        return {name for name, one in found.items() if one.status is Status.FAIL}

    strong = "ECDHE+AESGCM"
    assert bad(strong) == set()
    assert bad(f"{strong}:NULL-SHA256:@SECLEVEL=0") == {"null"}
    assert bad(f"{strong}:NULL-MD5:@SECLEVEL=0") == {"md5"}
    assert bad(f"{strong}:AECDH-AES128-SHA:@SECLEVEL=0") == {"anonymous"}
    assert bad(f"{strong}:AES128-SHA:@SECLEVEL=0") == {"static_rsa_cbc_sha1"}
    assert bad(f"{strong}:AES128-GCM-SHA256") == {"static_rsa"}
    assert bad(f"{strong}:CAMELLIA128-SHA:@SECLEVEL=0") == {"static_rsa_camellia"}
    assert bad(f"{strong}:ARIA128-GCM-SHA256:@SECLEVEL=0") == {"static_rsa_aria"}
    assert bad(f"{strong}:ECDHE-RSA-AES128-SHA:@SECLEVEL=0") == {"cbc"}
    assert bad(f"{strong}:ECDHE-RSA-AES128-SHA256") == {"cbc"}


STRENGTH = {
    "client_renegotiation": strength.client_renegotiation,
    "tickets": strength.tickets,
    "weak_groups": strength.weak_groups,
    "sha1_signature": strength.sha1_signature,
    "cipher_order": strength.cipher_order,
    "fallback": strength.fallback,
}


def strong(context: ssl.SSLContext) -> None:
    context.set_ciphers(f"{SERVER_CIPHERS}:@SECLEVEL=2")
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE


def client_s_order(context: ssl.SSLContext) -> None:
    context.set_ciphers(f"{SERVER_CIPHERS}:@SECLEVEL=2")
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE


@pytest.mark.parametrize(
    ("tune", "expected"),
    [
        (strong, set()),
        (ciphers_of(f"{SERVER_CIPHERS}:@SECLEVEL=0"), {"sha1_signature"}),
        (client_s_order, {"cipher_order"}),
        (only(ssl.TLSVersion.TLSv1_3), set()),
        (only(ssl.TLSVersion.TLSv1_2), {"sha1_signature"}),
    ],
    ids=["good", "level 0", "client's order", "1.3 alone", "1.2 alone, level 0"],
)
def test_what_makes_a_handshake_weak_is_found_one_by_one(
    pki: Pki, tune: Tune, expected: set[str]
) -> None:
    with tls_server(pki.write(pki.leaf(), pki.middle), tune) as listener:
        found = {name: seen(pki, listener, body) for name, body in STRENGTH.items()}
    assert {name for name, one in found.items() if one.status is not Status.PASS} == expected


def test_a_ticket_s_lifetime_is_what_the_server_says(pki: Pki) -> None:
    with tls_server(pki.write(pki.leaf(), pki.middle), strong) as listener:
        found = session.ask(listener, 5.0)
    assert (found.ticket_s, found.renegotiates) == (7200, False)


def test_what_a_server_has_no_setting_for_is_a_warning_with_its_reason(pki: Pki) -> None:
    known = next(one for one in PROPERTIES if one.name == "cipher_order")
    with tls_server(pki.write(pki.leaf(), pki.middle), client_s_order) as listener:
        audit = cast("Audit", FakeAudit(pki.ca, pki.files))
        found = _run(listener, known, "it has no setting")(audit)
    assert found.status is Status.WARN
    assert found.evidence.endswith("as declared: it has no setting")


def test_compression_and_renegotiation_of_a_good_server_are_as_they_must_be(pki: Pki) -> None:
    with tls_server(pki.write(pki.leaf(), pki.middle)) as listener:
        assert seen(pki, listener, protocol.compression).status is Status.PASS
        assert seen(pki, listener, protocol.renegotiation).status is Status.PASS
    with tls_server(pki.files, only(ssl.TLSVersion.TLSv1_3)) as listener:
        assert "TLS 1.3 alone" in seen(pki, listener, protocol.compression).evidence


def test_the_ca_file_must_be_a_ca_and_last(pki: Pki) -> None:
    audit = FakeAudit(pki.ca)

    def both() -> tuple[Status, Status]:
        return (
            authority.is_ca(audit).status,  # type: ignore[arg-type]
            authority.validity(audit).status,  # type: ignore[arg-type]
        )

    assert both() == (Status.PASS, Status.PASS)
    pki.ca.write_bytes(pki.root.pem + pki.leaf().pem)
    assert both() == (Status.FAIL, Status.PASS)
    pki.ca.write_bytes(pki.middle.pem)
    assert both() == (Status.FAIL, Status.PASS), "an intermediate is no root"
    pki.ca.write_bytes(pki.root.pem + untrusted_ca.root("ending", 20 * DAY)[1].encode())
    assert both() == (Status.PASS, Status.WARN)
    pki.ca.write_text("nothing")
    assert both() == (Status.FAIL, Status.INCONCLUSIVE)
    pki.ca.unlink()
    assert both() == (Status.FAIL, Status.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("digests", "expected"),
    [
        (("sha256", "sha384"), Status.PASS),
        (("", ""), Status.PASS),
        (("sha1", "sha256"), Status.FAIL),
        (("sha256", "md5"), Status.FAIL),
    ],
)
def test_a_broken_hash_anywhere_below_the_root_is_seen(
    pki: Pki, digests: tuple[str, ...], expected: Status
) -> None:
    pair = (facts.read(pki.leaf().der), facts.read(pki.middle.der))
    sent = tuple(
        dataclasses.replace(one, digest=digest) for one, digest in zip(pair, digests, strict=True)
    )
    view = cast("ListenerView", SimpleNamespace(certificates=lambda: sent))
    assert certificate.signature(view).status is expected


def test_a_certificate_that_does_not_parse_is_a_fault_of_the_server() -> None:
    with pytest.raises(ProtocolFault, match="10 bytes does not parse"):
        facts.read(bytes(10))


def test_the_facts_of_a_certificate_are_its_own(pki: Pki) -> None:
    found = facts.read(pki.leaf(dns=NAMES, days=30).der)
    assert (found.subject, found.issuer) == ("CN=leaf", "CN=middle")
    assert (found.dns, found.addresses) == (NAMES, ("127.0.0.1",))
    assert (found.key, found.bits, found.digest) == ("EC secp256r1", 256, "sha256")
    assert found.purposes == ("serverAuth",)
    assert found.lifetime == datetime.timedelta(days=30)
    assert not found.ca


# -- the same in every Python --------------------------------------------------------------------


def test_every_client_of_ours_verifies_strictly_and_up_to_a_root(pki: Pki) -> None:
    own = [client_context(pki.ca, "x.invalid"), connection.context(pki.ca, "x.invalid")]
    for context in own:
        assert context.verify_flags & ssl.VerifyFlags.VERIFY_X509_STRICT
        assert not context.verify_flags & ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_a_leaf_that_does_not_name_its_issuers_key_is_refused(pki: Pki) -> None:
    bare = make("bare", pki.middle, identified=False)
    with (
        tls_server(pki.write(bare, pki.middle)) as listener,
        pytest.raises(Untrusted, match="Missing Authority Key Identifier"),
    ):
        handshake.verify(listener, pki.ca, "127.0.0.1", 2)


def test_a_leaf_by_the_foreign_authority_is_good_for_whoever_trusts_that(pki: Pki) -> None:
    known = untrusted_ca.authority()
    issuer = forged_certs.Issuer(known.certificate, known.key)
    for by in (forged_certs.other_ca, forged_certs.with_rsa, forged_certs.long_life):
        made = by(issuer, ("localhost", "127.0.0.1"))
        pki.files.cert.write_text(made.cert)
        pki.files.key.write_text(made.key)
        with tls_server(pki.files) as listener:
            assert handshake.verify(listener, known.path, "127.0.0.1", 2).version == "TLS 1.3"
            with pytest.raises(Untrusted) as caught:
                handshake.verify(listener, pki.ca, "127.0.0.1", 2)
            assert caught.value.code in {18, 19, 20}


@pytest.mark.parametrize(
    ("code", "status"),
    [(19, Status.PASS), (20, Status.PASS), (0, Status.PASS), (66, Status.INCONCLUSIVE)],
)
def test_a_refusal_for_another_reason_proves_nothing_about_the_authority(
    code: int, status: Status
) -> None:
    """A fake client: no real server is refused for the wrong one of two reasons."""

    def refuse(ca: bool = False, host: bool = False) -> str:
        assert (ca, host) == (True, False)
        raise Untrusted("the reason", code)

    view = SimpleNamespace(refused_work=refuse, work=lambda tls: "it works")
    found = decide(cast("ListenerView", view), paths.wrong_ca)
    assert found.status is status
    assert "the reason" in found.evidence
