"""The checks of RabbitMQ: suite `auth`, and the listeners of its nodes; and what turns one of each
kind red."""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import hashlib
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from devstack_tui.contracts.audit import (
    Audit,
    Check,
    Checks,
    Finding,
    Sabotage,
    SabotageStack,
)
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import ServicePath
from devstack_tui.core.tls import client_context
from devstack_tui.identity import account_checks
from devstack_tui.identity.account_checks import SETTING, compared, declared, guesses, none_of
from devstack_tui.loadgen.bounded_socket import guarded
from devstack_tui.services.rabbitmq import accounts, erl_call
from devstack_tui.services.rabbitmq.audit import nodes
from devstack_tui.services.rabbitmq.audit.facts import Facts, facts
from devstack_tui.services.rabbitmq.audit.knock import is_let_in

SERVICE = "rabbitmq"
GUEST = "guest"
COOKIE_LENGTH, COOKIE_ALPHABET = 20, 8
"""At least so many characters, and so many different ones, has a cookie that nobody guesses."""
_Judge = Callable[[Facts, Target], Finding]


class RabbitmqChecks:
    """See `devstack_tui.contracts.audit.Checks`."""

    def checks(self, audit: Audit) -> tuple[Check, ...]:  # noqa: ARG002
        """Of its accounts, and of the settings that decide who gets in."""
        make = functools.partial(account_checks.check, SERVICE)
        found = [make("no_login", _no_login)]
        for kind, judge in (("accounts", exactly), ("vhosts", vhosts), ("cookie", cookie)):
            found.append(make(kind, functools.partial(_judged, judge)))
        for kind, judge in (("passwords", password), ("tags", tags), ("rights", rights)):
            found.append(make(kind, functools.partial(_judged, judge), what="application"))
        for name in declared(SERVICE)["settings"]:
            run = functools.partial(_judged, functools.partial(setting, name))
            found.append(make(SETTING, run, what=name))
        return (*found, *nodes.checks())

    def sabotages(self) -> tuple[Sabotage, ...]:
        """One of each kind, while the node runs."""
        own = f"{account_checks.SUITE}.{SERVICE}"
        return (
            _sabotage("no_login", "lets guest in", _guest, (f"{own}.accounts",)),
            _sabotage("accounts", "has an account that nobody declared", _stranger),
            _sabotage("passwords.application", "keeps a hash by MD5", _md5),
            _sabotage("tags.application", "lets applications watch all of it", _monitoring),
            _sabotage("rights.application", "gives applications rights by another pattern", _wider),
            _sabotage("vhosts", "has a virtual host that nobody declared", _host),
            _sabotage("cookie", "has a cookie that is guessed", _guessed_cookie),
            Sabotage(
                id="rabbitmq.epmd_stray",
                title="the port mapper of RabbitMQ knows a node that is not ours",
                service=SERVICE,
                apply=nodes.stray,
                seconds=0.1,
            ),
            _sabotage("loopback_users", "would let guest in from anywhere", _anywhere),
        )


def _judged(judge: _Judge, audit: Audit) -> Finding:
    return judge(facts(audit), audit.target(SERVICE))


# -- without a credential ----------------------------------------------------------------------


def _no_login(audit: Audit) -> Finding:
    """Both listeners, by each mechanism that asks for nothing, and as each account without a
    password or with its own name as one."""
    target = audit.target(SERVICE)
    names = dict.fromkeys((GUEST, *(user.name for user in facts(audit).users)))
    tries = [
        ("anonymously", "ANONYMOUS", b""),
        ("by EXTERNAL without a certificate", "EXTERNAL", b""),
    ]
    for name in names:
        for word, how in ((b"", "an empty password"), (name.encode(), "its own name")):
            tries.append((f"as {name} with {how}", "PLAIN", b"\0" + name.encode() + b"\0" + word))
    ways = [
        f"{'over TLS' if tls else 'in plain'} {how}"
        for tls in (True, False)
        for how, mechanism, response in tries
        if _knock(target, tls, audit.timeout, mechanism, response)
    ]
    return none_of(ways, f"refused: anonymous logins, guesses for {', '.join(names)}")


