"""Redis, as every engine configures it: a process and a directory for each node."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from devstack_tui.contracts.model import Installation, ServiceSettings
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui.contracts.service_files import CA, CERT, KEY, ServiceFiles
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.tls import SERVER_CIPHERS
from devstack_tui.services.redis import accounts, aof, nodes_conf
from devstack_tui.services.redis.client import node_count, node_name, source_address
from devstack_tui.services.redis.config_syntax import apply_to, configured, in_file

if TYPE_CHECKING:
    from devstack_tui.services.redis import Settings

TOPOLOGY = "topology"
BUS = 10000  # Redis puts the cluster bus there, above the TLS port when the bus speaks TLS
CONFIG = """\
# Written by devstack-tui at every start: a change here is lost.
bind {host}
port {port}
tls-port {tls_port}
protected-mode yes
acl-pubsub-default resetchannels
daemonize no
set-proc-title no
loglevel notice
logfile ""
dir {dir}
{accounts}masteruser {replica}
masterauth {password}
tls-cert-file {cert}
tls-key-file {key}
tls-ca-cert-file {ca}
tls-auth-clients no
tls-protocols "TLSv1.2 TLSv1.3"
tls-ciphers {ciphers}
tls-prefer-server-ciphers yes
tls-cluster yes
tls-replication yes
cluster-enabled yes
cluster-config-file nodes.conf
cluster-announce-ip {host}
cluster-node-timeout {node_timeout}
cluster-require-full-coverage no
repl-diskless-sync yes
repl-diskless-sync-delay 0
"""
# Since 7.0 a master that is asked to end waits for its replicas; the default, 10 s, is longer
# than the time that a stack has to go down.
# Each node calls the others from an address of its own: on loopback only that
# distinguishes one node's traffic from another's, and a drill can cut a node off while clients
# still reach it.
CONFIG_7 = """\
shutdown-timeout 3
bind-source-addr {source}
"""


class RedisServer:
    """See `devstack_tui.contracts.service.Server`."""

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """Three ports for each node: plain, TLS and the cluster bus."""
        own = cast("Settings", settings)
        claims: dict[str, int] = {}
        for index in range(own.masters * (1 + own.replicas)):
            name = node_name(index)
            claims[name] = own.ports["main"] + index
            claims[f"{name} tls"] = own.ports["tls"] + index
            claims[f"{name} bus"] = own.ports["tls"] + index + BUS
        if len(set(claims.values())) < len(claims):
            raise UsageError(
                f"the ports of {len(claims) // 3} Redis nodes overlap",
                "in stack.toml, [services.redis]: put `main` and `tls` further apart",
            )
        if max(claims.values()) > 65535:
            raise UsageError(
                f"the Redis cluster bus would be at port {max(claims.values())}",
                f"in stack.toml, lower `tls` of [services.redis] or port_offset: the bus is "
                f"{BUS} above",
            )
        return claims

    def prepare(self, home: ServerHome, installation: Installation) -> None:
        """A directory and a configuration for each node; nodes.conf in it belongs to Redis."""
        self._same_topology(home)
        home.say("writing the configuration")
        lines = configured(installation, home.tuning)
        for index in range(node_count(home.target)):
            name = node_name(index)
            text = CONFIG.format(
                host=HOST,
                port=home.port("main") + index,
                tls_port=home.port("tls") + index,
                dir=_quote(home.files.directory(name)),
                accounts=accounts.lines(home.target),
                replica=accounts.REPLICA,
                password=_quote(accounts.replica_password(home.target)),
                cert=_quote(home.files.path(CERT)),
                key=_quote(home.files.path(KEY)),
                ciphers=SERVER_CIPHERS,
                ca=_quote(home.files.path(CA)),
                node_timeout=home.target.options["node_timeout_ms"],
            )
            if release(installation.version) >= (7, 0):
                text += CONFIG_7.format(source=source_address(home.target, index))
            if lines.get("appendonly") == ["appendonly yes"]:
                aof.begin(home.files, name, had_one=_has_aof(home.files, f"{name}/redis.conf"))
            # In the node's own directory, where CONFIG REWRITE may replace it.
            home.files.write(f"{name}/redis.conf", apply_to(text, lines))
        nodes_conf.mend(home)

    def _same_topology(self, home: ServerHome) -> None:
        """Refuse to start nodes that the cluster does not know, or without some that it does."""
        options = home.target.options
        wanted = f"{options['masters']}+{int(options['masters']) * int(options['replicas'])}"
        nodes = [one for one in home.files.list() if one.startswith("redis-")]
        formed = any(home.files.stat(f"{one}/nodes.conf") for one in nodes)
        if formed and home.files.stat(TOPOLOGY):
            present = home.files.read(TOPOLOGY).decode(errors="replace").strip()
            if present != wanted:
                raise DevstackError(
                    f"the Redis cluster of stack {home.stack!r} has {present} nodes (masters + "
                    f"replicas), but stack.toml says {wanted}",
                    "set `masters` and `replicas` back, or delete the stack's data with "
                    f"`devstack-tui --stack {home.stack} down --wipe` and start it again",
                )
        home.files.write(TOPOLOGY, wanted + "\n")

    def complete(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """Make the cluster, or wait until the one that exists is whole."""
        from devstack_tui.services.redis.cluster import form

        form(home)


def _has_aof(files: ServiceFiles, config: str) -> bool:
    """Whether a node's configuration, as it was written last, has the append-only file."""
    try:
        return (
            in_file(files.read(config).decode(errors="replace")).get("appendonly", ("", 0))[0]
            == "yes"
        )
    except FileNotFoundError:
        return False


def release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _quote(text: str) -> str:
    """A value of redis.conf in double quotes, whatever it holds."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


SERVER: Server = RedisServer()
