"""A check and its result: what every gate, drill and audit ends in. Only PASS is a pass."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from devstack_tui.core import files


class Status(enum.StrEnum):
    """INCONCLUSIVE: the data cannot carry a verdict. ERROR: the check itself could not be made."""

    PASS = "PASS"
    FAIL = "FAIL"
    WARN = "WARN"
    SKIPPED = "SKIPPED"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"


_GLYPHS = {
    "PASS": "●",
    "FAIL": "✗",
    "ERROR": "✗",
    "INCONCLUSIVE": "?",
    "WARN": "▲",
    "SKIPPED": "–",
    "IMPROVED": "▲",
    "REGRESSED": "▼",
    "NO DIFFERENCE": "●",
    "MEASURED": "●",
    "NOT RUN": "○",
    "NOT BUILT": "–",
}


def glyph(verdict: str) -> str:
    """The sign that stands before the word of a status or a verdict: never a colour alone."""
    return _GLYPHS.get(verdict, "·")


class Result(msgspec.Struct, frozen=True):
    """One check's outcome: `evidence` is what was measured, `remedy` what to do about it."""

    id: str
    title: str
    status: Status
    evidence: str
    remedy: str = ""


def verdict(results: Iterable[Result]) -> Status:
    """All of them together: a FAIL or an ERROR fails; without one, an INCONCLUSIVE decides nothing.

    Nothing but skipped checks is INCONCLUSIVE: nothing was proven.
    """
    found = {result.status for result in results}
    if found & {Status.FAIL, Status.ERROR}:
        return Status.FAIL
    if Status.INCONCLUSIVE in found or not found & {Status.PASS, Status.WARN}:
        return Status.INCONCLUSIVE
    return Status.PASS


def exit_code(status: Status) -> int:
    """Of the CLI contract: 0 pass, 1 failed, 4 inconclusive."""
    return {Status.PASS: 0, Status.INCONCLUSIVE: 4}.get(status, 1)


def write_junit(path: Path, suite: str, results: Sequence[Result], seconds: float) -> None:
    """The results as a JUnit file. Raises `DevstackError` where it cannot be written."""
    from xml.etree import ElementTree

    def count(*statuses: Status) -> str:
        return str(sum(result.status in statuses for result in results))

    root = ElementTree.Element(
        "testsuite",
        name=suite,
        tests=str(len(results)),
        failures=count(Status.FAIL, Status.INCONCLUSIVE),
        errors=count(Status.ERROR),
        skipped=count(Status.SKIPPED),
        time=f"{seconds:.3f}",
    )
    tags = {
        Status.FAIL: "failure",
        Status.INCONCLUSIVE: "failure",
        Status.ERROR: "error",
        Status.SKIPPED: "skipped",
    }
    for result in results:
        case = ElementTree.SubElement(root, "testcase", classname=suite, name=result.id)
        if tag := tags.get(result.status):
            message = f"{result.status}: {result.title}: {result.evidence}"
            ElementTree.SubElement(case, tag, message=message).text = result.remedy
        ElementTree.SubElement(case, "system-out").text = f"{result.title}: {result.evidence}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
    except OSError as error:
        raise files.explain(error, f"writing {path}") from None
