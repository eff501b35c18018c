"""`doctor`: what is missing on this machine, and the command that brings it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from devstack_tui.cli.output import narrate, print_json, say
from devstack_tui.cli.running import name_repairs
from devstack_tui.contracts.model import Requirement
from devstack_tui.core import environment
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.paths import DEFAULT_STACK
from devstack_tui.core.programs import Hint, has_apt, remedy
from devstack_tui.health.doctor import examine, missing
from devstack_tui.stack.stack import Stack

_APT_INSTALL = (
    *("env", "DEBIAN_FRONTEND=noninteractive"),
    *("apt-get", "install", "-y", "-q", "--no-install-recommends"),
)
MARKS = {"ok": "✔", "missing": "✖", "warning": "!", "optional": "–"}


def run(options: argparse.Namespace) -> int:
    """Run the verb; exit status 1 when something that the stack needs is missing."""
    stack = Stack(getattr(options, "stack", DEFAULT_STACK))
    name_repairs(stack)
    if options.install:
        install(stack)
        for service in stack.resolve_running(()):
            if made := stack.engine().furnish(service):
                narrate(f"{service.name}: {made}")
    findings = list(examine(stack))
    if options.json:
        print_json({"stack": stack.name, "findings": findings})
    else:
        for finding in findings:
            _show(finding)
        if command := " ".join(remedy(missing(stack))):
            say(f"\neverything that is missing: {command}")
            say("or let us run it:           devstack-tui doctor --install")
    return 1 if any(finding.status == "missing" for finding in findings) else 0


def _show(finding: Requirement) -> None:
    say(f"{MARKS[finding.status]} {finding.subject:<14} {finding.detail}")
    if finding.remedy and finding.status != "ok":
        say(f"  {'':<14} → {finding.remedy}")


def install(stack: Stack) -> None:
    """Install what is missing: system packages through apt, Python packages through pip.

    A second look follows, since only an installed program shows which libraries it needs.
    """
    for _ in range(2):
        hints = [*missing(stack), *stack.engine().hints()]
        if not hints:
            return
        if any(hint.apt for hint in hints):
            _update_lists(hints)
            # What a library's package is called here, apt knows only with its lists.
            hints = [*missing(stack), *stack.engine().hints()]
        apt = sorted({package for hint in hints for package in hint.apt})
        pip = sorted({package for hint in hints for package in hint.pip})
        if apt:
            _call([*_as_root(), *_APT_INSTALL, *apt], hints)
        if pip:
            _call([sys.executable, "-m", "pip", "install", *pip], hints)


def _update_lists(hints: list[Hint]) -> None:
    lacking = "we are neither root nor is sudo here"
    if not has_apt():
        lacking = "there is no apt here"
    elif os.geteuid() == 0 or shutil.which("sudo"):
        lacking = ""
    if lacking:
        text = f"system packages are missing, and {lacking}"
        raise DevstackError(text, " ".join(remedy(hints)))
    _call([*_as_root(), "apt-get", "update", "-q"], hints)


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo"]


def _call(argv: list[str], hints: list[Hint]) -> None:
    narrate(f"+ {' '.join(argv)}")
    # Their output is narration: it must not mix with our data.
    # For the user: by their proxies, their package index.
    ended = subprocess.run(
        argv,
        stdout=sys.stderr,
        stdin=subprocess.DEVNULL,
        check=False,
        env=environment.given(),
    )
    if ended.returncode != 0:
        text = f"{argv[0]} failed (exit {ended.returncode}): its message is above"
        raise DevstackError(text, " ".join(remedy(hints)))
