"""The token that writes to the reference API need. The stack's owner has it, the API a digest."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets as random
from pathlib import Path

from devstack_tui.core import files
from devstack_tui.core.errors import UnreachableError
from devstack_tui.services.reference_api import TOKEN_FILE

_SCHEME = b"bearer "
_WHOLE = re.compile(rb"[A-Za-z0-9_-]{43}")


def path(secrets: Path) -> Path:
    """Where it is kept, 0600, among the stack's secrets."""
    return secrets / TOKEN_FILE


def ensure(secrets: Path) -> str:
    """The digest of the token, which is made if there is none that is whole. Raises OSError."""
    found = _read(secrets)
    if found is None:
        found = random.token_urlsafe(32).encode()
        files.write_private(path(secrets), found + b"\n")
    return digest(found)


def digest_of(secrets: Path) -> str:
    """The digest of the token that is there; empty where none can be used."""
    found = _read(secrets)
    return digest(found) if found else ""


def headers(secrets: Path) -> dict[str, str]:
    """What a write is sent with. Raises `UnreachableError` where there is no token."""
    found = _read(secrets)
    if found is None:
        raise UnreachableError(
            f"the token of the reference API is not in {path(secrets)}",
            "`devstack-tui up reference_api` makes it anew",
        )
    return {"Content-Type": "application/json", "Authorization": f"Bearer {found.decode()}"}


def digest(token: bytes) -> str:
    """What the API knows of a token: 256 random bits cannot be guessed from it."""
    return hashlib.sha256(token).hexdigest()


def matches(authorization: bytes, known: str) -> bool:
    """Whether a header holds the token of this digest; never for an empty digest."""
    scheme, token = authorization[: len(_SCHEME)], authorization[len(_SCHEME) :]
    right = hmac.compare_digest(digest(token.strip()), known)
    return scheme.lower() == _SCHEME and right


def _read(secrets: Path) -> bytes | None:
    try:
        found = files.read_bytes(path(secrets)).strip()
    except OSError:
        return None
    return found if _WHOLE.fullmatch(found) else None
