"""The ciphers that no server should accept, by family, and those that any should.

The weak ones and the names of all are in `configs/tls/ciphers.toml`.
"""

from __future__ import annotations

import msgspec

from devstack_tui.contracts.audit import Severity
from devstack_tui.core.config import convert, read_toml
from devstack_tui.core.paths import shipped

FILE = "configs/tls/ciphers.toml"

STRONG = (0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0x009E, 0x009F)
"""ECDHE and DHE with AES-GCM or ChaCha20, for TLS 1.2."""
TLS13 = (0x1301, 0x1302, 0x1303)
ANY_CBC = (0xC009, 0xC00A, 0xC013, 0xC014, 0x0033, 0x0039, 0x002F, 0x0035, 0xC008, 0xC012, 0x0016,
           0x000A, 0x0005, 0x0004)  # fmt: skip
"""What servers of SSL 3.0 to TLS 1.1 have had: a refusal is then of the version."""


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weak ciphers of one kind: `why` completes "Such a cipher …"."""

    title: str
    codes: tuple[int, ...]
    severity: Severity
    why: str
    name: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    families: dict[str, Family]
    names: dict[str, str]


_FILE = convert(read_toml(shipped(FILE)), _File, shipped(FILE))
WEAK = tuple(msgspec.structs.replace(one, name=name) for name, one in _FILE.families.items())
NAMES = {int(code, 16): text for code, text in _FILE.names.items()}


def name(code: int) -> str:
    """IANA's name without `TLS_` and `WITH`, or the code point."""
    known = NAMES.get(code)
    return f"{known} ({code:#06x})" if known else f"{code:#06x}"
