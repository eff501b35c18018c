"""What others wrote, made fit to be shown: without secrets (`redact`), and unable to steer the
terminal (`inert`)."""

from __future__ import annotations

import re

MASK = "••••••"
PRIVATE_KEY = re.compile(rb"-----(BEGIN|END) [A-Z ]*PRIVATE KEY-----")
"""Where a private key begins or ends in a log."""

_PATTERNS = (
    # Vault and OpenBao tokens, and the keys of an AppRole.
    re.compile(r"\b(?:hv[sbr]|s|b|r)\.[A-Za-z0-9_-]{20,}"),
    # key=value and "key": "value" where the key ends with what names a secret.
    re.compile(
        r"""(?ix)(?P<keep>(?:password|passwd|pwd|secret[_-]?id|secret|token|requirepass|
        masterauth|unseal[_-]?key)["']?\s*[=:]\s*)
        (?:"[^"\n]+" | '[^'\n]+' | ["']?(?!\s)[^\s"',;&}]+)"""
    ),
    # As the servers' own languages say it.
    re.compile(r"(?i)(?P<keep>\b(?:requirepass|masterauth|bearer)\s+)[^\s\"',;=:]+"),
    re.compile(r"""(?i)(?P<keep>\b(?:password|identified\s+by)\s+)(?:'[^']+'|"[^"]+")"""),
    # user:password@host in a URL.
    re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^/\s:@]*:)[^@\s]+(?=@)"),
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
    ),
)


def redact(text: str, secrets: frozenset[str] = frozenset()) -> str:
    """`text` without secrets: the known `secrets` (6 characters and more) and look-alikes."""
    # The longest first: one may begin with another.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 6:
            text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(_mask, text)
    return text


# C0 but tab and newline, DEL, C1, and the signs that turn the writing direction.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def brief(text: str, longest: int = 300) -> str:
    """`text` within `longest` signs: its middle is left out, for the reason stands at its end."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 3]} … {text[longest // 3 + 3 - longest :]}"


def inert(text: str) -> str:
    """`text` with every sign that could steer a terminal as `\\x1b` or `\\u202e`, which a JSON
    document may have in the sign's place; tabs and newlines stay."""
    return CONTROL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"


def _mask(found: re.Match[str]) -> str:
    return (found.groupdict().get("keep") or "") + MASK


class LineRedactor:
    """Redacts line by line: a private key is on many lines, of which the middle ones look like
    nothing. `inside` is whether the next line is one of them."""

    def __init__(self, inside: bool = False) -> None:
        self._inside = inside

    def redacted(self, raw: bytes) -> str:
        """The line as text without secrets."""
        hidden = self._inside
        for mark in PRIVATE_KEY.finditer(raw):
            self._inside = mark[1] == b"BEGIN"
        if hidden:
            return MASK
        return redact(raw.decode(errors="replace").rstrip("\r"))
