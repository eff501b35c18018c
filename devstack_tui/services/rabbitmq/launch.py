"""How RabbitMQ and its port mapper are started as processes of this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.registry import not_installed
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Launcher, ProcessSpec
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.programs import find_program
from devstack_tui.services.rabbitmq import erlang
from devstack_tui.services.rabbitmq.server import node_name

# $0 is the server, $1 the port mapper. A node whose first start was cut short may lack its user
# for ever; what it made is dropped here and not before, when it is sure that no node runs.
START = """\
cd "$HOME" || exit 1
[ -e complete ] || rm -rf mnesia/*
tries=0
until "$1" -names >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -le 200 ] || { echo "epmd does not answer" >&2; exit 1; }
  sleep 0.05
done
exec "$0"
"""


class RabbitmqLauncher:
    """See `devstack_tui.contracts.service.Launcher`."""

    def locate(self) -> Installation:
        """The script that starts a node, not Debian's in PATH, which insists on being root."""
        debian = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        program = debian if debian.exists() else find_program("rabbitmq-server")
        if program is None or erlang.root() is None or erlang.epmd() is None:
            raise not_installed("rabbitmq")
        erlang.require_running()
        version = _version(program)
        return Installation(program, version, "RabbitMQ", ".".join(version.split(".")[:2]))

    def processes(self, home: ServerHome, installation: Installation) -> Sequence[ProcessSpec]:
        """The port mapper, then the node."""
        epmd = erlang.epmd()
        if epmd is None:
            raise not_installed("rabbitmq")
        shared = {"ERL_EPMD_ADDRESS": HOST, "ERL_EPMD_PORT": str(home.port("epmd"))}
        return [
            ProcessSpec(unit="rabbitmq-epmd", argv=[str(epmd)], env=shared, grace_s=2.0),
            ProcessSpec(
                unit="rabbitmq",
                argv=["/bin/sh", "-c", START, str(installation.program), str(epmd)],
                env={**shared, **environment(home)},
            ),
        ]


def environment(home: ServerHome) -> dict[str, str]:
    """The variables of a node that has nothing in /etc or /var. Its files are relative to the data
    directory, where it works: its scripts would not keep each path together. RabbitMQ 4 insists on
    the whole path of its database."""
    plugins = home.files.stat("plugins") is not None
    return {
        "RABBITMQ_NODENAME": node_name(home.stack),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": "rabbitmq.conf",
        "RABBITMQ_CONFIG_FILES": "conf.d",
        "RABBITMQ_ADVANCED_CONFIG_FILE": home.files.path("advanced.config"),
        "RABBITMQ_MNESIA_BASE": home.files.path("mnesia"),
        "RABBITMQ_LOG_BASE": "log",
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": "enabled_plugins",
        **({"RABBITMQ_PLUGINS_DIR": "plugins"} if plugins else {}),
        "RABBITMQ_DIST_PORT": str(home.port("dist")),
        # Relative to the data directory: the script splits this at spaces.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-args_file vm.args",
        # The script then becomes the node. Otherwise it stays as its parent, and a kill of the
        # process that we know would leave the node behind.
        "RUNNING_UNDER_SYSTEMD": "true",
        # A crash dump is a copy of the node's memory, passwords and all.
        "ERL_CRASH_DUMP_SECONDS": "0",
        # Of the virtual machine that the node starts when it is not known to the port mapper, once
        # a minute: it would start a mapper of its own, which outlives the node on our port.
        "ERL_ZFLAGS": "-start_epmd false",
    }


def _version(program: Path) -> str:
    """By the name of the core's directory or archive.

    `rabbitmqctl version` would need a second, and leave a port mapper behind on every interface.
    """
    for core in sorted((program.resolve().parent.parent / "plugins").glob("rabbit-[0-9]*")):
        if found := re.match(r"rabbit-(\d+(?:\.\d+)+)", core.name):
            return found[1]
    raise DevstackError(
        f"cannot tell the version of RabbitMQ at {program}",
        "install the package rabbitmq-server of your distribution",
    )


LAUNCHER: Launcher = RabbitmqLauncher()
