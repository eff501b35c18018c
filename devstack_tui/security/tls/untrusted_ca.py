"""An authority that signed nothing of the stack: what our clients must not trust.

It is made once in a process, and its key never leaves the memory.
"""

from __future__ import annotations

import datetime
import functools
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devstack_tui.core import files
from devstack_tui.core.tls import with_key_extensions

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

SERVICE = "elsewhere"
"""A service that is in no stack: no certificate is for its name."""


_LOCK = threading.Lock()  # the cache alone would let two threads make two


@dataclass(frozen=True)
class Authority:
    """A CA of our own: key, certificate, and the PEM file that a client is asked to trust."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    path: Path
    folder: tempfile.TemporaryDirectory[str]
    """Removed when the process ends."""


def authority() -> Authority:
    """The stranger: a root of its own, valid for two days."""
    with _LOCK:
        return _authority()


@functools.cache
def _authority() -> Authority:
    from cryptography import x509

    key, pem = root("devstack-tui stranger CA", datetime.timedelta(days=2))
    folder = tempfile.TemporaryDirectory(prefix="devstack-tui-stranger-")
    path = Path(folder.name) / "ca.crt"
    files.write_private(path, pem)
    return Authority(key, x509.load_pem_x509_certificate(pem.encode()), path, folder)


def root(name: str, lasts: datetime.timedelta) -> tuple[ec.EllipticCurvePrivateKey, str]:
    """A self-signed CA of this name that begins an hour ago: its key, and itself as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + lasts)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    builder = with_key_extensions(builder, key.public_key(), None, ca=True)
    made = builder.sign(key, hashes.SHA256())
    return key, made.public_bytes(Encoding.PEM).decode("ascii")
