"""RabbitMQ, as every engine configures it: one node, and a port mapper of its own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from devstack_tui.contracts.model import Installation, ServiceSettings, Target
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui.contracts.service_files import CERT, CHAIN, KEY, ServiceFiles
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.files import PRIVATE_FILE
from devstack_tui.core.tls import SERVER_CIPHERS
from devstack_tui.services.rabbitmq import accounts, erlang
from devstack_tui.services.rabbitmq.client import connect
from devstack_tui.services.rabbitmq.erl_call import COOKIE

# The files are relative to the data directory, where the node works: this format knows no quotes.
CONFIG = """\
# Written by devstack-tui at every start: a change here is lost.
listeners.tcp.1 = {host}:{main}
listeners.ssl.1 = {host}:{tls}
load_definitions = {definitions}
auth_backends.1 = internal
auth_mechanisms.1 = PLAIN
log.console = true
# A probe every two seconds would fill the log with connections.
log.connection.level = warning
disk_free_limit.absolute = 50MB
"""
# rabbitmq.conf has no word for the curves, of which Erlang by itself takes even those of 160 bits;
# and the options of this file replace those of the other, so that they are all here. Erlang's own
# list of ciphers has static ECDH in it, without forward secrecy.
ADVANCED = """\
%% Written by devstack-tui at every start: a change here is lost.
[{{rabbit, [{{ssl_options, [
  {{cacertfile, "{chain}"}},
  {{certfile, "{cert}"}},
  {{keyfile, "{key}"}},
  {{verify, verify_none}},
  {{fail_if_no_peer_cert, false}},
  {{versions, ['tlsv1.3', 'tlsv1.2']}},
  {{ciphers, [{ciphers}]}},
  {{honor_cipher_order, true}},
  {{eccs, [x25519, secp256r1, secp384r1, secp521r1]}},
  {{client_renegotiation, false}},
  {{secure_renegotiate, true}}
]}}]}}].
"""
TLS13_CIPHERS = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
# With the distribution running before RabbitMQ asks for it, the node never has a port on another
# interface, and no second virtual machine is started to see that the port mapper is there.
ARGUMENTS = """\
-sname {node}
-start_epmd false
-kernel inet_dist_use_interface {{127,0,0,1}}
-kernel inet_dist_listen_min {dist} inet_dist_listen_max {dist}
"""
COMPLETE = "complete"
SPOILT = "its Erlang cookie is spoilt or gone"


def _advanced() -> str:
    """The options of TLS, in Erlang's notation."""
    names = f"{TLS13_CIPHERS}:{SERVER_CIPHERS}".split(":")
    quoted = ", ".join(f'"{name}"' for name in names)
    return ADVANCED.format(chain=CHAIN, cert=CERT, key=KEY, ciphers=quoted)


class RabbitmqServer:
    """See `devstack_tui.contracts.service.Server`."""

    # epmd adds loopback of both families to the addresses that it is given.
    further: ClassVar[Mapping[str, str]] = {"epmd": "::1"}

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """AMQP, AMQPS, the node's port for its tools, and the port mapper's."""
        return {name: settings.ports[name] for name in ("main", "tls", "dist", "epmd")}

    def prepare(self, home: ServerHome, installation: Installation) -> None:
        """The cookie once; the configuration at every start."""
        for name in ("mnesia", "log", "conf.d"):
            home.files.directory(name)
        _cookie(home)
        home.files.write(
            "rabbitmq.conf",
            CONFIG.format(
                host=HOST,
                main=home.port("main"),
                tls=home.port("tls"),
                definitions=accounts.DEFINITIONS,
            ),
        )
        # Where an older release kept the password; without a file of ours it would read the host's.
        home.files.write("advanced.config", _advanced())
        if home.files.stat(accounts.DEFINITIONS) is None:
            home.stop()  # a node that runs has its account from before
        home.files.write(accounts.DEFINITIONS, accounts.definitions(home.target))
        home.files.write("enabled_plugins", "[].\n")
        plugins = plugins_of(installation.program)
        arguments = ARGUMENTS.format(node=node_name(home.stack), dist=home.port("dist"))
        base = erlang.root()
        arguments += erlang.polling(base)
        if plugins is not None and base is not None:
            paths = " ".join(
                erlang.argument(str(path)) for path in erlang.code_path([plugins, base / "lib"])
            )
            arguments += f"-pa {paths}\n"
        home.files.write("vm.args", arguments)
        link_core(home, plugins)

    def complete(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """Wait until the stack's user can log in. The node itself makes it, at every start."""
        import pika

        refused = False

        def accepts() -> bool:
            nonlocal refused
            try:
                with connect(home.target, 5):
                    return True
            except pika.exceptions.ProbableAuthenticationError as error:
                # The driver guesses so as well when the connection broke. A refusal does not get
                # better by waiting: the user is made before the node listens.
                refused = "(403)" in str(error)
                return refused

        home.wait_for("RabbitMQ to accept connections", accepts)
        if refused:
            raise DevstackError(
                f"RabbitMQ refuses the password that Vault has for {home.credentials.user!r}",
                "its data is from another Vault: `devstack-tui down --wipe` makes both anew",
            )
        if home.files.stat(COMPLETE) is None:
            home.files.write(COMPLETE, "")

    def lacking(self, target: Target, files: ServiceFiles) -> str:  # noqa: ARG002
        """See `Mendable`."""
        if files.stat(accounts.DEFINITIONS) is None:
            return "its account, an administrator in an older release, loses that"
        return _wrong_cookie(files)


def _cookie(home: ServerHome) -> None:
    """Erlang's secret, which it takes only from a private file of its own account."""
    wrong = _wrong_cookie(home.files)
    if not wrong:
        return
    kept = "" if wrong == SPOILT else home.files.read(COOKIE).decode().strip()
    if home.files.stat(COOKIE):
        home.say(f"{wrong}: it is made anew")
        home.files.remove(COOKIE)
    if not kept:
        home.stop()  # a node that runs knows another one
    home.files.write(COOKIE, kept or secrets.token_hex(20))


def _wrong_cookie(files: ServiceFiles) -> str:
    """What is wrong with the cookie's file, in words; empty if nothing is."""
    found = files.stat(COOKIE)
    try:
        text = files.read(COOKIE).decode().strip()
    except (OSError, ValueError):
        text = ""
    if found is None or not re.fullmatch(r"[!-~]{1,255}", text):
        return SPOILT
    return "" if found.own and found.mode == PRIVATE_FILE else "its Erlang cookie is not private"


def node_name(stack: str) -> str:
    """The node's name, which names its files too."""
    return f"rabbit-{stack}@localhost"


def plugins_of(program: Path) -> Path | None:
    """The directory with RabbitMQ's own applications, or None where it is not as we know it."""
    plugins = program.resolve().parent.parent / "plugins"
    return plugins if any(plugins.glob("rabbit-[0-9]*/ebin")) else None


def link_core(home: ServerHome, plugins: Path | None) -> None:
    """A plugin directory with the core alone.

    No plugin is enabled, and yet the node would read the configuration schemas, the feature flags
    and every module of all that it finds there: two seconds.
    """
    if plugins is None:
        return
    home.files.directory("plugins")
    core = sorted(plugins.glob("rabbit-[0-9]*"))[-1]
    linked = home.files.list("plugins")
    for name in linked:
        if name != core.name:
            home.files.remove(f"plugins/{name}")
    if core.name not in linked:
        home.files.link(f"plugins/{core.name}", str(core))


SERVER: Server = RabbitmqServer()
