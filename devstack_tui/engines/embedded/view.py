"""What is read of a stack whose servers are processes of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import LOOPBACK, Endpoint, Installation, Target, UnitUsage, Usage
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.engines.embedded.accounts import account_of
from devstack_tui.engines.embedded.process_records import Records
from devstack_tui.engines.embedded.process_units import Units
from devstack_tui.identity.vault_api import read_admin, read_credentials, spoilt

if TYPE_CHECKING:
    from devstack_tui.contracts.engine import UnitEvent
    from devstack_tui.contracts.service import Service
    from devstack_tui.core.paths import StackPaths
    from devstack_tui.state.instance import Instance
    from devstack_tui.state.settings import StackSettings

CLIENTS = "127.0.0.1/32"
NODES = "127.0.1.0/24"
"""Loopback as well: Linux has all of 127.0.0.0/8 there."""
PROVER = "devstack_tui.engines.embedded.peer"
"""Imported for the first proof only: whoever looks needs none."""


class EmbeddedView:
    """See `devstack_tui.contracts.engine.Readable`. One object serves one verb."""

    name = "embedded"

    def __init__(self, paths: StackPaths, instance: Instance, settings: StackSettings) -> None:
        self._paths = paths
        self._instance = instance
        self._settings = settings
        self._records = Records(paths.run)
        self._units = Units(self._records, instance)

    def locate(self, service: Service) -> Installation:
        """The server program on this machine."""
        return service.launcher().locate()

    def target(self, service: Service) -> Target:
        """Host, ports, CA and, once the service was started, its credentials."""
        settings = self._settings.of(service.name, self._instance.port_offset)
        return Target(
            service=service.name,
            endpoint=Endpoint(
                service.scheme, LOOPBACK, settings.ports["main"], settings.ports.get("tls")
            ),
            ports=settings.ports,
            credentials=read_credentials(self._paths.secrets, service),
            ca=self._paths.root / "ca.crt",
            secrets=self._paths.secrets,
            options=settings.options(),
            clients=CLIENTS,
            nodes=NODES,
            admin=read_admin(self._paths.secrets, service),
            spoilt=spoilt(self._paths.secrets, service),
            prover=f"{PROVER}:{self._paths.run}",
        )

    def units(self, service: Service) -> Sequence[UnitUsage]:
        """See the Protocol."""
        return self._units.of(service)

    def usage(self, service: Service) -> Mapping[str, Usage]:
        """See the Protocol."""
        return self._units.usage(service)

    def program(self, service: Service) -> str:
        """See the Protocol."""
        return self._units.program(service)

    def watch(self, ended: threading.Event) -> Iterator[UnitEvent]:
        """See the Protocol."""
        from devstack_tui.engines.embedded.unit_watch import changes

        return changes(self._records, ended)

    def exit_reason(self, service: Service) -> str:
        """See the Protocol."""
        if all(record.alive for record in self._records.of(service.name)):
            return ""
        from devstack_tui.engines.embedded.unit_logs import Logs

        return Logs(self._paths.logs, self._records).exit_reason(service)

    def files(self, service: Service) -> RootedFiles:
        """See the Protocol."""
        account = account_of(service)
        return RootedFiles(self._paths.data / service.name, account.owner if account else None)