def _knock(target: Target, tls: bool, timeout: float, mechanism: str, response: bytes) -> bool:
    port = target.ports["tls" if tls else "main"]
    try:
        with (
            socket.create_connection((target.endpoint.host, port), timeout) as plain,
            guarded(plain.fileno(), timeout),
        ):
            if not tls:
                return is_let_in(plain, mechanism, response)
            with client_context(target.ca, target.name).wrap_socket(plain) as sock:
                return is_let_in(sock, mechanism, response)
    except ConnectionRefusedError:
        if tls:
            raise
        return False  # a closed port lets nobody in
    except OSError as error:
        raise account_checks.unanswered("RabbitMQ", error, timeout) from None


# -- what the node reports ---------------------------------------------------------------------


def exactly(found: Facts, target: Target) -> Finding:
    """The declared account and no other."""
    return compared("accounts", {user.name for user in found.users}, {target.credentials.user})


def vhosts(found: Facts, target: Target) -> Finding:
    """The applications' virtual host and no other."""
    return compared("virtual hosts", found.vhosts, {target.credentials.database})


def cookie(found: Facts, target: Target) -> Finding:  # noqa: ARG001
    """Long, and of many different characters."""
    length, different = found.cookie
    right = length >= COOKIE_LENGTH and different >= COOKIE_ALPHABET
    return account_checks.judged(right, f"{length} characters, {different} of them different")


def password(found: Facts, target: Target) -> Finding:
    """Hashed as declared, and the one that Vault has."""
    who = target.credentials
    user = found.user(who.user)
    if user is None:
        return account_checks.judged(False, f"there is no account {who.user}")
    wrong = list(filter(None, [account_checks.weak(who.user, who.password)]))
    if user.hashing != accounts.HASHING:
        wrong.append(f"hashed by {user.hashing.removeprefix('rabbit_password_hashing_')}")
    if not _is(user.hash, user.hashing, who.password):
        known = next((g for g in guesses(who.user) if _is(user.hash, user.hashing, g)), None)
        wrong.append(
            "its password is not the one of Vault"
            + (f" but {known!r}" if known is not None else "")
        )
    return none_of(wrong, f"{who.user}: the password of Vault, hashed by SHA-256")


def _is(kept: str, hashing: str, text: str) -> bool:
    """Whether a hash is of this password: the salt of four bytes, and the digest of both."""
    try:
        raw = base64.b64decode(kept, validate=True)
        digest = hashlib.new(hashing.rpartition("_")[2], raw[:4] + text.encode()).digest()
    except (ValueError, binascii.Error):
        return False
    return raw[4:] == digest


def tags(found: Facts, target: Target) -> Finding:
    """As declared: none."""
    user = found.user(target.credentials.user)
    if user is None:
        return account_checks.judged(False, f"there is no account {target.credentials.user}")
    return compared("tags", user.tags, declared(SERVICE)["accounts"]["application"]["tags"])


def rights(found: Facts, target: Target) -> Finding:
    """The declared patterns in the declared virtual hosts."""
    who = target.credentials
    table = declared(SERVICE)["accounts"]["application"]["permissions"]
    wanted = {
        _right(host.replace("{database}", who.database), *parts) for host, parts in table.items()
    }
    own = [one for one in found.permissions if one.user == who.user]
    return compared(
        "rights", {_right(one.vhost, one.configure, one.write, one.read) for one in own}, wanted
    )


def _right(host: str, configure: str, write: str, read: str) -> str:
    return f"{host}: configure {configure!r}, write {write!r}, read {read!r}"


def setting(name: str, found: Facts, target: Target) -> Finding:  # noqa: ARG001
    """One setting as declared."""
    row = declared(SERVICE)["settings"][name]
    return account_checks.setting(name, row, found.settings.get(name))


# -- sabotages -------------------------------------------------------------------------------

_Apply = Callable[[SabotageStack], AbstractContextManager[None]]
_USERS = "rabbit_auth_backend_internal"
_GUESSED = "a" * COOKIE_LENGTH
_BY = '<<"devstack-tui">>'


