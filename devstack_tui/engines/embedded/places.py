"""Where each service of a stack lives on this machine, and how it is reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from devstack_tui.contracts.engine import Run
from devstack_tui.contracts.model import Credentials, Target
from devstack_tui.contracts.registry import IDENTITY, services
from devstack_tui.contracts.registry import service as service_named
from devstack_tui.contracts.service import Service
from devstack_tui.core.events import Phase
from devstack_tui.core.journal import Journal
from devstack_tui.core.paths import StackPaths
from devstack_tui.engines.embedded import accounts, own_directory
from devstack_tui.engines.embedded.server_home import ProcessHome
from devstack_tui.engines.embedded.view import EmbeddedView
from devstack_tui.identity import approle_login
from devstack_tui.state import parameter_store
from devstack_tui.state.instance import Instance
from devstack_tui.state.settings import StackSettings


class Places:
    """The directories, ports and addresses of one stack's services."""

    def __init__(
        self,
        view: EmbeddedView,
        paths: StackPaths,
        instance: Instance,
        settings: StackSettings,
    ) -> None:
        self._view = view
        self._paths = paths
        self._instance = instance
        self._settings = settings

    def login(self, service: Service, run: Run) -> Credentials:
        """The service's secret, fetched from Vault by its own AppRole; its certificate is written
        on the way. Nothing for the service that all others log in to."""
        self._make_home(service)
        if IDENTITY not in service.requires:
            return Credentials()
        vault = self._view.target(service_named(IDENTITY))
        run.say(Phase.PREPARING, "logging in to Vault")
        return approle_login.obtain(vault, service, self._view.files(service))

    def home(
        self,
        service: Service,
        run: Run,
        credentials: Credentials,
        *,
        died: Callable[[], str],
        reload: Callable[[str], None],
        stop: Callable[[], object],
    ) -> ProcessHome:
        """All that the service's server part is given."""
        return ProcessHome(
            stack=self._paths.name,
            instance=self._instance.id,
            service=service.name,
            settings=self._settings.of(service.name, self._instance.port_offset),
            data=self._make_home(service),
            account=accounts.require(service),
            credentials=credentials,
            target=self._view.target(service),
            journal=Journal(self._paths.journal),
            peers=self._peers(service),
            tuning=parameter_store.read(self._paths).values.get(service.name, {}),
            cancelled=run.cancelled,
            say=lambda text: run.say(Phase.STARTING, text),
            died=died,
            reload=reload,
            stop=stop,
        )

    def hand_over(self, service: Service, run: Run, *, whole: bool) -> None:
        """Give the service's directory to the account of its server, which may be another one than
        when it was made; `whole`: the server has run as root. None of its units may run."""
        account = accounts.require(service, lambda text: run.say(Phase.PREPARING, text))
        made = own_directory.make(self._paths.data, service.name, account)
        if own_directory.hand_over(made.parent, made.name, account, whole=whole):
            run.say(Phase.PREPARING, f"its files belong to {account.name} now")

    def _make_home(self, service: Service) -> Path:
        account = accounts.require(service)
        return own_directory.make(self._paths.data, service.name, account)

    def _peers(self, service: Service) -> Mapping[str, Target]:
        members = {*self._instance.selected, IDENTITY} - {service.name}
        return {
            peer.name: msgspec.structs.replace(
                self._view.target(peer), credentials=Credentials(), admin=Credentials()
            )
            for peer in services()
            if peer.name in members
        }
