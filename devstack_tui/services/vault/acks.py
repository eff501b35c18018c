"""Vault's acknowledged writes: entries in the cubbyhole of a token of the run's own.

No policy of the stack lets anybody write a secret, and none is changed for a drill.
The cubbyhole, which every token has, is kept by the same storage with the same guarantees; it goes
with its token, at the latest when that ends after an hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from devstack_tui.contracts.acks import Acks, Allowance, Indeterminate, NotWritten, checked
from devstack_tui.contracts.model import Target
from devstack_tui.core import files
from devstack_tui.core.errors import UnreachableError
from devstack_tui.identity import bootstrap
from devstack_tui.identity.vault_api import VaultApi, VaultError, login_as
from devstack_tui.loadgen.http_acks import HttpsSession

FOLDER = "cubbyhole/devstack-tui-acks"
TIMEOUT_S = 30.0
# Of a node that is sealed or not active: what it was sent it did not do. A node that was unsealed a
# moment ago redirects (307) to the active one, which it was itself.
_KINDS = {503: "sealed", 429: "standby", 472: "standby", 473: "standby", 307: "redirected"}


def _token_path(target: Target, run: str) -> Path:
    return target.secrets / f"acks-{checked(run)}.token"


class VaultWriter:
    """See `devstack_tui.contracts.acks.Writer`. One keep-alive connection."""

    def __init__(self, target: Target, run: str, timeout: float) -> None:
        headers = {"X-Vault-Token": _token(target, run)}
        self._session = HttpsSession(target, target.endpoint.port, timeout, headers)

    def write(self, number: int) -> None:
        """One entry; it is acknowledged when the storage has it."""
        judge(self._session.put(f"/v1/{FOLDER}/{number}", b'{"number":%d}' % number))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def judge(status: int) -> None:
    """Return for an acknowledgement; raise what another answer means."""
    if status in _KINDS:
        raise NotWritten(_KINDS[status])
    if status >= 500:
        # As it stops, it answers so to what it may have stored already.
        raise Indeterminate("unavailable")
    if status >= 300:
        raise NotWritten(f"error-{status}")


class VaultAcks:
    """See `devstack_tui.contracts.acks.Acks`."""

    def prepare(self, target: Target, run: str) -> None:
        """Log in for the run; the token is kept in a 0600 file, for whoever cleans up."""
        with login_as(target, bootstrap.ADMIN, TIMEOUT_S) as admin:
            files.write_private(_token_path(target, run), admin.token)

    def writer(self, target: Target, run: str, timeout: float) -> VaultWriter:
        """A connection of its own."""
        return VaultWriter(target, run, timeout)

    def present(self, target: Target, run: str, asked: Iterable[int]) -> set[int]:
        """The entries that are there; none once the token is gone."""
        path = _token_path(target, run)
        if not path.exists():
            return set()
        with VaultApi(target, files.read_word(path), TIMEOUT_S) as client:
            try:
                keys = client.call("list", FOLDER)["data"]["keys"]
            except VaultError as error:
                if error.status not in (403, 404):
                    raise
                return set()
        return {int(key) for key in keys}.intersection(asked)

    def cleanup(self, target: Target, run: str) -> None:
        """Revoke the token, and with it all that it kept."""
        path = _token_path(target, run)
        if not path.exists():
            return
        with VaultApi(target, files.read_word(path), TIMEOUT_S) as client:
            try:
                client.revoke()
            except VaultError as error:
                if error.status != 403:  # it has ended by itself
                    raise
        path.unlink()

    def allowance(self, target: Target) -> Allowance:  # noqa: ARG002
        """What was acknowledged is on disk."""
        return Allowance()


def _token(target: Target, run: str) -> str:
    try:
        return files.read_word(_token_path(target, run))
    except FileNotFoundError:
        raise UnreachableError(f"the run {run} has no token", "prepare it first") from None


ACKS: Acks = VaultAcks()
