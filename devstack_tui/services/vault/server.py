"""OpenBao, as every engine configures it: TLS listener, raft storage, file audit device.

It is never the development server: it starts sealed, keeps its data, and is initialised and
unsealed by us.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from devstack_tui.contracts.model import Installation, ServiceSettings, Target
from devstack_tui.contracts.registry import services
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui.contracts.service_files import CA, CERT, KEY, ServiceFiles
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.tls import SERVER_CIPHERS
from devstack_tui.identity import approle_login, bootstrap, certificates
from devstack_tui.identity.owner_socket import CONFIG_FILE, RootKey
from devstack_tui.identity.vault_api import VaultApi, VaultError
from devstack_tui.services.vault import SERVICE

AUDIT_LOG = "audit.log"
AUDIT_ROTATE_BYTES = 64 * 1024 * 1024
# OpenBao refuses audit devices that are created by its API: they are declared here.
CONFIG = """\
# Written by devstack-tui at every start: a change here is lost.
ui           = false
api_addr     = "https://{host}:{port}"
cluster_addr = "https://{host}:{cluster}"

storage "raft" {{
  path    = {raft}
  node_id = "vault"
  # One node has nobody to wait for: the default of 5 makes each election take seconds.
  performance_multiplier = 1
}}

listener "tcp" {{
  address         = "{host}:{port}"
  cluster_address = "{host}:{cluster}"
  tls_cert_file   = {cert}
  tls_key_file    = {key}
  tls_min_version = "tls12"
  tls_cipher_suites = "{ciphers}"
}}

