"""What turns each step of the failover drill red: one real change to a real cluster each."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from devstack_tui.contracts.audit import SabotageStack
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.proof import Break, RunCheck, RunSabotage
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.redact import redact
from devstack_tui.services.redis import accounts
from devstack_tui.services.redis.cert_reload import configure
from devstack_tui.services.redis.client import look, session
from devstack_tui.services.redis.drills import steps
from devstack_tui.services.redis.drills.preconditions import (
    ClusterSnapshot,
    look_at,
    require_ready,
    resolve,
)
from devstack_tui.services.redis.instrument import hash_tags

REDIS = "redis"
COMMAND_S = 5.0
WHOLE_S = 60.0
"""How long a cluster may take to be whole again after a sabotage was undone."""
SEEN_S = 10.0
"""How long a change may take to show."""
POLL_S = 0.02
PAUSE_MS = 1000
"""For so long a shard that lost no node takes no writes: more than step 7 allows."""
SILENT_MS = 15_000
"""Long enough for a drill to look."""
RUNS = "devstack-tui:drill:"
# A run's name has twelve characters. What the instrument writes is `{tag}` behind it, the values
# of step 4 are `step4:{tag}`.
_LISTS = f"{RUNS}{'?' * 12}:{{*"
_VALUES = f"{RUNS}{'?' * 12}:step4:*"
_MODULE = Path(__file__).parent
FILES = tuple(
    f"devstack_tui/services/redis/{folder.name}/{path.name}"
    for folder in (_MODULE, _MODULE.parent / "instrument")
    for path in sorted(folder.glob("*.py"))
)


# -- asking nodes ----------------------------------------------------------------------------


def _target(stack: SabotageStack) -> Target:
    return stack.audit.target(REDIS)


def _send(target: Target, index: int, *words: object) -> Any:
    """A command to one node, as its administrator. Raises `DevstackError`."""
    import redis

    try:
        with session(target.as_admin(), index, COMMAND_S) as client:
            send: Any = client.execute_command
            return send(*words)
    except (OSError, redis.RedisError) as error:
        why = redact(str(error).partition("\n")[0])
        raise DevstackError(f"node {index + 1} refused {words[0]}: {why}") from None


def _untouched(seen: ClusterSnapshot) -> int:
    """A living master: that with the highest slots, which no victim of a proof is."""
    return seen.owners()[-1]


def _await(stack: SabotageStack) -> None:
    """Wait until a drill would find everything in order."""
    require_ready(_target(stack), stack.audit.files(REDIS), WHOLE_S)


def _until(seen: Callable[[], object], what: str) -> None:
    """Wait until `seen`. Raises `DevstackError` after `SEEN_S` seconds."""
    deadline = time.monotonic() + SEEN_S
    while not seen():
        if time.monotonic() > deadline:
            raise DevstackError(f"it has not come about: {what}")
        time.sleep(POLL_S)


# -- the cluster itself ----------------------------------------------------------------------


@contextlib.contextmanager
def _silent(stack: SabotageStack) -> Iterator[None]:
    """A replica answers nobody, until the pause is over: it would take no word that ends it."""
    target = _target(stack)
    seen = look_at(target)
    try:
        _send(target, seen.replicas(_untouched(seen))[0], "CLIENT PAUSE", SILENT_MS, "ALL")
        yield
    finally:
        _await(stack)


@contextlib.contextmanager
def _wrong_master(stack: SabotageStack) -> Iterator[None]:
    """A replica follows another master than its own."""
    target = _target(stack)
    seen = look_at(target)
    own = _untouched(seen)
    moved, other = seen.replicas(own)[0], seen.owners()[0]
    ids = {index: view.me.id for index, view in seen.views.items()}

    def follows(master: int) -> bool:
        view = look_at(target).views.get(moved)
        return view is not None and view.me.master_id == ids[master] and view.link_up

    try:
        _send(target, moved, "CLUSTER REPLICATE", ids[other])
        _until(lambda: follows(other), "the replica follows the other master")
        yield
    finally:
        _send(target, moved, "CLUSTER REPLICATE", ids[own])
        _await(stack)


@contextlib.contextmanager
def _migrating(stack: SabotageStack) -> Iterator[None]:
    """One slot is on the move."""
    target = _target(stack)
    seen = look_at(target)
    source, slot = _untouched(seen), seen.views[_untouched(seen)].me.slots[-1][1]
    other = seen.views[seen.owners()[0]].me.id
    try:
        _send(target, source, "CLUSTER SETSLOT", slot, "MIGRATING", other)
        yield
    finally:
        _send(target, source, "CLUSTER SETSLOT", slot, "STABLE")
        _await(stack)


@contextlib.contextmanager
def _unserved(stack: SabotageStack) -> Iterator[None]:
    """A master has forgotten that it owns a slot, in which no key lies."""
    target = _target(stack)
    seen = look_at(target)
    # Not the first node: it is asked who owns what when the keys are read back.
    owner = next(index for index in reversed(seen.owners()) if index)
    with session(target.as_admin(), owner, COMMAND_S) as client:
        send: Any = client.execute_command
        slots = (s for first, last in look(client, owner).me.slots for s in range(first, last + 1))
        slot = next(s for s in slots if not int(send("CLUSTER COUNTKEYSINSLOT", s)))
        send("CLUSTER DELSLOTS", slot)
    try:
        yield
    finally:
        _send(target, owner, "CLUSTER ADDSLOTS", slot)
        _await(stack)


@contextlib.contextmanager
def _no_failover(victim: str, stack: SabotageStack) -> Iterator[None]:
    """The victim's replicas may not take over."""
    target = _target(stack)
    seen = look_at(target)
    replicas = seen.replicas(resolve(seen, victim))
    try:
        for index in replicas:
            configure(target, index, {"cluster-replica-no-failover": "yes"}, tls=True)
        yield
    finally:
        for index in replicas:
            configure(target, index, {"cluster-replica-no-failover": "no"}, tls=True)


