"""MongoDB, as every engine configures it: one server, TLS and plain on one port."""

from __future__ import annotations

import json
from typing import Any

from devstack_tui.contracts.model import Installation, ServiceSettings
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui.contracts.service_files import CA
from devstack_tui.core.tls import SERVER_CIPHERS
from devstack_tui.services.mongodb import accounts
from devstack_tui.services.mongodb.cert_reload import join_certificate
from devstack_tui.services.mongodb.config_syntax import configured
from devstack_tui.services.mongodb.wire import Wire

CONFIG_FILE = "mongod.json"


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
        """Wait until it accepts, then make its accounts and see that both can log in."""
        home.wait_for("MongoDB to accept connections", lambda: _answers(home))
        accounts.settle(home.target, home.say)
        if home.files.stat(accounts.MADE) is None:
            home.files.write(accounts.MADE, "")


def _answers(home: ServerHome) -> bool:
    with Wire(home.target, 2) as wire:
        return bool(wire.command("admin", {"hello": 1})["isWritablePrimary"])


def configuration(home: ServerHome, data: str, pem: str) -> dict[str, Any]:
    """mongod's configuration: no secret in it but the path of one."""
    # As long as it has no account at all, mongod lets somebody from localhost make the first.
    first = home.files.stat(accounts.MADE) is None or not home.files.list("db")
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
        "security": {"authorization": "enabled", "javascriptEnabled": False},
        "setParameter": {
            # Clients prove themselves by password; mongod would warn of each without a certificate.
            "suppressNoTLSPeerCertificateWarning": True,
            "authenticationMechanisms": accounts.MECHANISM,
            "opensslCipherConfig": SERVER_CIPHERS,
            "enableLocalhostAuthBypass": first,
        },
    }


def merged(config: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`config` with `more` in it, which wins."""
    both = {**config, **more}
    for key in config.keys() & more.keys():
        if isinstance(config[key], dict) and isinstance(more[key], dict):
            both[key] = merged(config[key], more[key])
    return both


SERVER: Server = MongodbServer()
