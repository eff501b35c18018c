"""How RabbitMQ's TLS is broken by its settings: its listeners are changed in the running node,
whose start would take longer than all the rest."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator

from devstack_tui.contracts.audit import SabotageStack, TlsSabotage
from devstack_tui.contracts.service_files import CA
from devstack_tui.services.rabbitmq import erl_call

_TERM = "devstack_tui_sabotage"
_LISTENER = "[Ref] = [R || {{acceptor, _, P}} = R <- maps:keys(ranch:info()), P =:= {port}]"
# Ranch applies changed socket options when a suspended listener is resumed.
_CHANGE = """\
{listener},
Old = ranch:get_transport_options(Ref),
ok = persistent_term:put({term}, Old),
#{{socket_opts := Options}} = Old,
New = Old#{{socket_opts := lists:foldl(
    fun({{K, V}}, L) -> lists:keystore(K, 1, L, {{K, V}}) end, Options, {options})}},
ok = ranch:suspend_listener(Ref),
ok = ranch:set_transport_options(Ref, New),
ok = ranch:resume_listener(Ref)"""
_BACK = """\
{listener},
ok = ranch:suspend_listener(Ref),
ok = ranch:set_transport_options(Ref, persistent_term:get({term})),
ok = ranch:resume_listener(Ref)"""
# The old protocols need a cipher of theirs: the configured ones are all of TLS 1.2 or newer.
_OLD = (
    "[{versions, ['tlsv1.3', 'tlsv1.2', 'tlsv1.1', 'tlsv1']},"
    ' {ciphers, ["TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256",'
    ' "ECDHE-ECDSA-AES128-SHA"]}]'
)
_WEAK = (
    "[{ciphers, ssl:cipher_suites(all, 'tlsv1.3') ++ ssl:cipher_suites(all, 'tlsv1.2')"
    " ++ ssl:cipher_suites(anonymous, 'tlsv1.2')}]"
)


@contextlib.contextmanager
def _set(options: str, stack: SabotageStack) -> Iterator[None]:
    """Other options of Erlang's ssl, a list of pairs, for the listener of AMQPS."""
    port = stack.audit.target("rabbitmq").ports["tls"]
    listener = _LISTENER.format(port=port)
    _evaluate(stack, _CHANGE.format(listener=listener, term=_TERM, options=options))
    try:
        yield
    finally:
        _evaluate(stack, _BACK.format(listener=listener, term=_TERM))


@contextlib.contextmanager
def _bare(stack: SabotageStack) -> Iterator[None]:
    """Its CA file holds the root alone: it also sends intermediates from that file."""
    root = json.dumps(stack.audit.files("rabbitmq").path(CA))
    with _set(f"[{{cacertfile, {root}}}]", stack):
        yield


@contextlib.contextmanager
def _closed(port: str, stack: SabotageStack) -> Iterator[None]:
    """Nothing listens at a port."""
    listener = _LISTENER.format(port=stack.audit.target("rabbitmq").ports[port])
    _evaluate(stack, f"{listener}, ok = ranch:suspend_listener(Ref)")
    try:
        yield
    finally:
        # A suspended listener has no port, but its name still holds it.
        _evaluate(stack, f"{listener}, ok = ranch:resume_listener(Ref)")


def _evaluate(stack: SabotageStack, expression: str) -> None:
    # In a function of its own, or its variables would still be bound in the next call.
    whole = f"(fun() -> {expression} end)()"
    erl_call.evaluate(stack.units, stack.audit.files("rabbitmq"), whole)


SABOTAGE = TlsSabotage(
    settings={
        "old_protocols": functools.partial(_set, _OLD),
        "no_tls13": functools.partial(_set, "[{versions, ['tlsv1.2']}]"),
        "no_tls12": functools.partial(_set, "[{versions, ['tlsv1.3']}]"),
        "client_renegotiation": functools.partial(_set, "[{client_renegotiation, true}]"),
        "weak_groups": functools.partial(_set, "[{eccs, [x25519, secp256r1, secp224r1]}]"),
        "cipher_order": functools.partial(_set, "[{honor_cipher_order, false}]"),
        "plain_closed": functools.partial(_closed, "main"),
        "down_tls": functools.partial(_closed, "tls"),
    },
    weak_ciphers=functools.partial(_set, _WEAK),
    # Erlang's own TLS loads any key.
    lenient=lambda stack: contextlib.nullcontext(),
    bare=_bare,
    # It refuses clients that do not accept SHA-1 before they could refuse its certificate.
    besides={"sha1": frozenset({"wrong_ca", "wrong_host", "sha1_signature"})},
    companions={
        "plain_closed": ("network.rabbitmq.port.main",),
        "down_tls": ("network.rabbitmq.port.tls",),
    },
    seconds=0.5,
)
