"""What the user is about to set: kept in the stack's store until it is applied or dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from devstack_tui.contracts.tunable import DEFAULT
from devstack_tui.core.errors import DevstackError, UnreachableError, UsageError
from devstack_tui.core.lock import StackLock
from devstack_tui.stack.stack import Stack
from devstack_tui.state import directories, parameter_store
from devstack_tui.tuning import profiles, rules
from devstack_tui.tuning.catalogue import tunable
from devstack_tui.tuning.events import Show
from devstack_tui.tuning.plan import any_runs, canonical, ending, own_names
from devstack_tui.tuning.show import look


def put(stack: Stack, service: str, given: Mapping[str, str]) -> Show:
    """Put values of one service into pending; returns the look after it. Blocks.

    Where the service is stopped, or cannot start, `default` is no matter of pending: it takes the
    value out of what the next start uses. Raises `UsageError` that names the parameter, the limit
    and its source, and nothing is changed; `UnreachableError` when the service runs and cannot be
    asked for its limits.
    """
    name = tunable(service).name
    with _changing(stack):
        show = look(stack, (name,))
        stopped = name in show.down and not any_runs(stack, name)
        if name in show.down and not stopped:
            raise UnreachableError(f"nothing was set: {show.down[name]}", ending(name))
        store = parameter_store.read(stack.paths)
        own = own_names(show, store, name, given)
        texts = {one: canonical(show, name, one, text) for one, text in own.items()}
        if stopped:
            store = _given_back(store, name, [k for k, text in texts.items() if text == DEFAULT])
        waiting = {**store.pending.get(name, {}), **texts}
        mine = store.values.get(name, {})
        waiting = {k: text for k, text in waiting.items() if text != mine.get(k, DEFAULT)}
        for problem in rules.judge(show, {name: {**mine, **waiting, **texts}})[1]:
            if problem.fatal and any(text != DEFAULT for text in texts.values()):
                raise UsageError(
                    f"nothing was set: {rules.sentence(problem)}", "choose another value"
                )
        pending = {**store.pending, name: waiting}
        written = store.written | {f"{name}.{one}": text for one, text in own.items()}
        parameter_store.write(
            stack.paths, msgspec.structs.replace(store, pending=pending, written=written)
        )
        return look(stack, (name,))


def _given_back(
    store: parameter_store.StoredParameters, service: str, names: Sequence[str]
) -> parameter_store.StoredParameters:
    """The store without the values of `names`, as an entry of the history."""
    mine = dict(store.values.get(service, {}))
    gone = {f"{service}.{name}": (mine.pop(name), None) for name in names if name in mine}
    if not gone:
        return store
    set_by = {key: who for key, who in store.set_by.items() if key not in gone}
    values = {**store.values, service: mine}
    after = msgspec.structs.replace(store, values=values, set_by=set_by)
    return after.with_entry(parameter_store.entry(store, after, "set", dict(gone), {}))


def drop(stack: Stack) -> int:
    """Forget what is pending; returns how many parameters that were."""
    with _changing(stack):
        store = parameter_store.read(stack.paths)
        if store.pending:
            parameter_store.write(stack.paths, msgspec.structs.replace(store, pending={}))
        return sum(len(given) for given in store.pending.values())


def save(stack: Stack, name: str, source: str, title: str) -> Path:
    """Save what is current, or that with what is pending, as a profile. Raises `UsageError`."""
    found = profiles.load_for(stack, source)
    given = {service: mine for service, mine in found.values.items() if mine}
    if not given:
        raise UsageError(
            f"nothing is {'set' if source == profiles.CURRENT else 'pending'}: every parameter is "
            "as its server comes",
            "`devstack-tui tune set SERVICE NAME=VALUE` puts values into pending",
        )
    return profiles.save(stack.engine(), name, given, title)


@contextmanager
def _changing(stack: Stack) -> Iterator[None]:
    """Hold the stack's lock for a moment."""
    if stack.instance() is None:
        raise UnreachableError(f"the stack {stack.name!r} was never started", "devstack-tui up")
    directories.make(stack.paths)
    lock = StackLock(stack.paths.lock, "tune set")
    owner = lock.try_acquire()
    if owner is not None:
        raise DevstackError(
            f"`{owner.verb}` (pid {owner.pid}) changes the stack now", "wait for its end"
        )
    with lock:
        yield
