"""`doctor`: what is missing on this machine, and the command that brings it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

import msgspec

from devstack_tui.core.errors import DevstackError
from devstack_tui.core.paths import DEFAULT_STACK
from devstack_tui.health.doctor import Finding, examine, missing, useful
from devstack_tui.stack.install import remedy
from devstack_tui.stack.parts import Hint
from devstack_tui.stack.stack import Stack

MARKS = {"ok": "✔", "missing": "✖", "warning": "!", "optional": "–"}


def run(options: argparse.Namespace) -> int:
    """Run the verb; exit status 1 when something that the stack needs is missing."""
    stack = Stack(getattr(options, "stack", DEFAULT_STACK))
    if options.install:
        _install([*missing(stack), *useful()])
    findings = list(examine(stack))
    if options.json:
        document = {"stack": stack.name, "findings": findings}
        print(msgspec.json.encode(document).decode())
    else:
        for finding in findings:
            _show(finding)
        if command := " ".join(remedy(missing(stack))):
            print(f"\neverything that is missing: {command}")
            print("or let us run it:           devstack-tui doctor --install")
    return 1 if any(finding.status == "missing" for finding in findings) else 0


def _show(finding: Finding) -> None:
    print(f"{MARKS[finding.status]} {finding.subject:<14} {finding.detail}")
    if finding.remedy and finding.status != "ok":
        print(f"  {'':<14} → {finding.remedy}")


def _install(hints: list[Hint]) -> None:
    """Install what `hints` name: system packages through apt, Python packages through pip."""
    apt = sorted({package for hint in hints for package in hint.apt})
    pip = sorted({package for hint in hints for package in hint.pip})
    if apt:
        _apt(apt)
    if pip:
        _call([sys.executable, "-m", "pip", "install", *pip])


def _apt(packages: list[str]) -> None:
    if not shutil.which("apt-get"):
        raise DevstackError(
            "there is no apt on this machine",
            f"install {', '.join(packages)} with your package manager",
        )
    prefix: list[str] = []
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise DevstackError(
                "system packages are missing, and we are neither root nor is sudo here",
                f"as root: apt-get install -y {' '.join(packages)}",
            )
        prefix = ["sudo"]
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    _call([*prefix, "apt-get", "update", "-q"])
    _call([*prefix, *env, "apt-get", "install", "-y", "-q", "--no-install-recommends", *packages])


def _call(argv: list[str]) -> None:
    print(f"+ {' '.join(argv)}", file=sys.stderr, flush=True)
    # Their output is narration: it must not mix with our data.
    ended = subprocess.run(argv, stdout=sys.stderr, stdin=subprocess.DEVNULL, check=False)
    if ended.returncode != 0:
        raise DevstackError(f"{argv[0]} failed (exit {ended.returncode})", "read its message above")