def _sabotage(what: str, title: str, apply: _Apply, expects: tuple[str, ...] = ()) -> Sabotage:
    id = f"{account_checks.SUITE}.{SERVICE}.{what}"
    return Sabotage(id, f"RabbitMQ {title}", SERVICE, apply, 0.5, expects)


@contextlib.contextmanager
def _changed(stack: SabotageStack, make: str, undo: str) -> Iterator[None]:
    """Two expressions, which the node evaluates before and after."""
    _evaluate(stack, make)
    try:
        yield
    finally:
        _evaluate(stack, undo)


def _evaluate(stack: SabotageStack, expression: str) -> None:
    erl_call.evaluate(stack.units, stack.audit.files(SERVICE), f"(fun() -> {expression} end)()")


def _text(text: str) -> str:
    return "<<" + ",".join(str(byte) for byte in text.encode()) + ">>"


def _user(stack: SabotageStack, name: str, secret: str) -> AbstractContextManager[None]:
    return _changed(
        stack,
        f"ok = {_USERS}:add_user({_text(name)}, {_text(secret)}, {_BY})",
        f"ok = {_USERS}:delete_user({_text(name)}, {_BY})",
    )


def _guest(stack: SabotageStack) -> AbstractContextManager[None]:
    return _user(stack, GUEST, GUEST)


def _stranger(stack: SabotageStack) -> AbstractContextManager[None]:
    return _user(stack, "stranger", "x" * 40)


def _md5(stack: SabotageStack) -> AbstractContextManager[None]:
    who = stack.audit.target(SERVICE).credentials

    def hashed(module: str) -> str:
        hash = f"rabbit_password:hash({module}, {_text(who.password)})"
        return f"ok = {_USERS}:change_password_hash({_text(who.user)}, {hash}, {module})"

    return _changed(stack, hashed("rabbit_password_hashing_md5"), hashed(accounts.HASHING))


def _monitoring(stack: SabotageStack) -> AbstractContextManager[None]:
    user = _text(stack.audit.target(SERVICE).credentials.user)
    return _changed(
        stack,
        f"ok = {_USERS}:set_tags({user}, [monitoring], {_BY})",
        f"ok = {_USERS}:set_tags({user}, [], {_BY})",
    )


def _wider(stack: SabotageStack) -> AbstractContextManager[None]:
    """The same rights by another pattern: applications go on."""
    who = stack.audit.target(SERVICE).credentials

    def set_to(pattern: str) -> str:
        words = ", ".join((_text(who.user), _text(who.database), pattern, '<<".*">>', '<<".*">>'))
        return f"ok = {_USERS}:set_permissions({words}, {_BY})"

    return _changed(stack, set_to('<<"^.*$">>'), set_to('<<".*">>'))


def _host(stack: SabotageStack) -> AbstractContextManager[None]:
    return _changed(
        stack,
        f'rabbit_vhost:add(<<"stranger">>, {_BY}), ok',
        f'rabbit_vhost:delete(<<"stranger">>, {_BY}), ok',
    )


@contextlib.contextmanager
def _guessed_cookie(stack: SabotageStack) -> Iterator[None]:
    """In the node, and in the file from which its tools read it."""
    path = ServicePath(stack.audit.files(SERVICE), erl_call.COOKIE)
    usual = path.read().decode().strip()
    set_to = "true = erlang:set_cookie(node(), list_to_atom(binary_to_list({})))"
    _evaluate(stack, set_to.format(_text(_GUESSED)))
    with stack.edited(path, lambda _: _GUESSED):
        try:
            yield
        finally:
            _evaluate(stack, set_to.format(_text(usual)))


def _anywhere(stack: SabotageStack) -> AbstractContextManager[None]:
    return _changed(
        stack,
        "ok = application:set_env(rabbit, loopback_users, [])",
        'ok = application:set_env(rabbit, loopback_users, [<<"guest">>])',
    )


CHECKS: Checks = RabbitmqChecks()
