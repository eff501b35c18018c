"""Finishing what a killed verb left: a handler for each kind of intent in the journal.

An intent is left alone while its owner lives: a verb holds the stack's lock, and what spans
several verbs (an A/B, a drill, a benchmark) holds the lock of its own kind beside it.

Nothing that fails here keeps a verb from its work. What cannot be undone now is reported, kept and
tried again by the next change; what nobody may undo, since it is damaged or names what is not of
this stack, is set aside in a file beside the journal.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack_tui.contracts.acks import checked
from devstack_tui.contracts.drill import Cleanable, Sweepable
from devstack_tui.contracts.engine import Engine, Readable, Run
from devstack_tui.contracts.faults import Fault, Handle, handle_of
from devstack_tui.contracts.model import Repair
from devstack_tui.contracts.registry import names, service, services
from devstack_tui.contracts.service import Service
from devstack_tui.core import files, temporary_files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Intent, Journal, RefusedError
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.core.redact import redact
from devstack_tui.identity import rotation
from devstack_tui.stack import parameter_apply

Say = Callable[[str], None]


class _DownError(DevstackError):
    """What must be undone in a service that does not run."""


@dataclass(frozen=True)
class _Healing:
    """What a handler gets. The services `ending` are stopped next: none of them is started."""

    engine: Engine
    paths: StackPaths
    say: Say
    ending: Collection[str] = ()


@dataclass(frozen=True)
class _Handler:
    """How the entries of one kind are undone. `check` raises for one that cannot be, whatever it
    raises; `undo` gets all of them at once if they are undone `together`, else each by itself."""

    check: Callable[[Intent], None]
    undo: Callable[[_Healing, Sequence[Intent]], None]
    together: bool = False
    lock: str = ""


def lock_of(paths: StackPaths, action: str) -> Path:
    """The lock of everything that is journaled as `action`, or as `action.…`."""
    kind = action.partition(".")[0]
    handler = HANDLERS.get(kind)
    return paths.root / f"{(handler and handler.lock) or kind}.lock"


def due(paths: StackPaths) -> bool:
    """Whether `heal` would have anything to do. Changes nothing."""
    journals = [Journal(path) for path in _journals(paths) if path.exists()]
    if any(journal.damaged for journal in journals) or (journals and orphans(paths)):
        return True
    return bool(temporary_files.left(paths.root))


def orphans(paths: StackPaths) -> list[Intent]:
    """The pending intents that are to be finished here, or refused, and whose owner is gone,
    oldest first.

    The caller holds the stack's lock, or only wants to know.
    """
    pending = [intent for path in _journals(paths) for intent in Journal(path).pending()]
    free = [one for one in pending if one.kind not in HANDLERS or not _held(paths, one.kind)]
    return [intent for intent in free if not (intent.kind in OF_VERBS and _sound(paths, intent))]


def needed(paths: StackPaths, engine: Callable[[], Readable]) -> tuple[Repair, ...]:
    """What killed verbs left undone, oldest first; nothing while a verb changes the stack: that
    one heals. `engine` is called only if there is something. Changes nothing."""
    journals = [path for path in _journals(paths) if path.exists()]
    if not journals or StackLock.holder(paths.lock):
        return ()
    repairs: dict[str, Repair] = {}
    for intent in [intent for path in journals for intent in Journal(path).pending()]:
        if intent.kind in HANDLERS and _held(paths, intent.kind):
            continue
        sound = _sound(paths, intent)
        what = f"an interrupted {_named(intent)}" if sound else _refused(intent)
        repair = Repair(intent.action, what, _remedy(paths.name, engine(), intent, sound=sound))
        repairs.setdefault(what, repair)
    return tuple(repairs.values())


_VERBS = {
    parameter_apply.ACTION: "`tune`",
    rotation.ACTION: "`certs rotate`",
    "wipe": "`down --wipe`",
    "restart": "`restart`",
    "bench": "`bench run`",
    "throttle": "`regress --self-test`",
    "cost": "`tune cost`",
    "up": "`up`",
    "down": "`down`",
    "vault": "`up`",
}
COST, RUNS = "cost.writes", "runs"
"""The action of what `tune cost` writes into a service, and the names of its runs."""
OF_VERBS = ("up", "down", "restart", "wipe", "vault")
"""What `up` and `down` finish by themselves."""


def _named(intent: Intent) -> str:
    subject = intent.subject.replace(",", ", ")
    return f"{_VERBS.get(intent.kind, intent.action)} of {subject}"


def _refused(intent: Intent) -> str:
    return f"an entry of the journal that cannot be undone ({intent.action[:40]!r})"


def _remedy(stack: str, engine: Readable, intent: Intent, *, sound: bool) -> str:
    """The command that heals `intent` and starts no service that it does not need for that."""
    command = f"devstack-tui --stack {stack}"
    if sound and intent.action == "wipe":
        return f"{command} down --wipe"
    if sound and intent.action == "down":
        named = [name for name in names() if name in intent.subject.split(",")]
        return " ".join([command, "down", *named])
    wanted = {found.name for found in services() if engine.units(found)}
    if sound and intent.kind in OF_VERBS:
        wanted |= {name for name in intent.subject.split(",") if name in names()}
    if sound and (intent.kind in ("bench", "cost") or "run" in intent.undo):
        wanted.add(_service_of(intent.subject))  # what was written into it, it must run to remove
    # With nothing to start: whatever takes the stack down heals it first.
    ordered = [name for name in names() if name in wanted]
    return " ".join([command, "up", *ordered] if ordered else [command, "down"])


def heal(
    engine: Engine,
    paths: StackPaths,
    say: Say,
    *,
    starting: bool = False,
    ending: Collection[str] = (),
) -> None:
    """Undo every orphan, with a sentence for each. The caller holds the stack's lock.

    Raises nothing: what fails is reported and kept. With `starting` it is called again once the
    services run: what waits for them is not mentioned. The services `ending` are stopped next.
    """
    healing = _Healing(engine, paths, say, ending)
    try:
        for name in temporary_files.remove(paths.root):
            say(f"removed {name}, which a write that was killed left")
        for path in _journals(paths):
            if count := Journal(path).set_damaged_aside():
                what = "a damaged entry" if count == 1 else f"{count} damaged entries"
                say(f"set aside {what} of {path.name}: {Journal(path).refused}")
        left = orphans(paths)
        # Drills began within an A/B, never around one: the newest kind is undone first.
        for kind in dict.fromkeys(intent.kind for intent in reversed(left)):
            intents = [intent for intent in left if intent.kind == kind]
            _heal_kind(healing, intents, starting=starting)
    except (OSError, DevstackError) as error:
        say(f"what was interrupted before could not be looked at: {reason(error)}")


def let_go(engine: Engine, paths: StackPaths) -> None:
    """Before a wipe: undo what outlives the stack's data, which is what holds servers still or cuts
    them off. Raises nothing: the wipe removes the journals."""
    with contextlib.suppress(Exception):  # it only helps
        engine.recover()
    for path in _journals(paths):
        with contextlib.suppress(Exception):
            for intent in Journal(path).pending():
                held = handle_of(intent) or Handle(Fault.FREEZE, (intent.subject,), intent.undo)
                with contextlib.suppress(Exception):
                    engine.undo(held)


def _heal_kind(healing: _Healing, intents: Sequence[Intent], *, starting: bool) -> None:
    paths, say = healing.paths, healing.say
    sound = [intent for intent in intents if _sound(paths, intent)]
    for intent in intents:
        if intent not in sound:
            _set_aside(paths, intent, "it is damaged, or names what this stack does not have", say)
    handler = HANDLERS.get(intents[0].kind)
    if handler is None or not sound:
        return
    for some in [sound] if handler.together else [[one] for one in reversed(sound)]:
        try:
            handler.undo(healing, some)
        except RefusedError as error:
            for intent in some:
                _set_aside(paths, intent, error.message, say)
        except Exception as error:  # a driver's own class, too
            if not (starting and isinstance(error, _DownError)):
                what = ", ".join(dict.fromkeys(map(_named, some)))
                say(f"{what} is not undone, the next change tries again: {reason(error)}")
        else:
            _end(paths, some)


def _end(paths: StackPaths, intents: Sequence[Intent]) -> None:
    for path in _journals(paths):
        journal = Journal(path)
        for intent in [one for one in reversed(journal.pending()) if one in intents]:
            journal.end(intent)


def _set_aside(paths: StackPaths, intent: Intent, why: str, say: Say) -> None:
    for path in _journals(paths):
        journal = Journal(path)
        if intent in journal.pending():
            journal.set_aside(intent)
            say(f"set aside in {journal.refused}: {_refused(intent)}: {why}")


def reason(error: Exception) -> str:
    """Any failure as a part of a sentence."""
    if isinstance(error, OSError):
        error = files.explain(error, "undoing it")
    if isinstance(error, DevstackError):
        return error.message
    return f"{type(error).__name__}: {redact(str(error).strip().partition(chr(10))[0])}"[:300]


def _sound(paths: StackPaths, intent: Intent) -> bool:
    """Whether the entry is one that we would have written for this stack."""
    if intent.action == "wipe":
        return intent.subject == paths.name
    handler = HANDLERS.get(intent.kind)
    if handler is None:
        return intent.kind in OF_VERBS
    try:
        handler.check(intent)
    except Exception:  # whatever is wrong with it
        return False
    return True


def _held(paths: StackPaths, kind: str) -> bool:
    return StackLock.holder(lock_of(paths, kind)) is not None


def _journals(paths: StackPaths) -> tuple[Path, Path]:
    return paths.journal, paths.bench_journal


# -- one for each kind -------------------------------------------------------------------------


def _tuning(healing: _Healing, intents: Sequence[Intent]) -> None:
    say = healing.say
    subjects = sorted({name for intent in intents for name in intent.subject.split(",")})
    say(f"taking back an interrupted `tune`: {', '.join(subjects)}")
    for problem in parameter_apply.take_back(
        healing.engine, healing.paths, intents, lambda *step: None, healing.ending
    ):
        say(f"not undone, the next change tries again: {problem}")


def _certificate(healing: _Healing, intents: Sequence[Intent]) -> None:
    for intent in intents:
        ending = intent.subject in healing.ending
        rotation.restore(healing.engine, intent, healing.say, ending=ending)
        found = service(intent.subject)
        if found.acks():  # what it wrote on the connection that it held open
            _require_running(healing.engine, found, "what `certs rotate` wrote")
            _clean_writes(healing.engine, found, intent.undo["run"])


def _drill(healing: _Healing, intents: Sequence[Intent]) -> None:
    for intent in intents:
        healing.say(f"healing an interrupted {intent.action} of {intent.subject}")
        if handle := handle_of(intent):
            healing.engine.undo(handle)
        name = intent.undo.get("service")
        if name and name not in healing.ending:
            _complete(healing.engine, name)
        if value := intent.undo.get("setting"):
            _set_back(healing.engine, intent.subject, int(value))
        if run := intent.undo.get("run"):
            _clean(healing.engine, intent.subject, run)


def _check_drill(intent: Intent) -> None:
    if name := intent.undo.get("service"):
        service(name)
    if value := intent.undo.get("setting"):
        int(value)
    if run := intent.undo.get("run"):
        checked(run)
    if "run" in intent.undo or "setting" in intent.undo:
        service(_service_of(intent.subject))


def _bench(healing: _Healing, intents: Sequence[Intent]) -> None:
    """Remove the data of a benchmark that was killed together with its child."""
    for intent in intents:
        found = service(_service_of(intent.subject))
        _require_running(healing.engine, found, f"the data of {intent.subject}")
        healing.say(f"removing what an interrupted `bench run` of {intent.subject} left")
        next(w for w in found.workloads() if w.name == intent.subject).cleanup(
            healing.engine.target(found)
        )


def _check_bench(intent: Intent) -> None:
    found = service(_service_of(intent.subject))
    next(workload for workload in found.workloads() if workload.name == intent.subject)


def _cost(healing: _Healing, intents: Sequence[Intent]) -> None:
    """Remove what a `tune cost` wrote that was killed."""
    for intent in intents:
        found = service(intent.subject)
        _require_running(healing.engine, found, "what `tune cost` wrote")
        healing.say(f"removing what an interrupted `tune cost` wrote into {intent.subject}")
        for run in intent.undo[RUNS].split(","):
            _clean_writes(healing.engine, found, run)


def _check_cost(intent: Intent) -> None:
    service(intent.subject)
    for run in intent.undo[RUNS].split(","):
        checked(run)


def _throttle(healing: _Healing, intents: Sequence[Intent]) -> None:
    """A self-test that was killed may have left servers held still."""
    for intent in intents:
        healing.say(f"letting {intent.subject} go on after an interrupted `regress --self-test`")
        healing.engine.undo(Handle(Fault.FREEZE, (intent.subject,), intent.undo))


def _check_throttle(intent: Intent) -> None:
    service(intent.subject)


HANDLERS: Mapping[str, _Handler] = {
    parameter_apply.ACTION: _Handler(parameter_apply.check, _tuning, together=True),
    rotation.ACTION: _Handler(rotation.check, _certificate),
    "drill": _Handler(_check_drill, _drill),
    "bench": _Handler(_check_bench, _bench),
    "cost": _Handler(_check_cost, _cost, lock=parameter_apply.ACTION),
    "throttle": _Handler(_check_throttle, _throttle, lock="bench"),
}
"""By the part of an action's name before its dot."""


