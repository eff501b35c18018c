"""Finishing what a killed verb left: a handler for each kind of intent in the journal.

An intent is left alone while its owner lives: a verb holds the stack's lock, and what spans
several verbs (an A/B, a drill) holds the lock of its own kind beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from devstack_tui.contracts.drill import Cleanable, Sweepable
from devstack_tui.contracts.engine import Engine, Readable, Run
from devstack_tui.contracts.faults import handle_of
from devstack_tui.contracts.model import Repair
from devstack_tui.contracts.registry import names, service, services
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Intent, Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.core.redact import redact
from devstack_tui.identity import rotation
from devstack_tui.stack import parameter_apply

Say = Callable[[str], None]
Handler = Callable[[Engine, StackPaths, Sequence[Intent], Say], None]


def lock_of(paths: StackPaths, action: str) -> Path:
    """The lock of everything that is journaled as `action`, or as `action.…`."""
    return paths.root / f"{_kind(action)}.lock"


def orphans(paths: StackPaths) -> list[Intent]:
    """The pending intents that can be finished here and whose owner is gone, oldest first.

    The caller holds the stack's lock, or only wants to know.
    """
    pending = [i for i in Journal(paths.journal).pending() if _kind(i.action) in HANDLERS]
    held = {
        kind: StackLock.holder(lock_of(paths, kind)) for kind in {_kind(i.action) for i in pending}
    }
    return [intent for intent in pending if held[_kind(intent.action)] is None]


def needed(paths: StackPaths, engine: Callable[[], Readable]) -> tuple[Repair, ...]:
    """What killed verbs left undone, oldest first; nothing while a verb changes the stack: that
    one heals. `engine` is called only if there is something. Changes nothing."""
    journals = [path for path in (paths.journal, paths.bench_journal) if path.exists()]
    if not journals or StackLock.holder(paths.lock):
        return ()
    pending = [intent for path in journals for intent in Journal(path).pending()]
    kinds = {_kind(intent.action) for intent in pending}
    held = {kind for kind in kinds if StackLock.holder(lock_of(paths, _LOCKS.get(kind, kind)))}
    repairs: dict[str, Repair] = {}
    for intent in pending:
        kind = _kind(intent.action)
        if kind not in held:
            subject = intent.subject.replace(",", ", ")
            what = f"an interrupted {_VERBS.get(kind, intent.action)} of {subject}"
            repair = Repair(intent.action, what, _remedy(paths.name, engine(), intent))
            repairs.setdefault(what, repair)
    return tuple(repairs.values())


_VERBS = {
    parameter_apply.ACTION: "`tune`",
    rotation.ACTION: "`certs rotate`",
    "wipe": "`down --wipe`",
    "restart": "`restart`",
    "bench": "`bench run`",
    "throttle": "`regress --self-test`",
}
_LOCKS = {"throttle": "bench"}


def _remedy(stack: str, engine: Readable, intent: Intent) -> str:
    """The command that heals `intent` and starts no service that did not run."""
    command = f"devstack-tui --stack {stack}"
    if intent.action == "wipe":
        return f"{command} down --wipe"
    if intent.action in ("bench", "throttle"):
        workload = intent.subject
        if workload in names():
            workload = service(workload).workloads()[0].name
        return f"{command} bench run --quick --runs 1 {workload}"
    wanted = {found.name for found in services() if engine.units(found)}
    if _kind(intent.action) not in HANDLERS:
        wanted |= {name for name in intent.subject.split(",") if name in names()}
    # With nothing to start: whatever takes the stack down heals it first.
    ordered = [name for name in names() if name in wanted]
    return " ".join([command, "up", *ordered] if ordered else [command, "down"])


def heal(engine: Engine, paths: StackPaths, say: Say) -> None:
    """Undo every orphan, with a sentence for each. The caller holds the stack's lock.

    What fails is reported and not tried again by every verb that follows: the services then need
    `up`, or the user. Only a journal or a store that cannot be written raises.
    """
    journal = Journal(paths.journal)
    left = orphans(paths)
    # Drills began within an A/B, never around one: the newest kind is undone first.
    for kind in dict.fromkeys(_kind(intent.action) for intent in reversed(left)):
        intents = [intent for intent in left if _kind(intent.action) == kind]
        HANDLERS[kind](engine, paths, intents, say)
        for intent in reversed(intents):
            journal.end(intent)


def _tuning(engine: Engine, paths: StackPaths, intents: Sequence[Intent], say: Say) -> None:
    subjects = sorted({name for intent in intents for name in intent.subject.split(",")})
    say(f"taking back an interrupted `tune`: {', '.join(subjects)}")
    for problem in parameter_apply.take_back(engine, paths, intents, lambda *step: None):
        say(f"not undone: {problem}")


def _drill(engine: Engine, paths: StackPaths, intents: Sequence[Intent], say: Say) -> None:  # noqa: ARG001
    for intent in reversed(intents):
        say(f"healing an interrupted {intent.action} of {intent.subject}")
        try:
            if handle := handle_of(intent):
                engine.undo(handle)
            if name := intent.undo.get("service"):
                _complete(engine, name)
            if value := intent.undo.get("setting"):
                _set_back(engine, intent.subject, int(value))
            if run := intent.undo.get("run"):
                _clean(engine, intent.subject, run)
        except DevstackError as error:
            say(f"not healed: {error.message}")


HANDLERS: Mapping[str, Handler] = {
    parameter_apply.ACTION: _tuning,
    rotation.ACTION: rotation.restore,
    "drill": _drill,
}
"""By the part of an action's name before its dot."""


def _kind(action: str) -> str:
    return action.partition(".")[0]


def _complete(engine: Engine, name: str) -> None:
    """Start what is missing of a service."""
    found = service(name)
    if not all(unit.running for unit in engine.units(found)):
        engine.start(found, Run(cancelled=threading.Event()))


def _set_back(engine: Engine, name: str, value: int) -> None:
    """Give the setting that a sweep of the drill `name` changed its value of before."""
    found = service(name.partition(".")[0])
    if not any(unit.running for unit in engine.units(found)):
        return  # it was set in the running servers only
    for drill in found.drills():
        if drill.name == name and isinstance(drill, Sweepable):
            drill.write_setting(engine.target(found), value)


def _clean(engine: Engine, name: str, run: str) -> None:
    """Remove what a run of the drill `name` wrote."""
    found = service(name.partition(".")[0])
    if not any(unit.running for unit in engine.units(found)):
        raise DevstackError(f"{found.title} is down: what the run {run} wrote stays in it")
    target = engine.target(found)
    try:
        for drill in found.drills():
            if drill.name == name and isinstance(drill, Cleanable):
                drill.cleanup(target, run)
                return
        # The drill that every service has writes by these.
        if acks := found.acks():
            acks.cleanup(target, run)
    except Exception as error:  # each driver has its own
        why = redact(str(error).partition("\n")[0])
        raise DevstackError(f"what the run {run} wrote could not be removed: {why}") from None
