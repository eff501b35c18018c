"""MongoDB's TLS: from the first byte, on the one port, which answers plain as well."""

from __future__ import annotations

import contextlib

from devstack_tui.contracts.audit import OPENSSL_WEAK, Listener, OneListener, PlainRefused, TlsPart
from devstack_tui.contracts.model import Target
from devstack_tui.loadgen.bounded_socket import begin_at_once, translated
from devstack_tui.services.mongodb.cert_reload import reload
from devstack_tui.services.mongodb.wire import Refused, Wire

SETTINGS = {
    "tls": "net.tls.mode: preferTLS",
    "protocols": "net.tls.disabledProtocols: TLS1_0,TLS1_1",
    "ciphers": "setParameter.opensslCipherConfig: ECDHE+AESGCM:ECDHE+CHACHA20",
    "plain": "net.tls.mode: preferTLS (requireTLS admits TLS alone)",
}


COUNT = {"count": "devstack_tui_probe"}
_UNAUTHORIZED = 13


class MongodbTls(OneListener):
    """See `devstack_tui.contracts.audit.TlsPart`."""

    reload = staticmethod(reload)

    listener = Listener(
        "mongodb",
        "mongodb",
        begin_at_once,
        dual=True,
        core={"plain": 13, "verified": 14},
        weak=OPENSSL_WEAK,
        explained={"cipher_order": "MongoDB has no setting for it; every cipher of ours is strong"},
        settings=SETTINGS,
    )

    def query(self, target: Target, listener: Listener, tls: bool, timeout: float) -> str:  # noqa: ARG002
        """Log in and count the documents of a collection; in plain, that it refuses to count for
        whoever has not logged in."""
        try:
            with contextlib.ExitStack() as stack:
                wire = stack.enter_context(Wire(target, timeout, tls))
                try:
                    wire.command("admin", {"hello": 1})
                except ConnectionError:
                    if tls:
                        raise
                    # Where TLS is required, it closes what does not begin with it.
                    raise PlainRefused("it closes a plain connection") from None
                if not tls:
                    return _without_login(wire, target)
                wire.login(target.credentials.user, target.credentials.password)
                wire.command(target.credentials.database, COUNT)
                return f"count answered over {wire.tls}"
        except OSError as error:
            raise translated(error) from None


def _without_login(wire: Wire, target: Target) -> str:
    """That it answers in plain is shown by its refusal: no password is sent."""
    try:
        wire.command(target.credentials.database, COUNT)
    except Refused as error:
        if error.code != _UNAUTHORIZED:
            raise
        return "hello was answered in plain, and count refused without a login"
    return "count was answered without a login, in plain"


TLS: TlsPart = MongodbTls()
