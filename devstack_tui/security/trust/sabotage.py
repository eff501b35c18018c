"""What turns each kind of the suite red. What a wrong certificate turns is in `tls_sabotage`."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator

from devstack_tui.contracts.audit import Sabotage, SabotageStack
from devstack_tui.contracts.registry import IDENTITY, service
from devstack_tui.contracts.service_files import KEY
from devstack_tui.security import forged_certs, tls_sabotage
from devstack_tui.security.tls import untrusted_ca
from devstack_tui.security.trust.catalogue import id_of
from devstack_tui.security.trust.certificates import INTERMEDIATE, ROOT

YEARS = datetime.timedelta(days=3650)
SHORT = "480h"
SHARED = "postgres"
"""The service that is given the key of another."""
STRAY = "devstack-tui-stray"


def sabotages() -> tuple[Sabotage, ...]:
    """One of each kind that no wrong certificate of a single service turns."""
    brought = (id_of("issuers", INTERMEDIATE), id_of("beyond", ROOT))
    return (
        Sabotage(
            "trust.stack.ca", "a foreign root is appended to the CA file", IDENTITY, _appended
        ),
        Sabotage(
            "trust.stack.path",
            "everybody may write the CA file",
            IDENTITY,
            _writable,
            expects=("files.stack.modes",),
        ),
        Sabotage("trust.pki-int.issuers", "a foreign CA is imported", IDENTITY, _imported),
        Sabotage(
            "trust.pki-int.default",
            "Vault signs by another CA below the root",
            IDENTITY,
            _other_default,
            expects=brought,
        ),
        Sabotage(
            "trust.pki-int.dates",
            "an intermediate that ends in 20 days is imported",
            IDENTITY,
            _ending,
            expects=brought,
        ),
        Sabotage(
            "trust.pki-int.beyond",
            "a certificate is issued that nobody knows",
            IDENTITY,
            _stray_leaf,
        ),
        Sabotage(
            "trust.postgres.key",
            f"{SHARED} has the key of {IDENTITY}",
            SHARED,
            _shared_key,
            expects=(id_of("known", SHARED), id_of("beyond", ROOT)),
        ),
    )


@contextlib.contextmanager
def _appended(stack: SabotageStack) -> Iterator[None]:
    foreign = untrusted_ca.root("devstack-tui foreign CA", YEARS)[1]
    with stack.edited(stack.audit.own_file(stack.audit.ca), lambda text: text + foreign):
        yield


@contextlib.contextmanager
def _writable(stack: SabotageStack) -> Iterator[None]:
    path = stack.audit.own_file(stack.audit.ca)
    found = path.stat()
    assert found is not None
    path.files.chmod(path.name, 0o666)
    try:
        yield
    finally:
        path.files.chmod(path.name, found.mode)


@contextlib.contextmanager
def _imported(stack: SabotageStack) -> Iterator[None]:
    with _known(stack, untrusted_ca.root("devstack-tui foreign CA", YEARS)[1]):
        yield


@contextlib.contextmanager
def _other_default(stack: SabotageStack) -> Iterator[None]:
    path = f"{INTERMEDIATE}/config/issuers"
    with (
        forged_certs.signed(stack) as issuer,
        _known(stack, forged_certs.pem(issuer)) as made,
    ):
        with stack.root() as root:
            before = root.call("get", path)["data"]["default"]
            root.call("post", path, default=made)
        try:
            yield
        finally:
            with stack.root() as root:
                root.call("post", path, default=before)


@contextlib.contextmanager
def _ending(stack: SabotageStack) -> Iterator[None]:
    with (
        forged_certs.signed(stack, SHORT) as issuer,
        _known(stack, forged_certs.pem(issuer)),
    ):
        yield


@contextlib.contextmanager
def _known(stack: SabotageStack, pem: str) -> Iterator[str]:
    """A CA that the mount knows beside its own: the id of its issuer."""
    with stack.root() as root:
        answer = root.call("post", f"{INTERMEDIATE}/issuers/import/cert", pem_bundle=pem)
    made = str(answer["data"]["imported_issuers"][0])
    try:
        yield made
    finally:
        with stack.root() as root:
            root.call("delete", f"{INTERMEDIATE}/issuer/{made}")


@contextlib.contextmanager
def _stray_leaf(stack: SabotageStack) -> Iterator[None]:
    role = f"{INTERMEDIATE}/roles/{STRAY}"
    with stack.root() as root:
        root.call("post", role, allow_any_name=True, key_type="ec", key_bits=256)
        try:
            name = f"{STRAY}.invalid"
            answer = root.call("post", f"{INTERMEDIATE}/issue/{STRAY}", common_name=name, ttl="1h")
        finally:
            root.call("delete", role)
    try:
        yield
    finally:
        with stack.root() as root:
            serial = answer["data"]["serial_number"]
            root.call("post", f"{INTERMEDIATE}/revoke", serial_number=serial)


@contextlib.contextmanager
def _shared_key(stack: SabotageStack) -> Iterator[None]:
    other = stack.audit.files(IDENTITY).read(KEY)
    with tls_sabotage.swapped(
        service(SHARED),
        tls_sabotage.nothing,
        lambda issuer, names: forged_certs.reissued(issuer, names, other),
        stack,
    ):
        yield