def _service_of(name: str) -> str:
    """The service of a drill or a workload: `postgres` of `postgres.tpcb`."""
    return name.partition(".")[0]


def _complete(engine: Engine, name: str) -> None:
    """Start what is missing of a service."""
    found = service(name)
    if not all(unit.running for unit in engine.units(found)):
        engine.start(found, Run(cancelled=threading.Event()))


def _set_back(engine: Engine, name: str, value: int) -> None:
    """Give the setting that a sweep of the drill `name` changed its value of before."""
    found = service(_service_of(name))
    if not any(unit.running for unit in engine.units(found)):
        return  # it was set in the running servers only
    for drill in found.drills():
        if drill.name == name and isinstance(drill, Sweepable):
            drill.write_setting(engine.target(found), value)


def _clean(engine: Engine, name: str, run: str) -> None:
    """Remove what a run of the drill `name` wrote."""
    found = service(_service_of(name))
    _require_running(engine, found, f"what the run {run} wrote")
    target = engine.target(found)
    for drill in found.drills():
        if drill.name == name and isinstance(drill, Cleanable):
            drill.cleanup(target, run)
            return
    # The drill that every service has writes by these.
    _clean_writes(engine, found, run)


def _clean_writes(engine: Engine, found: Service, run: str) -> None:
    if acks := found.acks():
        acks.cleanup(engine.target(found), run)


def _require_running(engine: Engine, found: Service, left: str) -> None:
    if not any(unit.running for unit in engine.units(found)):
        raise _DownError(f"{found.title} is down: {left} stays in it")