audit "file" "file" {{
  description = "every request and its answer"
  options {{
    file_path = {audit}
    mode      = "0600"
  }}
}}
"""


class VaultServer:
    """See `devstack_tui.contracts.service.Server`."""

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """The API and raft's port."""
        return dict(settings.ports)

    def prepare(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """Configuration, and a certificate that the listener can start with."""
        keys = bootstrap.read_keys(home.target.secrets)
        self._after_crash(home, keys)
        if keys is None:
            _require_uninitialised(home)
        if not _usable(home.files):
            approle_login.self_signed(SERVICE, home.files)
        home.trust(home.files.read(CA))
        audit = home.files.stat(AUDIT_LOG)
        if audit is not None and audit.size > AUDIT_ROTATE_BYTES:
            home.files.rename(AUDIT_LOG, f"{AUDIT_LOG}.1")
        if audit is None and home.files.stat("raft"):
            home.say("its audit log is gone: it is made anew")
        home.files.write(
            CONFIG_FILE,
            CONFIG.format(
                host=HOST,
                port=home.port("main"),
                cluster=home.port("cluster"),
                raft=json.dumps(home.files.directory("raft")),
                cert=json.dumps(home.files.path(CERT)),
                key=json.dumps(home.files.path(KEY)),
                audit=json.dumps(home.files.path(AUDIT_LOG)),
                ciphers=_go_names(SERVER_CIPHERS),
            ),
        )

        if keys and (lost := _needs_root(keys, home.target.secrets)):
            home.say(f"{lost}, by the unseal key")
            # Only a server that is started with it makes a root token.
            home.stop()
            RootKey(home.files, home.target.secrets).listen()
        # One that has run since before a crash may still serve its old certificate, and write to
        # an audit log that is gone.
        with contextlib.suppress(UnreachableError):
            home.reload("vault")

    def complete(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """Initialise and unseal, bootstrap what is missing, and serve a certificate of the PKI."""
        secrets = home.target.secrets
        with VaultApi(home.target) as vault:
            home.wait_for("Vault to answer", lambda: bool(vault.health()))
            keys = bootstrap.read_keys(secrets)
            if not vault.health()["initialized"]:
                home.say("initialising Vault")
                intent = home.journal.begin("vault.init", "vault")
                keys = bootstrap.initialise(vault, secrets)
                home.journal.end(intent)
            if keys is None:
                raise _keyless(home)
            if vault.health()["sealed"]:
                home.say("unsealing Vault")
                bootstrap.unseal(vault, keys)
            home.wait_for("Vault to become active", lambda: not vault.health()["standby"])
            if not keys.made_by:
                home.say("making PKI, policies and AppRoles")
                self._bootstrap(vault, home, keys)
            elif _needs_root(keys, secrets):
                self._renew(vault, home, keys)
        approle_login.renew_admin(home.target)
        self._certificate(home)
        if not home.files.stat(AUDIT_LOG):
            home.wait_for("Vault to open its audit log", lambda: bool(home.files.stat(AUDIT_LOG)))

    def lacking(self, target: Target, files: ServiceFiles) -> str:
        """See `Mendable`."""
        with contextlib.suppress(DevstackError):
            keys = bootstrap.read_keys(target.secrets)
            if keys and (lost := _needs_root(keys, target.secrets)):
                return lost
        if lost := approle_login.lacking(target.secrets, bootstrap.ADMIN):
            return f"of the admin, {lost}"
        gone = target.secrets.is_dir() and not files.stat(CONFIG_FILE)
        return f"its {CONFIG_FILE} is gone: it is made anew" if gone else ""

    def _after_crash(self, home: ServerHome, keys: bootstrap.Keys | None) -> None:
        """An initialisation that was killed before its key was kept can never be unsealed. Nothing
        was built on it yet, so it is thrown away."""
        for intent in home.journal.pending():
            if intent.action == "vault.init":
                if keys is None:
                    # A server that outlived the verb may still be working on the request.
                    home.stop()
                    home.files.remove("raft")
                home.journal.end(intent)

    def _bootstrap(self, vault: VaultApi, home: ServerHome, keys: bootstrap.Keys) -> None:
        vault.token = keys.root_token
        try:
            bootstrap.bootstrap(vault, home.target, keys, services())
        except VaultError as error:
            if error.status != 403:
                raise
            # The root token was revoked, but the crash came before that was recorded.
            bootstrap.finish(home.target.secrets, keys, services())
        vault.token = ""

    def _renew(self, vault: VaultApi, home: ServerHome, keys: bootstrap.Keys) -> None:
        """What of the bootstrap is not of now, and another secret_id for the admin, by a root token
        that is revoked at once."""
        owner = RootKey(home.files, home.target.secrets)
        try:
            vault.token = owner.token()
            if keys.made_by == bootstrap.digest(services()):
                bootstrap.mint_admin(vault, home.target.secrets)
            else:
                bootstrap.bootstrap(vault, home.target, keys, services())
        finally:
            vault.token = ""
            owner.close()

    def _certificate(self, home: ServerHome) -> None:
        """Give the listener a leaf of the PKI in place of its first, self-signed one."""
        before = home.files.read(CERT)
        approle_login.obtain(home.target, SERVICE, home.files)
        if home.files.read(CERT) == before:
            return
        home.say("serving the PKI's certificate")
        home.trust(home.files.read(CA))
        home.reload("vault")

        def trusted() -> bool:
            with VaultApi(home.target) as vault:
                return bool(vault.health()["initialized"])

        home.wait_for("Vault to serve the PKI's certificate", trusted, 15)


def _needs_root(keys: bootstrap.Keys, secrets: Path) -> str:
    """What a finished bootstrap lacks that only a root token can make, in words."""
    if not keys.made_by:
        return ""
    if keys.made_by != bootstrap.digest(services()):
        return "its policies, AppRoles or secrets were made for others than those of now: made anew"
    lost = approle_login.lacking(secrets, bootstrap.ADMIN)
    return f"of the admin, {lost}" if lost else ""


def _go_names(ciphers: str) -> str:
    """OpenSSL's names as Go has them: HTTP/2 needs AES-128 with GCM, which is among them."""
    replaced = (("-POLY1305", "-POLY1305-SHA256"), ("AES", "AES-"), ("-", "_"))
    names = []
    for name in ciphers.split(":"):
        key, _, cipher = name.removeprefix("ECDHE-").partition("-")
        for old, new in replaced:
            cipher = cipher.replace(old, new)
        names.append(f"TLS_ECDHE_{key}_WITH_{cipher}")
    return ",".join(names)


def _require_uninitialised(home: ServerHome) -> None:
    """Raise `DevstackError` for a server that runs, and that nobody could unseal again."""
    with contextlib.suppress(UnreachableError), VaultApi(home.target) as vault:
        if vault.health()["initialized"]:
            raise _keyless(home)


def _keyless(home: ServerHome) -> DevstackError:
    return DevstackError(
        f"Vault is initialised, but its unseal key {bootstrap.keys_path(home.target.secrets)} is "
        "not there",
        "put the file back from a copy, or `devstack-tui down --wipe` the stack",
    )


def _usable(files: ServiceFiles) -> bool:
    """Whether the listener can start with the certificate that is there."""
    try:
        leaf = certificates.read_certificate(files)
    except DevstackError:  # damaged: it gets another one, as where it has none
        return False
    return leaf is not None and leaf.not_after > time.time() + 3600 and approle_login.matches(files)


SERVER: Server = VaultServer()
