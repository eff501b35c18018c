"""The words that a user or a reader meets: those of the field, in plain English."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

READ = ("devstack_tui", "configs", "baselines", "docs", "README.md", "CONTRIBUTING.md", "Makefile")
UNWANTED = (
    r"the seed\b",
    r"\bseed's\b",
    r"\btold\b",
    r"\btells\b",
    r"\bwhat was before\b",
    r"\bhas what it had\b",
    r"\btak(e|es|en) back\b",
    r"\bwithout a word\b",
    r"\bwhat is said of\b",
    r"\btakes? (something|it|them) away\b",
    r"\bthat was (told|said)\b",
    r"\bspelled out\b",
)
"""Images and turns of phrase; a random seed is none of them."""
WANTED = re.compile(r"for the same seed|told apart")


def lines(project: Path) -> Iterator[tuple[str, str]]:
    """Every line of the product and its documents, with its place."""
    listed = subprocess.run(
        ["git", "ls-files", "--", *READ], cwd=project, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        path = project / name
        if path.suffix not in (".svg", ".png") and path.is_file():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                yield f"{name}:{number}", line


@pytest.mark.parametrize("phrase", UNWANTED)
def test_the_product_does_not_say(phrase: str, project: Path) -> None:
    unwanted = re.compile(phrase, re.IGNORECASE)
    found = [
        f"{place}: {line.strip()}"
        for place, line in lines(project)
        if unwanted.search(WANTED.sub("", line))
    ]
    assert found == []


def test_names_say_what_they_hold(project: Path) -> None:
    name = re.compile(r"\b(def|class) _?(told|tell|telling|took|said)\b|\b(told|said|took) = ")
    found = [f"{place}: {line}" for place, line in lines(project) if name.search(line)]
    assert found == []