@contextlib.contextmanager
def _paused(stack: SabotageStack) -> Iterator[None]:
    """A master that is not hit takes no writes for a moment."""
    target = _target(stack)
    other = _untouched(look_at(target))
    _send(target, other, "CLIENT PAUSE", PAUSE_MS, "WRITE")
    try:
        yield
    finally:
        _send(target, other, "CLIENT UNPAUSE")


# -- accounts --------------------------------------------------------------------------------


@contextlib.contextmanager
def _rules(stack: SabotageStack, indexes: list[int], account: str, *words: str) -> Iterator[None]:
    """Other rules for an account on some nodes; as declared at the end."""
    target = _target(stack)
    usual = accounts.rules(target)[account]
    try:
        for index in indexes:
            _send(target, index, "ACL SETUSER", account, *words)
        yield
    finally:
        for index in indexes:
            _send(target, index, "ACL SETUSER", account, "reset", *usual)


@contextlib.contextmanager
def _values(rule: str, stack: SabotageStack) -> Iterator[None]:
    """Of the run's keys on one master the values of step 4 are only for `rule`, if at all."""
    target = _target(stack)
    words = ("resetkeys", f"~{_LISTS}", *([rule + _VALUES] if rule else []))
    with _rules(stack, [_untouched(look_at(target))], target.credentials.user, *words):
        yield


@contextlib.contextmanager
def _denied_once(stack: SabotageStack) -> Iterator[None]:
    """The application may not write to a master that is not hit, until one write was refused."""
    target = _target(stack)
    other, user = _untouched(look_at(target)), target.credentials.user
    _send(target, other, "ACL LOG", "RESET")
    with _rules(stack, [other], user, "-rpush", "-lrem"):
        _until(lambda: _send(target, other, "ACL LOG"), "a write was denied")
    yield


@contextlib.contextmanager
def _no_sync(stack: SabotageStack) -> Iterator[None]:
    """No node takes another replica; those that are linked stay so."""
    target = _target(stack)
    living = list(look_at(target).views)
    with _rules(stack, living, accounts.REPLICA, "-psync", "-replconf"):
        yield


# -- the keys --------------------------------------------------------------------------------


def _run_keys(target: Target, index: int, pattern: str) -> list[str]:
    with session(target.as_admin(), index, COMMAND_S) as client:
        return [str(key) for key in client.scan_iter(match=pattern, count=10_000)]


@contextlib.contextmanager
def _deleted(stack: SabotageStack) -> Iterator[None]:
    """Somebody deletes what was written on one shard."""
    target = _target(stack)
    other = _untouched(look_at(target))
    for key in _run_keys(target, other, _LISTS):
        _send(target, other, "UNLINK", key)
    yield


@contextlib.contextmanager
def _second_writer(stack: SabotageStack) -> Iterator[None]:
    """Somebody else goes on to write below the run's prefix while it is cleaned up."""
    target = _target(stack)
    other = _untouched(look_at(target))
    found = _run_keys(target, other, _LISTS)
    if not found:
        raise DevstackError("the run has written nothing yet")
    run, _, tag = found[0].removeprefix(RUNS).partition(":")
    key = f"{hash_tags.prefix(run)}left:{tag}"
    ended = threading.Event()
    writer = threading.Thread(target=_write, args=(target, other, key, ended))
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
        _send(target, other, "UNLINK", key)


