"""How memcached is started as a process of this machine."""

from __future__ import annotations

from collections.abc import Sequence

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import not_installed
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Launcher, ProcessSpec
from devstack_tui.contracts.service_files import CERT, KEY
from devstack_tui.core.programs import find_program, version_of
from devstack_tui_memcached.server import LOGIN, MEMORY


class MemcachedLauncher:
    """See `devstack_tui.contracts.service.Launcher`."""

    def locate(self) -> Installation:
        """The `memcached` of Debian's package, which is built with TLS."""
        program = find_program("memcached")
        if program is None:
            raise not_installed("memcached")
        version = version_of(program, "--version", r"memcached (\d+(?:\.\d+)+)")
        return Installation(program, version, "memcached", version.rpartition(".")[0])

    def processes(self, home: ServerHome, installation: Installation) -> Sequence[ProcessSpec]:
        """The one server. SIGUSR1 makes it write down where its items are before it ends."""
        files = home.files
        options = f"ssl_chain_cert={files.path(CERT)},ssl_key={files.path(KEY)}"
        options += ",ssl_ciphers=ECDHE+AESGCM:ECDHE+CHACHA20"
        memory = str(home.settings.options()["memory_mib"])
        return [
            ProcessSpec(
                unit="memcached",
                argv=[
                    str(installation.program),
                    *("-l", HOST, "-p", str(home.port("main")), "-U", "0"),
                    *("-m", memory, "-e", files.path(MEMORY)),
                    *("-Z", "-o", options, "-Y", files.path(LOGIN)),
                    "-v",
                ],
                stop_signal="SIGUSR1",
            )
        ]


LAUNCHER: Launcher = MemcachedLauncher()
