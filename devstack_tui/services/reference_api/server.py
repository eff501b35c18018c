"""The reference API, as every engine configures it: addresses and paths, no secret."""

from __future__ import annotations

import msgspec

from devstack_tui.contracts.model import Installation, ServiceSettings, Target
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui.contracts.service_files import CA, CERT, KEY, ServiceFiles
from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.http_connection import HttpConnection
from devstack_tui.identity import approle_login
from devstack_tui.services.reference_api import token
from devstack_tui.services.reference_api.config import FILE, ApiConfig, Peer
from devstack_tui.services.reference_api.probe import connect

UNIT = "reference-api"


class ReferenceApiServer:
    """See `devstack_tui.contracts.service.Server`."""

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """HTTP and HTTPS."""
        return {"http": settings.ports["main"], "https": settings.ports["tls"]}

    def prepare(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """Its AppRole; its configuration: addresses and paths, no secret; the token of writes."""
        approle_login.give(home.target.secrets, UNIT, home.files)
        digest = token.ensure(home.target.secrets)
        if _known_digest(home.files) != digest:
            home.stop()  # what runs asks for another token, or, as our older releases, for none
        config = ApiConfig(
            stack=home.stack,
            host=HOST,
            http_port=home.port("main"),
            https_port=home.port("tls"),
            cert=home.files.path(CERT),
            key=home.files.path(KEY),
            ca=home.files.path(CA),
            token_digest=digest,
            role_id=home.files.path(approle_login.ROLE_ID),
            secret_id=home.files.path(approle_login.SECRET_ID),
            peers={
                name: Peer(
                    host=target.endpoint.host,
                    port=target.endpoint.port,
                    tls_port=target.endpoint.tls_port,
                    ports=target.ports,
                    options=target.options,
                )
                for name, target in home.peers.items()
            },
        )
        home.files.write(FILE, msgspec.json.format(msgspec.json.encode(config)).decode())

    def complete(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """Wait until both ports answer; a backend that is down is the probe's business."""

        def answers() -> bool:
            with (
                connect(home.target, 2) as tls,
                HttpConnection(HOST, home.port("main"), 2) as plain,
            ):
                return tls.get("/health/").status == plain.get("/health/").status == 200

        home.wait_for("the reference API to answer", answers)

    def lacking(self, target: Target, files: ServiceFiles) -> str:
        """See `devstack_tui.contracts.service.Mendable`."""
        found = token.digest_of(target.secrets)
        return "" if found and found == _known_digest(files) else "the token of its writes"


def _known_digest(files: ServiceFiles) -> str:
    """Of the token that the API was last configured for; empty for none."""
    try:
        return codec.decode(files.read(FILE), ApiConfig).token_digest
    except (OSError, ValueError, DevstackError):
        return ""


SERVER: Server = ReferenceApiServer()