def _write(target: Target, index: int, key: str, ended: threading.Event) -> None:
    import redis

    with (
        contextlib.suppress(OSError, redis.RedisError),
        session(target.as_admin(), index, COMMAND_S) as client,
    ):
        while not ended.wait(0.005):
            client.set(key, "left")


# -- the table -------------------------------------------------------------------------------


def _sabotage(
    name: str,
    number: str,
    title: str,
    apply: Break,
    *,
    when: tuple[str, str] = ("", ""),
    expects: tuple[str, ...] = (),
    may: tuple[str, ...] = (),
    turn: int = 1,
) -> RunSabotage:
    return RunSabotage(
        id=f"{steps.PREFIX}.{name}",
        title=title,
        turns=_id(number),
        apply=apply,
        begins=when[0],
        ends=when[1],
        turn=turn,
        given={"fault": "sigkill", "victim": "first" if turn == 1 else "first,second"},
        expects=tuple(_id(one) for one in expects),
        may=tuple(_id(one) for one in may),
        needs=(REDIS,),
    )


def _id(number: str) -> str:
    return f"{steps.PREFIX}.{number}"


_BEFORE, _HIT, _REJOIN = ("", "warming"), ("waiting", ""), ("waiting", "settling")
SABOTAGES = (
    _sabotage("node_silent", "01", "a replica does not answer", _silent, expects=("02",)),
    _sabotage("wrong_master", "02", "a replica follows another master", _wrong_master),
    _sabotage("slot_migrating", "03", "one slot is on the move", _migrating),
    _sabotage(
        *("write_denied", "04", "a master refuses the values of step 4"),
        functools.partial(_values, ""),
        when=_BEFORE,
        expects=("05",),  # what was never written is not there either
    ),
    _sabotage(
        *("read_denied", "05", "a master takes the values of step 4, and does not show them"),
        functools.partial(_values, "%W~"),
        when=_BEFORE,
    ),
    _sabotage(
        *("no_failover", "06", "the victim's replica may not take over"),
        functools.partial(_no_failover, "first"),
        when=("warming", ""),
        expects=("09", "12"),  # it comes back as the master that it was, without what it held
    ),
    _sabotage("writes_paused", "07", "another shard takes no writes", _paused, when=_HIT),
    _sabotage("write_refused", "08", "another shard denies a write", _denied_once, when=_HIT),
    _sabotage(
        *("no_sync", "09", "the node cannot follow its successor", _no_sync),
        when=_REJOIN,
        expects=("10",),  # so its start does not come to an end
        may=("11", "15"),
    ),
    _sabotage(
        *("slot_unserved", "10", "a master has forgotten one of its slots", _unserved),
        when=("settling", ""),
        expects=("15",),
    ),
    _sabotage(
        *("topology_changed", "11", "a replica follows another master, and stays", _wrong_master),
        when=("settling", ""),
        expects=("15",),
    ),
    _sabotage(
        *("writes_lost", "12", "what was acknowledged on one shard is deleted", _deleted),
        when=("settling", ""),
    ),
    _sabotage(
        *("next_no_failover", "13", "the next victim's replica may not take over"),
        functools.partial(_no_failover, "second"),
        when=("warming", ""),
        expects=("14", "12"),
        turn=2,
    ),
    _sabotage(
        *("next_no_sync", "14", "the next node cannot follow its successor", _no_sync),
        when=_REJOIN,
        may=("15",),
        turn=2,
    ),
    _sabotage(
        *("slot_left_migrating", "15", "one slot is left on the move", _migrating),
        when=("verifying", ""),
    ),
    _sabotage(
        *("key_left", "16", "somebody else writes below the run's prefix", _second_writer),
        when=("verifying", ""),
    ),
)
# The limits depend on the fault and on the cluster: a plan has them.
_LIMITS = {
    **steps.NO_LIMITS.title,
    "window": "the limit",
    "pause": "the limit",
    "lost": "no more than the limit of the acknowledged writes are lost or come back",
    "classes": str(len(steps.EXPLAINED)),
}
CHECKS = tuple(
    RunCheck(_id(number), title.format(**_LIMITS), "failover", ("drill", "run", steps.PREFIX))
    for number, title in steps.TITLES.items()
)
