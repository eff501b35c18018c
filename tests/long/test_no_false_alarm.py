"""No false alarm: on a healthy stack no drill fails, whatever its fault and its victim.

Every drill with every fault and victim that `drill list` offers, `TIMES` times each (10: about
four hours). `ONLY=vault.restart,partition` leaves out what has none of these words in its row.
A table says what came of each, also after Ctrl-C, which ends the drill that runs and wipes the
stack.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from devstack_tui.core.check import Status
from tests.conftest import ROOT, Cli

TIMES = int(os.environ.get("TIMES", "10"))
ONLY = tuple(word for word in os.environ.get("ONLY", "").split(",") if word)
BESIDE_S = 3.0
"""What a run takes beside the time that its plan says: its start, reading back, cleaning."""
WITHIN_S = 600.0
ALARMS = frozenset({Status.FAIL, Status.ERROR})
HEADER = ("drill", "fault", "victim", "runs", "median s", "max s", "verdicts")


@dataclass
class Row:
    """A drill with its fault and victim, and what became of its runs."""

    drill: str
    fault: str
    victim: str
    skipped: str = ""
    windows: list[float] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    alarms: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        return f"{self.drill} {self.fault} {self.victim}"

    def cells(self) -> tuple[str, ...]:
        """Its line of the table."""
        counts = ", ".join(f"{n} {verdict}" for verdict, n in self.verdicts.most_common())
        told = f"SKIPPED: {self.skipped}" if self.skipped else counts
        measured = (f"{f(self.windows):.3f}" for f in (statistics.median, max))
        median, longest = measured if self.windows else ("–", "–")
        runs = str(self.verdicts.total())
        return self.drill, self.fault, self.victim, runs, median, longest, told


def say(text: str) -> None:
    """A line at once."""
    print(text, flush=True)  # noqa: T201


def offered(cli: Cli) -> Iterator[Row]:
    """Every row that `drill list` offers, and those that it refuses with the reason."""
    for drill in cli.json("drill", "list")["drills"]:
        for fault in drill["faults"]:
            why = "" if drill["available"] else drill["reason"]
            why = why or drill["refused"].get(fault, "")
            for victim in drill["victims"]:
                row = Row(drill["name"], fault, victim, why)
                if not ONLY or any(word in row.words.split() for word in ONLY):
                    yield row


def estimated_s(cli: Cli, rows: list[Row]) -> float:
    """One run of each, by their plans; all single victims of a fault are alike."""
    known: dict[tuple[str, str, str], float] = {}
    seconds = 0.0
    for row in rows:
        several = row.victim if row.victim == "all" or "," in row.victim else ""
        key = (row.drill, row.fault, several)
        if not row.skipped and key not in known:
            argv = ("drill", "plan", row.drill, "--fault", row.fault, "--victim", row.victim)
            known[key] = cli.json(*argv)["expected_s"] + BESIDE_S
        seconds += known.get(key, 0.0)
    return seconds


def drilled(cli: Cli, row: Row) -> tuple[int, str, str]:
    """Run it once: exit status and what it printed. Ctrl-C ends it as its user would."""
    argv = ("drill", "run", row.drill, "--fault", row.fault, "--victim", row.victim)
    running = subprocess.Popen(
        cli.argv(*argv, "--yes", "--stack", cli.stack, "--json"),
        env=cli.environment(),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = running.communicate(timeout=WITHIN_S)
    except BaseException:
        running.send_signal(signal.SIGINT)
        running.communicate()
        raise
    return running.returncode, out, err


def note(row: Row, status: int, out: str, err: str) -> str:
    """Count one run; what was wrong with it, or an empty string."""
    if not out:
        row.verdicts[Status.ERROR] += 1
        return f"exit {status}: {err.strip()[-500:]}"
    told: dict[str, Any] = msgspec.json.decode(out)
    row.verdicts[told["verdict"]] += 1
    if told["write_window_s"] is not None:
        row.windows.append(told["write_window_s"])
    if told["verdict"] not in ALARMS and not told["message"]:
        return ""
    steps = [step for step in told["steps"] if step["status"] in ALARMS]
    found = [f"{step['id']} {step['status']}: {step['evidence']}" for step in steps]
    return "; ".join([*found, told["message"]])


def table(rows: list[Row]) -> str:
    """The rows in columns."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER) - 1)]
    return "\n".join(
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]
        )
        for line in lines
    )


def test_no_drill_fails_on_a_healthy_stack_whatever_its_fault_and_victim(live: Cli) -> None:
    rows = list(offered(live))
    assert rows, f"no drill has one of {ONLY}"
    minutes = TIMES * estimated_s(live, rows) / 60
    say(f"\n{len(rows)} rows, {TIMES} times each: about {minutes:.0f} min")
    done: list[Row] = []
    try:
        for row in rows:
            done.append(row)
            for _ in range(0 if row.skipped else TIMES):
                if alarm := note(row, *drilled(live, row)):
                    row.alarms.append(alarm)
                    say(f"! {row.words}: {alarm}")
                    live.run("up", timeout=WITHIN_S)
            say("  ".join(row.cells()))
    finally:
        say(f"\n{table(done)}")
    alarms = [f"{row.words}: {alarm}" for row in rows for alarm in row.alarms]
    assert not alarms, "\n".join(alarms)
