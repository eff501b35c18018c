"""MongoDB, as every engine configures it: one server, TLS and plain on one port."""

from __future__ import annotations

import json
from typing import Any

from devstack_tui.contracts.model import Installation, ServiceSettings
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui.contracts.service_files import CA
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.mongodb.cert_reload import join_certificate
from devstack_tui.services.mongodb.config_syntax import configured
from devstack_tui.services.mongodb.wire import Refused, Wire

CONFIG_FILE = "mongod.json"
_AUTHENTICATION_FAILED = 18


class MongodbServer:
    """See `devstack_tui.contracts.service.Server`."""

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """The one port."""
        return {"main": settings.ports["main"]}

    def prepare(self, home: ServerHome, installation: Installation) -> None:
        """The data directory, and at every start the configuration and the certificate.

        mongod wants its certificate and its key in one file.
        """
        pem = join_certificate(home.files)
        config = configuration(home, home.files.directory("db"), pem)
        config = merged(config, configured(installation, home.tuning))
        # Its configuration is YAML, of which JSON is a part.
        home.files.write(CONFIG_FILE, json.dumps(config, indent=2) + "\n")

    def complete(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """Wait until it accepts, then make the stack's user and see that it can log in."""
        home.wait_for("MongoDB to accept connections", lambda: _answers(home))
        user, password = home.credentials.user, home.credentials.password
        try:
            with Wire(home.target, 10) as wire:
                wire.login(user, password)
        except Refused as error:
            if error.code != _AUTHENTICATION_FAILED:
                raise
        else:
            return
        # As long as it has no user at all, mongod lets somebody from localhost make the first.
        with Wire(home.target, 10) as wire:
            try:
                wire.command(
                    "admin",
                    {
                        "createUser": user,
                        "pwd": password,
                        "roles": [{"role": "root", "db": "admin"}],
                    },
                )
            except Refused as error:
                raise DevstackError(
                    f"MongoDB refuses the password that Vault has for {user!r}",
                    "its data is from another Vault: `devstack-tui down --wipe` makes both anew",
                ) from error
            wire.login(user, password)


def _answers(home: ServerHome) -> bool:
    with Wire(home.target, 2) as wire:
        return bool(wire.command("admin", {"hello": 1})["isWritablePrimary"])


def configuration(home: ServerHome, data: str, pem: str) -> dict[str, Any]:
    """mongod's configuration: no secret in it but the path of one."""
    return {
        # quiet: a probe every two seconds would fill the log with connections.
        "systemLog": {"quiet": True},
        "storage": {"dbPath": data},
        "net": {
            "bindIp": HOST,
            "port": home.port("main"),
            "unixDomainSocket": {"enabled": False},
            "tls": {
                "mode": "preferTLS",
                "certificateKeyFile": pem,
                "CAFile": home.files.path(CA),
                "allowConnectionsWithoutCertificates": True,
                "disabledProtocols": "TLS1_0,TLS1_1",
            },
        },
        "security": {"authorization": "enabled"},
        # Clients prove themselves by password; mongod would warn of each that has no certificate.
        "setParameter": {"suppressNoTLSPeerCertificateWarning": True},
    }


def merged(config: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`config` with `more` in it, which wins."""
    both = {**config, **more}
    for key in config.keys() & more.keys():
        if isinstance(config[key], dict) and isinstance(more[key], dict):
            both[key] = merged(config[key], more[key])
    return both


SERVER: Server = MongodbServer()
