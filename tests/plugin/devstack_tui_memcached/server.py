"""memcached, as every engine configures it: its login in a 0600 file, TLS on its only port."""

from __future__ import annotations

import re
import time

from devstack_tui.contracts.model import Installation, ServiceSettings
from devstack_tui.contracts.server_home import ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui_memcached.client import Connection

LOGIN = "login"
MEMORY = "items"


class MemcachedServer:
    """See `devstack_tui.contracts.service.Server`."""

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """The one port."""
        return {"main": settings.ports["main"]}

    def prepare(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """The file of its login; and it drops its items when it starts in the second in which it
        ended (`stop_time` of its metadata must be in the past)."""
        saved = f"{MEMORY}.meta"
        metadata = home.files.read(saved) if home.files.stat(saved) else b""
        if stopped := re.search(rb"stop_time (\d+)", metadata):
            time.sleep(min(1.0, max(0.0, int(stopped[1]) + 1 - time.time())))
        home.files.write(LOGIN, f"{home.credentials.user}:{home.credentials.password}\n")

    def complete(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """Wait until it accepts the login."""

        def answers() -> bool:
            with Connection(home.target, 2) as connection:
                return bool(connection.version())

        home.wait_for("memcached to answer", answers)


SERVER: Server = MemcachedServer()
