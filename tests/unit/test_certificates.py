"""Certificates: how old they are, in words; and forged ones with exactly one thing wrong."""

from __future__ import annotations

import collections
import datetime
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from devstack_tui.cli.text.certs import list_lines
from devstack_tui.contracts.model import Certificate, Observation, ServiceStatus, State
from devstack_tui.contracts.registry import service
from devstack_tui.contracts.service_files import CERT
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.health.certificates import CertificateRow, ServedCertificate
from devstack_tui.health.monitor import _judged, _Memory
from devstack_tui.identity import approle_login
from devstack_tui.identity.certificates import (
    Age,
    age,
    days_left,
    described,
    ending,
    read_certificate,
)
from devstack_tui.security import forged_certs
from devstack_tui.security.tls import untrusted_ca
from devstack_tui.services.reference_api.__main__ import RenewableContext, context_of
from devstack_tui.services.reference_api.config import ApiConfig
from tests.unit.tls_kit import Pki

NOW = 1_800_000_000.0
DAY = 86400.0
NAMES = ("postgres", "localhost", "127.0.0.1")


def leaf(days: float, now: float = NOW) -> Certificate:
    return Certificate("CN=x", "CN=ca", now - DAY, now + days * DAY, ("x",), "abc", "EC 256", "s")


@pytest.mark.parametrize(
    ("days", "state"),
    [
        (365, Age.OK),
        (60, Age.OK),
        (59.9, Age.SOON),
        (30, Age.SOON),
        (29.9, Age.URGENT),
        (0.1, Age.URGENT),
        (-0.1, Age.EXPIRED),
    ],
)
def test_the_states_change_at_60_and_30_days(days: float, state: Age) -> None:
    assert age(leaf(days), NOW) is state
    assert days_left(leaf(days), NOW) == int(days // 1)


def test_the_words() -> None:
    assert ending(leaf(60), NOW) == ""
    assert ending(leaf(59.9), NOW) == "its certificate ends in 59 days"
    assert ending(leaf(1.5), NOW) == "its certificate ends in 1 day"
    assert ending(leaf(-3), NOW) == "its certificate has expired"


def judged(days: float, *problems: str) -> ServiceStatus:
    row = ServiceStatus(
        "postgres", "PostgreSQL", State.STOPPED, True, certificate=leaf(days, time.time())
    )
    memory = _Memory()
    memory.latencies = collections.deque([1.0])
    return _judged(row, Observation(1.0, problems=problems), "", memory)


def test_a_service_whose_certificate_ends_within_30_days_is_degraded_with_the_remedy() -> None:
    found = judged(29.5)
    assert found.state is State.DEGRADED
    assert found.reason == "its certificate ends in 29 days"
    assert found.remedy == "devstack-tui certs rotate postgres"
    assert judged(-1).reason == "its certificate has expired"


def test_within_60_days_there_is_a_note_and_the_service_stays_healthy() -> None:
    found = judged(45.5)
    assert found.state is State.HEALTHY
    assert found.facts["note"] == (
        "its certificate ends in 45 days: `devstack-tui certs rotate postgres`"
    )
    assert judged(200).facts == {}


def test_what_else_is_wrong_keeps_its_own_remedy() -> None:
    found = judged(5.5, "a node is gone")
    assert found.reason == "a node is gone; its certificate ends in 5 days"
    assert "restart" in found.remedy


def test_the_list_says_who_serves_something_else_and_what_to_do() -> None:
    row = CertificateRow(
        name="redis",
        kind="leaf",
        path="/x",
        certificate=leaf(20),
        days_left=20,
        state=Age.URGENT,
        served=(
            ServedCertificate(listener="redis-1", serial="abc", current=True),
            ServedCertificate(listener="redis-2", serial="def"),
            ServedCertificate(listener="redis-3", problem="timed out"),
        ),
    )
    text = "\n".join(list_lines([row]))
    assert "✗ urgent" in text
    assert "1 of 3" in text
    assert "redis-2 serves def, not the file's" in text
    assert "redis-3: timed out" in text
    assert "→ devstack-tui certs rotate redis" in text
    assert not row.well


# -- forged ------------------------------------------------------------------------------------


def issuer() -> forged_certs.Issuer:
    """A CA with an RSA key, as the intermediate of a sabotage has."""
    key = rsa.generate_private_key(65537, 2048)
    known = untrusted_ca.authority().certificate
    return forged_certs.Issuer(known, key)


FACTS = ("key", "signature", "names", "days", "server", "issuer", "sent")


def facts(made: forged_certs.ForgedCertificate) -> dict[str, object]:
    found = x509.load_pem_x509_certificates(made.cert.encode())
    one = described(found[0])
    purposes = found[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    ends_in = (one.not_after - time.time()) / DAY
    return {
        "key": one.key,
        "signature": one.signature,
        "names": one.sans,
        "days": "none" if ends_in < 1 else "long" if ends_in > 366 else "year",
        "server": x509.ExtendedKeyUsageOID.SERVER_AUTH in purposes,
        "issuer": one.issuer == one.subject,
        "sent": len(found),
    }


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (forged_certs.expired, {"days": "none"}),
        (forged_certs.long_life, {"days": "long"}),
        (forged_certs.wrong_san, {"names": ("elsewhere.dev-services.local",)}),
        (forged_certs.no_ip_san, {"names": NAMES[:2]}),
        (forged_certs.no_intermediate, {"sent": 1}),
        (forged_certs.weak_key, {"key": "RSA 1024"}),
        (forged_certs.with_rsa, {"key": "RSA 2048"}),
        (forged_certs.sha1, {"signature": "sha1WithRSAEncryption"}),
        (forged_certs.wrong_usage, {"server": False}),
        (forged_certs.self_signed, {"issuer": True, "sent": 1, "signature": "ecdsa-with-SHA256"}),
        (forged_certs.other_ca, {"signature": "ecdsa-with-SHA256"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_forged_leaf_has_one_thing_wrong(
    make: forged_certs.Maker, wrong: dict[str, object]
) -> None:
    by = issuer()
    usual = facts(forged_certs.good(by, NAMES))
    assert usual == {
        "key": "EC 256",
        "signature": "sha256WithRSAEncryption",
        "names": NAMES,
        "days": "year",
        "server": True,
        "issuer": False,
        "sent": 2,
    }
    assert facts(make(by, NAMES)) == usual | wrong


def test_a_forged_sha1_signature_is_the_issuers() -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    by = issuer()
    made = x509.load_pem_x509_certificate(forged_certs.sha1(by, NAMES).cert.encode())
    public = by.key.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(made.signature, made.tbs_certificate_bytes, padding.PKCS1v15(), hashes.SHA1())


def test_no_key_is_in_what_a_forgery_prints() -> None:
    by = issuer()
    assert "PRIVATE" not in repr(forged_certs.good(by, NAMES))
    assert "rsa" not in repr(by).lower()


# -- the reference API's own reload --------------------------------------------------------------


def test_the_api_serves_a_certificate_with_another_kind_of_key_after_a_reload(
    tmp_path: Path,
) -> None:
    by = issuer()
    paths = {name: str(tmp_path / name) for name in ("cert", "key")}
    config = ApiConfig("s", "h", 1, 2, paths["cert"], paths["key"], "", "", "", {})
    context = RenewableContext(ssl.PROTOCOL_TLS_SERVER)
    for make in (forged_certs.with_rsa, forged_certs.good, forged_certs.with_rsa):
        made = make(by, NAMES)
        Path(paths["cert"]).write_text(made.cert)
        Path(paths["key"]).write_text(made.key)
        context.current = context_of(config)
        assert served_by(context) == made.serial


def served_by(context: ssl.SSLContext) -> str:
    """The serial that a handshake in memory shows."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(there, back, server_side=True)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    client = trusting.wrap_bio(back, there)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    raw = client.getpeercert(binary_form=True)
    assert raw
    return f"{x509.load_der_x509_certificate(raw).serial_number:x}"


@pytest.mark.parametrize("name", ["TLSv9", "", "1.2"])
def test_the_api_refuses_an_unknown_version(name: str) -> None:
    config = ApiConfig("s", "h", 1, 2, "", "", "", "", "", {}, tls_minimum=name)
    with pytest.raises(ValueError, match="is no version of TLS"):
        context_of(config)


def test_a_certificate_that_is_for_no_name_is_not_usable(tmp_path: Path) -> None:
    files = RootedFiles(tmp_path)
    files.directory("tls")
    files.write(CERT, untrusted_ca.root("no names", datetime.timedelta(days=1))[1])
    from devstack_tui.core.errors import DevstackError

    with pytest.raises(DevstackError, match="it is for no name"):
        read_certificate(files)


OWN = ("postgres", "postgres.dev-services.local", "localhost")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, False),
        ({"dns": (*OWN, "mysql.dev-services.local")}, True),
        ({"dns": OWN[:2]}, True),
        ({"addresses": ("127.0.0.1", "10.0.0.1")}, True),
        ({"usage": None}, True),
        ({"usage": ExtendedKeyUsageOID.CLIENT_AUTH}, True),
    ],
    ids=["as declared", "another's name", "a name less", "another address", "any use", "clients"],
)
def test_a_leaf_that_is_for_more_or_less_than_declared_is_replaced(
    tmp_path: Path, changes: dict[str, object], told: bool
) -> None:
    pki = Pki(tmp_path)
    pki.write(pki.leaf(**{"dns": OWN, **changes}))
    files = RootedFiles(tmp_path)
    assert bool(approle_login.undeclared(service("postgres"), files)) is told
