"""Sabotages of Vault's TLS by its configuration, which takes effect at a restart."""

from __future__ import annotations

import contextlib
import functools
import re
from contextlib import AbstractContextManager

from devstack_tui.contracts.audit import SabotageStack, TlsSabotage
from devstack_tui.identity.owner_socket import CONFIG_FILE

# Of the weak ones a single family.
_CIPHERS = ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256")

# The old protocols need a cipher of theirs.
_OLD = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"


def _set(values: dict[str, str], stack: SabotageStack) -> AbstractContextManager[None]:
    """Settings of the listener, in place of those it has."""

    def change(text: str) -> str:
        for name in values:
            text = re.sub(rf"^ *{name} .*\n", "", text, flags=re.M)
        lines = "".join(f'  {name} = "{value}"\n' for name, value in values.items())
        return text.replace('listener "tcp" {\n', f'listener "tcp" {{\n{lines}')

    return stack.reconfigured("vault", CONFIG_FILE, change)


SABOTAGE = TlsSabotage(
    settings={
        "old_protocols": functools.partial(
            _set, {"tls_min_version": "tls10", "tls_cipher_suites": _OLD}
        ),
        "tls1_1": functools.partial(_set, {"tls_min_version": "tls11", "tls_cipher_suites": _OLD}),
        "no_tls13": functools.partial(_set, {"tls_max_version": "tls12"}),
        "no_tls12": functools.partial(_set, {"tls_min_version": "tls13"}),
        "plain_open": functools.partial(_set, {"tls_disable": "true"}),
    },
    weak_ciphers=functools.partial(_set, {"tls_cipher_suites": ",".join(_CIPHERS)}),
    # Go's own TLS loads RSA keys from 1024 bits on.
    lenient=lambda stack: contextlib.nullcontext(),
    seconds=6.0,
)
