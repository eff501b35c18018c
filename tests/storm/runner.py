"""The storm: one stack, and a round after another on it."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.conftest import Cli
from tests.storm import disturbances, judge, verbs
from tests.storm.disturbances import Disk
from tests.storm.plan import Damage, Hurt, SmallDisk, Step, UsedUp, Verb, planned
from tests.storm.verbs import Ended

QUICK = ("vault", "postgres", "redis")
FULL = ("vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq", "reference_api")
_COMMAND = re.compile(r"devstack-tui --stack [\w-]+ ([^`\n;,]+)")
_FILE = re.compile(r"(/[^\s`,;]+)")
TRIES = 3
"""How often what `up` says is followed before it counts as no help."""


@dataclass
class Storm:
    """`faults` is what went wrong in the round; `say` gets a line for each round."""

    cli: Cli
    services: Sequence[str]
    seed: int
    say: Callable[[str], None]
    disk: Disk
    faults: list[str] = field(default_factory=list)
    values: judge.Values = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    """What was found left behind, so that a later round does not report it again."""

    def begin(self) -> None:
        """Start the stack. Raises `AssertionError` when it does not."""
        ended = self.cli.run("up", *self.services, timeout=verbs.LIMIT_S)
        assert ended.returncode == 0, ended.stderr
        self.values = judge.values(self._document("tune", "show")["parameters"])

    def round(self, number: int) -> list[str]:
        """One round; returns what went wrong, with how to repeat it."""
        steps = planned(self.seed, number, self.services)
        self.faults, begun = [], time.monotonic()
        self.say(f"round {number}: {'; '.join(map(str, steps))}")
        self._take(steps)
        self._judge(steps)
        self.say(f"round {number}: {self._outcome()} ({time.monotonic() - begun:.1f} s)")
        again = f"python -m tests.storm --seed {self.seed} --only {number}"
        return [f"round {number} ({again}): {fault}" for fault in self.faults]

    def _outcome(self) -> str:
        return "healthy" if not self.faults else "FAULT " + " | ".join(self.faults)

    def _take(self, steps: Sequence[Step]) -> None:
        """Do the steps. What lasts (a small disk, taken connections) lasts until `up` was tried."""
        with contextlib.ExitStack() as lasting:
            for step in steps:
                match step:
                    case Verb():
                        self._run(step)
                    case Hurt():
                        self.say(f"  {step}: {disturbances.hurt(self.cli.state, step)}")
                    case Damage():
                        self._damage(step)
                    case SmallDisk():
                        lasting.enter_context(self.disk.small(step))
                    case UsedUp():
                        taken = lasting.enter_context(disturbances.used_up(self.cli, step))
                        self.say(f"  {step}: {taken}")
            if any(isinstance(step, SmallDisk | UsedUp) for step in steps):
                self._helped(self._up())

    def _damage(self, step: Damage) -> None:
        if step.down:
            self._run(Verb(("down",)))
        self.say(f"  {step}: {disturbances.damage(self.cli, step) or 'there is none'}")

    def _run(self, verb: Verb) -> Ended:
        ended = verbs.run(self.cli, verb)
        self.faults += ended.faults()
        return ended

    def _up(self) -> Ended:
        return self._run(Verb(("up", *self.services)))

    def _helped(self, ended: Ended) -> list[str]:
        """What a verb that fails says helps; a fault when it says nothing."""
        if ended.code == 0:
            return []
        remedies = [line for line in ended.err.splitlines() if "→" in line]
        if not remedies:
            said = ended.err.strip()[-600:]
            self.faults.append(f"`{ended.verb.words[0]}` names nothing that helps: {said}")
        return remedies

    def _judge(self, steps: Sequence[Step]) -> None:
        """`up` ends healthy, or what it says helps; then nothing may be left."""
        for _ in range(TRIES):
            ended = self._up()
            if ended.code == 0:
                break
            self.say("    " + ended.err.strip().replace("\n", "\n    ")[-1500:])
            self._follow(ended.err, self._helped(ended))
        else:
            self.faults.append(f"what `up` says does not help: {ended.err[-600:]}")
            self._begin_anew()
            return
        rows = self._document("status")["services"]
        self.faults += judge.unhealthy(rows, self.services)
        self.faults += judge.orphans(self.cli, rows)
        left = judge.leftovers(self.cli, self.services, self.disk.own)
        self.faults += [what for what in left if what not in self.left]
        self.left = left
        before, parameters = self.values, self._document("tune", "show")["parameters"]
        self.values = judge.values(parameters)
        self.faults += judge.foreign(parameters)
        self.faults += judge.changed(before, self.values, lambda key: _may_change(key, steps))
        crash = self.cli.root.parent / "crash.log"
        if crash.exists():
            self.faults.append(f"crash.log: {crash.read_text()[-1500:]}")
            crash.unlink()

    def _document(self, *words: str) -> Any:
        """What a verb prints; where it refuses, after what it says helps."""
        ended = self._run(Verb((*words, "--json")))
        if ended.code == 2 or '{"error"' in ended.out[:20]:
            self.say(f"    {ended.err.strip()[-600:]}")
            self._follow(ended.err, self._helped(ended))
            ended = self._run(Verb((*words, "--json")))
        assert ended.out, ended.err
        return msgspec.json.decode(ended.out)

    def _follow(self, said: str, remedies: Sequence[str]) -> None:
        """Do what `up` says helps."""
        for line in dict.fromkeys(remedies):
            command, remove = _COMMAND.search(line), re.search(r"\b(delete|remove)\b", line)
            if command and not (remove and remove.start() < command.start()):
                words = command[1].split()
                self._run(Verb((*words, *(["--yes"] if "--wipe" in words else []))))
            elif remove:
                for name in _FILE.findall(line) or _FILE.findall(said):
                    _remove(Path(name), self.cli.state)

    def _begin_anew(self) -> None:
        """A stack that nothing helps any more must not spoil the rounds that follow."""
        self._run(Verb(("down", "--wipe", "--yes")))
        shutil.rmtree(self.cli.root, ignore_errors=True)
        self.begin()


def _remove(path: Path, home: Path) -> None:
    if path.is_relative_to(home):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _may_change(key: str, steps: Sequence[Step]) -> bool:
    """Whether a step of the round may have changed the parameter `service.name`."""
    for step in steps:
        if isinstance(step, Damage) and "tuning.json" in step.pattern:
            return True
        if isinstance(step, Verb) and step.words[0] == "tune":
            match step.words[1:]:
                case ("set", service, value, *_) if key == f"{service}.{value.partition('=')[0]}":
                    return True
                case ("apply", _, _, service, *_) if key.startswith(f"{service}."):
                    return True
                case ("revert", *_):
                    return True
    return False
