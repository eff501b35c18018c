"""How the checks that one run decides together are proven: those of a drill, and of the gate.

Such a run is made three times on a throwaway stack: as it should be, with a sabotage in force, and
once more without it. The sabotage must turn its checks red, and no others.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from devstack_tui.contracts.audit import SabotageStack
from devstack_tui.core.check import Status

Break = Callable[[SabotageStack], AbstractContextManager[None]]
"""It has taken effect when it is entered, and was undone when it is left."""


@dataclass(frozen=True, slots=True)
class RunSabotage:
    """The smallest real change that must turn the check `turns` of a run to FAIL or WARN.

    It is in force from the phase `begins` of the turn `turn` (from 1) to the phase `ends` of it;
    empty: from before the run, until the turn is judged. `given` is how the run is made: the fault
    and the victim of a drill.
    """

    id: str
    title: str
    turns: str
    apply: Break
    begins: str = ""
    ends: str = ""
    turn: int = 1
    given: Mapping[str, str] = field(default_factory=dict)
    expects: tuple[str, ...] = ()
    """Further checks (ids) that the change is bound to turn red."""
    may: tuple[str, ...] = ()
    """Those that it turns red or not, by how soon its end shows."""
    needs: tuple[str, ...] = ()
    """The services that the run needs."""


@dataclass(frozen=True, slots=True)
class RunCheck:
    """A check that a run decides: `run` are the words that run it."""

    id: str
    title: str
    suite: str
    run: tuple[str, ...]


Statuses = Mapping[str, Status]
"""By the ids of the checks."""


class ProvenRun(Protocol):
    """A drill, or the gate, as `check prove` sees it."""

    checks: tuple[RunCheck, ...]
    sabotages: tuple[RunSabotage, ...]
    files: tuple[str, ...]
    """What decides, as `Proof.ran` names it: a proof is about these files, and ends with them."""

    def run(
        self, stack: str, like: RunSabotage, broken: SabotageStack | None
    ) -> AsyncGenerator[str | Statuses, None]:
        """One run on the stack of that name, made as for `like`; with a `broken` stack to do it
        on, `like` is in force. Yields what is going on, and in the end the status of each check.

        Closing the generator undoes whatever is in force. Raises `DevstackError`.
        """


@dataclass(frozen=True, slots=True)
class RunProofPart:
    """What `ProvenRun` needs of a technology: its steps, what turns them red, and what judges
    them."""

    checks: tuple[RunCheck, ...]
    sabotages: tuple[RunSabotage, ...]
    files: tuple[str, ...]


@runtime_checkable
class Sabotaged(Protocol):
    """A `Drill` that says what turns its steps red."""

    def proof(self) -> RunProofPart:
        """All of it; asks no server."""
