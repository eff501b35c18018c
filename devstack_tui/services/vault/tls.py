"""Vault's TLS: HTTPS and nothing else."""

from __future__ import annotations

from devstack_tui.contracts.audit import Listener, OneListener, PlainRefused, ProtocolFault, TlsPart
from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity.vault_api import approle_pair
from devstack_tui.loadgen.bounded_socket import begin_at_once, get, translated
from devstack_tui.services.vault.client import connect

# Go has no more of them, and these only where they are asked for by name.
WEAK = frozenset({"static_rsa"})
EXPLAINED = {
    "cipher_order": "Go takes ChaCha20 for a client that puts it first; every cipher is strong",
    "sha1_signature": "Go has no setting for it; a client that verifies refuses such a signature",
    "tickets": "Go gives tickets for seven days, under keys that it changes every day",
}
SETTINGS = {
    "tls": "tls_cert_file and tls_key_file of the listener",
    "protocols": 'tls_min_version = "tls12", and no tls_max_version',
    "ciphers": "tls_cipher_suites to those of ECDHE with GCM or ChaCha20",
    "plain": "tls_disable = false",
}


class VaultTls(OneListener):
    """See `devstack_tui.contracts.audit.TlsPart`."""

    reloaded = "vault"

    listener = Listener(
        "vault",
        "vault",
        begin_at_once,
        core={"verified": 20},
        weak=WEAK,
        explained=EXPLAINED,
        settings=SETTINGS,
    )

    def query(self, target: Target, listener: Listener, tls: bool, timeout: float) -> str:
        """Log in by Vault's own AppRole, whose batch token leaves nothing behind, and read its
        secret; in plain, ask for its health."""
        try:
            return _secret(target, timeout) if tls else _health(listener, timeout)
        except (DevstackError, OSError) as error:
            raise translated(error) from None


def _secret(target: Target, timeout: float) -> str:
    import hvac.exceptions

    role_id, secret_id = approle_pair(target.secrets, "vault")
    try:
        with connect(target, timeout) as client:
            client.auth.approle.login(role_id, secret_id)
            client.secrets.kv.v2.read_secret_version("vault", raise_on_deleted_version=True)
    except hvac.exceptions.VaultDown:
        raise DevstackError("Vault is sealed: it does no work") from None
    except hvac.exceptions.VaultError as error:
        raise ProtocolFault(
            f"Vault refused it: {'; '.join(error.errors or [str(error)])}"
        ) from None
    return "login and read answered over TLS"


def _health(listener: Listener, timeout: float) -> str:
    status, body = get(listener.host, listener.port, "/v1/sys/health", timeout)
    if status == 400 and b"HTTPS" in body:
        raise PlainRefused("it answers HTTP with 400: an HTTP request to an HTTPS server")
    if b'"sealed"' not in body:
        raise ProtocolFault(f"it answered HTTP with status {status}, which is not Vault's health")
    return f"sys/health answered {status} in plain"


TLS: TlsPart = VaultTls()
