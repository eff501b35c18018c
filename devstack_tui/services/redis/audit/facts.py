"""What a node reports of its accounts and settings, asked once an audit; and what it answers to
somebody without a credential."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from devstack_tui.contracts.audit import Audit, ProtocolFault
from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity.account_checks import guesses, unanswered
from devstack_tui.loadgen.bounded_socket import Reader, guarded
from devstack_tui.services.redis.accounts import APPLICATION, DEFAULT, REPLICA, replica_password
from devstack_tui.services.redis.client import node_name, session, trust
from devstack_tui.services.redis.loader import encode

_LINE = 512
_QUESTIONS = (("ACL", "LIST"), ("CONFIG", "GET", "*"), ("MODULE", "LIST"), ("FUNCTION", "LIST"))
# They change nothing even where they are allowed.
ATTEMPTS: tuple[tuple[str, ...], ...] = (
    ("CONFIG", "GET", "save"),
    ("ACL", "LIST"),
    ("MODULE", "LIST"),
    ("DEBUG", "HELP"),
    ("CLIENT", "LIST"),
    ("SHUTDOWN", "ABORT"),
    ("EVAL", "return redis.call('CONFIG', 'GET', 'save')", "0"),
)


class LockedOutError(DevstackError):
    """Our own account cannot log in any more."""


@dataclass(frozen=True, slots=True)
class Account:
    """One line of ACL LIST: `passwords` as the node keeps them, `reach` its keys, channels and
    selectors, `commands` the rules of its commands."""

    name: str
    on: bool
    open: bool
    """Whether any password is accepted."""
    passwords: tuple[str, ...]
    reach: frozenset[str]
    commands: frozenset[str]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """`privileged` are the commands that an account may run of those that the server itself calls
    administrative or dangerous, by what the account is; None where it cannot be asked (6.2).
    `allowed` are the `ATTEMPTS` that it let the application do; None: that could not log in."""

    accounts: dict[str, Account]
    settings: dict[str, str]
    privileged: dict[str, frozenset[str]] | None
    allowed: tuple[str, ...] | None


def facts(audit: Audit, index: int) -> NodeFacts:
    """What node `index` reports. Raises `DevstackError` and `OSError`."""
    return cast(NodeFacts, audit.once(f"redis.accounts.{index}", lambda: _ask(audit, index)))


def _ask(audit: Audit, index: int) -> NodeFacts:
    import redis

    target = audit.target("redis")
    try:
        with session(target.as_admin(), index, audit.timeout) as client:
            listed, config, modules, libraries = _answers(client, _QUESTIONS)
            privileged = _privileged(client, target)
        allowed = _tried(target, index, audit.timeout)
    except redis.AuthenticationError:
        raise LockedOutError(f"it refuses the password of Vault for {target.admin.user}") from None
    except (redis.RedisError, OSError) as error:
        raise unanswered(node_name(index), error, audit.timeout) from None
    texts = _texts(config)
    settings = dict(zip(texts[::2], texts[1::2], strict=False))
    own = settings.get("masterauth") == replica_password(target)
    settings["masterauth"] = "of the replicas" if own else "another"
    return NodeFacts(
        accounts={found.name: found for line in _texts(listed) if (found := account(line))},
        settings={
            **settings,
            "modules": ", ".join(_from_files(modules)) or "none",
            **functions(libraries),
        },
        privileged=privileged,
        allowed=allowed,
    )


def _tried(target: Target, index: int, timeout: float) -> tuple[str, ...] | None:
    import redis

    try:
        with session(target, index, timeout) as client:
            answers = _answers(client, ATTEMPTS)
    except redis.AuthenticationError:
        return None
    return tuple(
        " ".join(command[:2])
        for command, answer in zip(ATTEMPTS, answers, strict=True)
        if not isinstance(answer, redis.ResponseError)
    )


def _answers(client: Any, commands: Sequence[tuple[str, ...]]) -> list[Any]:
    """The raw answers, errors among them, in one round trip: the driver's parsed forms differ by
    its version."""
    import redis

    connection = client.connection
    connection.send_packed_command(connection.pack_commands(commands))
    found: list[Any] = []
    for _ in commands:
        try:
            found.append(connection.read_response())
        except redis.ResponseError as error:
            found.append(error)
    return found


def _privileged(client: Any, target: Target) -> dict[str, frozenset[str]] | None:
    (there,) = _answers(client, [("ACL", "DRYRUN", target.admin.user, "PING")])
    if there != "OK":
        return None
    names: set[str] = set()
    for listed in _answers(client, [("ACL", "CAT", "admin"), ("ACL", "CAT", "dangerous")]):
        names.update(_texts(listed))
    (about,) = _answers(client, [("COMMAND", "INFO", *sorted(names))])
    # Name and number of words of each that is no container of others.
    words = {
        str(one[0]): one[1]
        for one in (about if isinstance(about, list) else ())
        if isinstance(one, list) and len(one) > 1 and not (len(one) > 9 and one[9])
    }
    if not words:
        raise ProtocolFault("the node does not list its commands")
    lines = [_command(name, arity) for name, arity in words.items()]
    found: dict[str, frozenset[str]] = {}
    for role, user in ((APPLICATION, target.credentials.user), (REPLICA, REPLICA)):
        answers = _answers(client, [("ACL", "DRYRUN", user, *line) for line in lines])
        allowed = zip(words, answers, strict=True)
        found[role] = frozenset(name for name, answer in allowed if answer == "OK")
    return found


def _command(name: str, arity: object) -> list[str]:
    """A command line of the right length: `config|get` with as many words as it has at least."""
    line = name.split("|")
    length = abs(arity) if isinstance(arity, int) and abs(arity) < 100 else len(line)
    return line + ["1"] * (length - len(line))


def account(line: str) -> Account | None:
    """A line of ACL LIST; None for what is none."""
    head, name, *words = [*line.split(), "", ""]
    if head != "user" or not name:
        return None
    words = [word for word in words if word]
    return Account(
        name=name,
        on="on" in words,
        open="nopass" in words,
        passwords=tuple(word[1:] for word in words if word.startswith("#")),
        reach=frozenset(
            {"allkeys": "~*", "allchannels": "&*"}.get(word, word)
            for word in words
            if word[0] in "~&%(" or word in ("allkeys", "allchannels")
        ),
        commands=frozenset(word for word in words if word[0] in "+-"),
    )


def _texts(answer: object) -> list[str]:
    """A list of texts; an error or anything else where that was expected is a fault."""
    if not isinstance(answer, list):
        raise ProtocolFault(f"the node answered with {str(answer)[:100]!r}")
    return [str(one) for one in answer]


def _from_files(modules: object) -> list[str]:
    """The modules that are no part of the server, by name and file."""
    if not isinstance(modules, list):
        raise ProtocolFault(f"the node does not list its modules: {str(modules)[:100]}")
    found = []
    for one in modules:
        pairs = dict(zip(one[::2], one[1::2], strict=False)) if isinstance(one, list) else {}
        path = str(pairs.get("path", "/?"))
        if "/" in path:  # a built-in one has its own name there, or nothing
            found.append(f"{pairs.get('name', '?')} ({path})")
    return found


def functions(libraries: object) -> dict[str, str]:
    """The libraries of functions by name, as a setting; none of a version that has no functions."""
    if isinstance(libraries, Exception) and "unknown command" in str(libraries).lower():
        return {}
    if not isinstance(libraries, list):
        raise ProtocolFault(f"the node does not list its functions: {str(libraries)[:100]}")
    pairs = [
        dict(zip(map(str, one[::2]), one[1::2], strict=False)) if isinstance(one, list) else {}
        for one in libraries
    ]
    return {"functions": ", ".join(str(one.get("library_name", "?")) for one in pairs) or "none"}


# -- without a credential ----------------------------------------------------------------------


def let_in(audit: Audit, index: int, names: Sequence[str]) -> list[str]:
    """How node `index` let somebody in, over TLS or in plain, who has no password for any of the
    accounts `names`; what holds no secret is all that is sent. Raises `OSError`, `DevstackError`.
    """
    target = audit.target("redis")
    found: list[str] = []
    for tls in (True, False):
        port = target.ports["tls" if tls else "main"] + index
        where = "over TLS" if tls else "in plain"
        try:
            answers = _knock(target, port, tls, audit.timeout, names)
        except ConnectionRefusedError:
            if tls:
                raise
            continue  # a closed port lets nobody in
        except OSError as error:
            raise unanswered(node_name(index), error, audit.timeout) from None
        found += [f"{where}: {how}" for how, answer in answers if not answer.startswith(b"-")]
    return found


def _knock(
    target: Target, port: int, tls: bool, timeout: float, names: Sequence[str]
) -> list[tuple[str, bytes]]:
    """What was tried without a password, and the first line of each answer."""
    tries = [("a command without a login", encode(b"DBSIZE"))]
    tries += [("an empty password", encode(b"AUTH", b""))]
    tries += [
        (f"{name} with an empty password", encode(b"AUTH", name.encode(), b""))
        for name in dict.fromkeys((DEFAULT, *names))
    ]
    return _answered(target, port, tls, timeout, tries)


def _answered(
    target: Target, port: int, tls: bool, timeout: float, tries: Sequence[tuple[str, bytes]]
) -> list[tuple[str, bytes]]:
    """The answers to commands that are answered in one line, each sent after the answer to the one
    before: since 8.0 a node closes on somebody who has not logged in and sends more at once."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.create_connection((target.endpoint.host, port), timeout))
        stack.enter_context(guarded(sock.fileno(), timeout))
        if tls:
            sock = stack.enter_context(trust(target.ca, target.name).wrap_socket(sock))
        reader = Reader(sock)
        found = []
        for how, line in tries:
            sock.sendall(line)
            found.append((how, _line(reader)))
    return found


def _line(reader: Reader) -> bytes:
    line = b""
    while not line.endswith(b"\r\n"):
        part = reader.some(_LINE)
        line += part
        if not part or len(line) > _LINE:
            raise ProtocolFault("the node closed the connection, or answered too much")
    return line


def guessed(audit: Audit, index: int, names: Sequence[str]) -> list[str]:
    """The accounts, with the password, that are opened by one that is tried first; over verified
    TLS. Raises `OSError`, `DevstackError`."""
    target = audit.target("redis")
    tries = [(name, guess) for name in names for guess in guesses(name)]
    lines = [(name, encode(b"AUTH", name.encode(), word.encode())) for name, word in tries]
    try:
        answers = _answered(target, target.ports["tls"] + index, True, audit.timeout, lines)
    except OSError as error:
        raise unanswered(node_name(index), error, audit.timeout) from None
    return [
        f"{name} has the password {word!r}"
        for (name, word), (_, answer) in zip(tries, answers, strict=True)
        if answer.startswith(b"+")
    ]
