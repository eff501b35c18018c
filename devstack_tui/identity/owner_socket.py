"""Vault by a socket of its owner's: unsealing and root tokens, whatever its listener serves.

For a throwaway stack that is broken on purpose, and for one that lost its admin's AppRole.
OpenBao refuses `sys/generate-root` on its listeners by default
(https://openbao.org/docs/deprecation/unauthed-generate-root/), and a listener with a spoilt
certificate cannot be unsealed by a client that verifies. A second listener on a socket that nobody
else may open leaves the first one as every stack has it.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import threading
import time
from pathlib import Path
from typing import Any

from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity import bootstrap

CONFIG_FILE = "bao.hcl"
SOCKET = "owner.sock"
LISTENER = f"""
listener "unix" {{
  address     = "{SOCKET}"
  socket_mode = "600"
  disable_unauthed_generate_root_endpoints = false
}}
"""
WITHIN_S = 20.0


class RootKey:
    """Vault's own files and the stack's secrets. Every method raises `DevstackError`."""

    def __init__(self, files: ServiceFiles, secrets: Path, timeout: float = 10.0) -> None:
        self._files = files
        self._secrets = secrets
        self._timeout = timeout
        self._generating = threading.Lock()

    def listen(self) -> None:
        """Add the socket to the configuration: from its next start on Vault answers there."""
        self._files.edit(CONFIG_FILE, lambda text: text if LISTENER in text else text + LISTENER)

    def close(self) -> None:
        """Nobody can connect any more; from the next start on Vault does not listen there."""
        self._files.edit(CONFIG_FILE, lambda text: text.replace(LISTENER, ""))
        self._files.remove(SOCKET)

    def open(self) -> None:
        """Wait for a Vault that was just started, unseal it, wait until it is active."""
        deadline = time.monotonic() + WITHIN_S
        reason = ""
        while time.monotonic() < deadline:
            try:
                health = self._call("GET", "sys/health?standbyok=true&sealedcode=200")
                if not health["sealed"] and not health["standby"]:
                    return
                if health["sealed"]:
                    self._call("PUT", "sys/unseal", key=self._key())
            except (OSError, DevstackError) as error:
                reason = f": {error}"
            time.sleep(0.05)
        raise DevstackError(f"Vault did not open within {WITHIN_S:.0f} s{reason}")

    def token(self) -> str:
        """A fresh root token. Whoever asks for it revokes it."""
        # Vault makes one at a time.
        with self._generating:
            begun = self._call("PUT", "sys/generate-root/attempt")
            made = self._call(
                "PUT", "sys/generate-root/update", key=self._key(), nonce=begun["nonce"]
            )
        # The token comes xored with the one-time password, in base64 without its padding.
        encoded = made["encoded_token"]
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
        return bytes(a ^ b for a, b in zip(raw, begun["otp"].encode(), strict=True)).decode()

    def _key(self) -> str:
        keys = bootstrap.read_keys(self._secrets)
        if keys is None:
            raise DevstackError("the unseal key of this stack is not there")
        return keys.unseal_key

    def _call(self, method: str, path: str, **body: str) -> dict[str, Any]:
        with contextlib.closing(_Connection(self._files, self._timeout)) as connection:
            # The API refuses a request whose body is no JSON object.
            connection.request(method, f"/v1/{path}", json.dumps(body) if method != "GET" else None)
            answer = connection.getresponse()
            raw = answer.read()
        if answer.status >= 400:
            raise DevstackError(f"Vault refused {path.partition('?')[0]} ({answer.status})")
        document: dict[str, Any] = json.loads(raw or b"{}")
        return document


class _Connection(http.client.HTTPConnection):
    """HTTP over the socket among Vault's files."""

    def __init__(self, files: ServiceFiles, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._files = files
        self._within = timeout

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = self._files.connect(SOCKET, self._within)
