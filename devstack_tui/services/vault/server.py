"""OpenBao, as every engine configures it: TLS listener, raft storage, file audit device.

It is never the development server: it starts sealed, keeps its data, and is initialised and
unsealed by us.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path

from devstack_tui.contracts.model import Installation, ServiceSettings
from devstack_tui.contracts.registry import services
from devstack_tui.contracts.server_home import HOST, Site
from devstack_tui.contracts.service import Server
from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.identity import approle_login, bootstrap
from devstack_tui.identity.vault_api import VaultApi, VaultError
from devstack_tui.services.vault import SERVICE

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

    def prepare(self, site: Site, installation: Installation) -> None:  # noqa: ARG002
        """Configuration, and a certificate that the listener can start with."""
        keys = bootstrap.read_keys(site.target.secrets)
        self._after_crash(site, keys)
        if _usable(site):
            if site.tls.ca.read_bytes() != _read(site.target.ca):
                files.write_private(site.target.ca, site.tls.ca.read_bytes())
        else:
            approle_login.self_signed(SERVICE, site.tls, site.target.ca, site.owner)
        raft = site.directory("raft")
        audit = site.data / "audit.log"
        if audit.exists() and audit.stat().st_size > AUDIT_ROTATE_BYTES:
            audit.replace(audit.with_suffix(".log.1"))
        site.write(
            "bao.hcl",
            CONFIG.format(
                host=HOST,
                port=site.port("main"),
                cluster=site.port("cluster"),
                raft=json.dumps(str(raft)),
                cert=json.dumps(str(site.tls.cert)),
                key=json.dumps(str(site.tls.key)),
                audit=json.dumps(str(audit)),
            ),
        )

        # One that runs since before a crash may still serve the certificate of before.
        with contextlib.suppress(UnreachableError):
            site.reload("vault")

    def complete(self, site: Site, installation: Installation) -> None:  # noqa: ARG002
        """Initialise and unseal, bootstrap what is missing, and serve a certificate of the PKI."""
        secrets = site.target.secrets
        with VaultApi(site.target) as vault:
            site.wait_for("Vault to answer", lambda: bool(vault.health()))
            keys = bootstrap.read_keys(secrets)
            if not vault.health()["initialized"]:
                site.say("initialising Vault")
                intent = site.journal.begin("vault.init", "vault")
                keys = bootstrap.initialise(vault, secrets)
                site.journal.end(intent)
            if keys is None:
                raise DevstackError(
                    f"Vault is initialised, but its unseal key {bootstrap.keys_path(secrets)} "
                    "is not there",
                    "put the file back from a copy, or wipe the stack with `down --wipe`",
                )
            if vault.health()["sealed"]:
                site.say("unsealing Vault")
                bootstrap.unseal(vault, keys)
            site.wait_for("Vault to become active", lambda: not vault.health()["standby"])
            if not keys.made_by:
                site.say("making PKI, policies and AppRoles")
                self._bootstrap(vault, site, keys)
        approle_login.renew_admin(site.target)
        self._certificate(site)

    def _after_crash(self, site: Site, keys: bootstrap.Keys | None) -> None:
        """An initialisation that was killed before its key was kept can never be unsealed. Nothing
        was built on it yet, so it is thrown away."""
        for intent in site.journal.pending():
            if intent.action == "vault.init":
                if keys is None:
                    # The request may still be on its way in a server that outlived its starter.
                    site.stop()
                    shutil.rmtree(site.data / "raft", ignore_errors=True)
                site.journal.end(intent)

    def _bootstrap(self, vault: VaultApi, site: Site, keys: bootstrap.Keys) -> None:
        vault.token = keys.root_token
        try:
            bootstrap.bootstrap(vault, site.target.secrets, keys, services())
        except VaultError as error:
            if error.status != 403:
                raise
            # The root token was revoked and the crash came before that was written down.
            bootstrap.finish(site.target.secrets, keys, services())
        vault.token = ""

    def _certificate(self, site: Site) -> None:
        """Give the listener a leaf of the PKI in place of its first, self-signed one."""
        before = _read(site.tls.cert)
        approle_login.obtain(site.target, SERVICE, site.tls, site.target.ca, site.owner)
        if _read(site.tls.cert) == before:
            return
        site.say("serving the PKI's certificate")
        files.write_private(site.target.ca, site.tls.ca.read_bytes())
        site.reload("vault")

        def trusted() -> bool:
            with VaultApi(site.target) as vault:
                return bool(vault.health()["initialized"])

        site.wait_for("Vault to serve the PKI's certificate", trusted, 15)


def _usable(site: Site) -> bool:
    """Whether the listener can start with the certificate that is there."""
    leaf = approle_login.read_certificate(site.tls.cert)
    return (
        leaf is not None and leaf.not_after > time.time() + 3600 and approle_login.matches(site.tls)
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


SERVER: Server = VaultServer()
