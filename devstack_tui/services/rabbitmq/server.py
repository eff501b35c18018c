"""RabbitMQ, as every engine configures it: one node, and a port mapper of its own."""

from __future__ import annotations

import secrets
from pathlib import Path

from devstack_tui.contracts.model import Installation, ServiceSettings
from devstack_tui.contracts.server_home import HOST, Site
from devstack_tui.contracts.service import Server
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.rabbitmq import erlang
from devstack_tui.services.rabbitmq.client import connect

CONFIG = """\
# Written by devstack-tui at every start: a change here is lost.
listeners.tcp.1 = {host}:{main}
listeners.ssl.1 = {host}:{tls}
ssl_options.cacertfile = {chain}
ssl_options.certfile = {cert}
ssl_options.keyfile = {key}
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
# Erlang's own list has static ECDH in it, without forward secrecy.
ssl_options.ciphers.1 = TLS_AES_256_GCM_SHA384
ssl_options.ciphers.2 = TLS_AES_128_GCM_SHA256
ssl_options.ciphers.3 = TLS_CHACHA20_POLY1305_SHA256
ssl_options.ciphers.4 = ECDHE-ECDSA-AES256-GCM-SHA384
ssl_options.ciphers.5 = ECDHE-RSA-AES256-GCM-SHA384
ssl_options.ciphers.6 = ECDHE-ECDSA-AES128-GCM-SHA256
ssl_options.ciphers.7 = ECDHE-RSA-AES128-GCM-SHA256
ssl_options.ciphers.8 = ECDHE-ECDSA-CHACHA20-POLY1305
ssl_options.ciphers.9 = ECDHE-RSA-CHACHA20-POLY1305
default_user = {user}
default_vhost = {vhost}
default_user_tags.administrator = true
log.console = true
# A probe every two seconds would fill the log with connections.
log.connection.level = warning
disk_free_limit.absolute = 50MB
"""
# The password alone is a term: its characters need no rule there.
SECRET = "[{{rabbit, [{{default_pass, {password}}}]}}].\n"
# With the distribution running before RabbitMQ asks for it, the node never has a port on another
# interface, and no second virtual machine is started to see that the port mapper is there.
ARGUMENTS = """\
-sname {node}
-start_epmd false
-kernel inet_dist_use_interface {{127,0,0,1}}
-kernel inet_dist_listen_min {dist} inet_dist_listen_max {dist}
"""
COMPLETE = "complete"


class RabbitmqServer:
    """See `devstack_tui.contracts.service.Server`."""

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """AMQP, AMQPS, the node's port for its tools, and the port mapper's."""
        return {name: settings.ports[name] for name in ("main", "tls", "dist", "epmd")}

    def prepare(self, site: Site, installation: Installation) -> None:
        """The cookie once; the configuration at every start."""
        for name in ("mnesia", "log", "conf.d"):
            site.directory(name)
        if not (site.data / ".erlang.cookie").exists():
            site.write(".erlang.cookie", secrets.token_hex(20))
        site.write(
            "rabbitmq.conf",
            CONFIG.format(
                host=HOST,
                main=site.port("main"),
                tls=site.port("tls"),
                chain=site.tls.chain,
                cert=site.tls.cert,
                key=site.tls.key,
                user=site.credentials.user,
                vhost=site.credentials.database,
            ),
        )
        password = erlang.binary(site.credentials.password)
        site.write("advanced.config", SECRET.format(password=password))
        site.write("enabled_plugins", "[].\n")
        plugins = plugins_of(installation.program)
        arguments = ARGUMENTS.format(node=node_name(site.stack), dist=site.port("dist"))
        base = erlang.root()
        arguments += erlang.polling(base)
        if plugins is not None and base is not None:
            paths = " ".join(
                erlang.argument(str(path)) for path in erlang.code_path([plugins, base / "lib"])
            )
            arguments += f"-pa {paths}\n"
        site.write("vm.args", arguments)
        link_core(site, plugins)

    def complete(self, site: Site, installation: Installation) -> None:  # noqa: ARG002
        """Wait until the stack's user can log in. The node itself makes it, at its first start."""
        import pika

        refused = False

        def accepts() -> bool:
            nonlocal refused
            try:
                with connect(site.target, 5):
                    return True
            except pika.exceptions.ProbableAuthenticationError:
                # It does not get better by waiting: the user is made before the node listens.
                refused = True
                return True

        site.wait_for("RabbitMQ to accept connections", accepts)
        if refused:
            raise DevstackError(
                f"RabbitMQ refuses the password that Vault has for {site.credentials.user!r}",
                "its data is from another Vault: `devstack-tui down --wipe` makes both anew",
            )
        if not (site.data / COMPLETE).exists():
            site.write(COMPLETE, "")


def node_name(stack: str) -> str:
    """The node's name, which names its files too."""
    return f"rabbit-{stack}@localhost"


def plugins_of(program: Path) -> Path | None:
    """The directory with RabbitMQ's own applications, or None where it is not as we know it."""
    plugins = program.resolve().parent.parent / "plugins"
    return plugins if any(plugins.glob("rabbit-[0-9]*/ebin")) else None


def link_core(site: Site, plugins: Path | None) -> None:
    """A plugin directory with the core alone.

    No plugin is enabled, and yet the node would read the configuration schemas, the feature flags
    and every module of all that it finds there: two seconds.
    """
    if plugins is None:
        return
    folder = site.directory("plugins")
    core = sorted(plugins.glob("rabbit-[0-9]*"))[-1]
    for link in folder.iterdir():
        if link.name != core.name or link.resolve() != core.resolve():
            link.unlink()
    if not (folder / core.name).is_symlink():
        (folder / core.name).symlink_to(core)


SERVER: Server = RabbitmqServer()
