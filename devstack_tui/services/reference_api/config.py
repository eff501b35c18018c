"""The API's configuration: where its peers are and how it logs in to Vault, without a password."""

from __future__ import annotations

from pathlib import Path

import msgspec

from devstack_tui.core import codec
from devstack_tui.core.tls import SERVER_CIPHERS

FILE = "config.json"
# Written out, level and all: a context does not go back to it by itself.
TLS_CIPHERS = f"@SECLEVEL=2:{SERVER_CIPHERS}"


class Peer(msgspec.Struct, frozen=True):
    """A service of the stack: where it listens, and its shape."""

    host: str
    port: int
    tls_port: int | None = None
    ports: dict[str, int] = {}
    options: dict[str, int | str | bool] = {}


class ApiConfig(msgspec.Struct, frozen=True):
    """The file that the server part writes, 0600.

    `token_digest` is of the token that writes need, as `token.digest` makes it; empty: none does.
    `ca` is the only root that is trusted. `role_id` and `secret_id` are the files of the AppRole.
    `tls_minimum` and `tls_maximum` are protocol versions as `TLSv1.2`, `tls_ciphers` OpenSSL's list
    for TLS 1.2 and older; certificate and key are read again with them at SIGHUP.
    """

    stack: str
    host: str
    http_port: int
    https_port: int
    cert: str
    key: str
    ca: str
    role_id: str
    secret_id: str
    peers: dict[str, Peer]
    token_digest: str = ""
    tls_minimum: str = "TLSv1.2"
    tls_maximum: str = "TLSv1.3"
    tls_ciphers: str = TLS_CIPHERS


def load(path: Path) -> ApiConfig:
    """Read the file. Raises `msgspec.DecodeError` and `OSError`."""
    return codec.decode(path.read_bytes(), ApiConfig)
