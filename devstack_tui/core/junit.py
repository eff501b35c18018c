"""Results as JUnit XML, by the schemas of Ant and of Jenkins' xunit plugin (both are among the test
data): a failed check is a failure, one that could not be made an error."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from devstack_tui.core.check import Result, Status, worded
from devstack_tui.core.redact import inert

_TAGS = {
    Status.FAIL: "failure",
    Status.INCONCLUSIVE: "failure",
    Status.ERROR: "error",
    Status.SKIPPED: "skipped",
}


def document(
    suite: str,
    results: Sequence[Result],
    seconds: float,
    times: Mapping[str, float] | None = None,
    properties: Mapping[str, str] | None = None,
) -> str:
    """The results as the text of a JUnit file; they have just been made, in so many seconds.
    `times` are the seconds of a check by its id, where that is known; `properties` are facts about
    all of them."""

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
        # UTC: the schema admits no time zone.
        timestamp=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - seconds)),
        hostname=socket.gethostname() or "localhost",
    )
    listed = ElementTree.SubElement(root, "properties")
    for name, value in (properties or {}).items():
        ElementTree.SubElement(listed, "property", name=name, value=inert(value))
    for result in results:
        duration = (times or {}).get(result.id, 0.0)
        case = ElementTree.SubElement(
            root, "testcase", classname=suite, name=result.id, time=f"{duration:.3f}"
        )
        if tag := _TAGS.get(result.status):
            message = inert(f"{result.status}: {result.title}: {result.evidence}")
            found = ElementTree.SubElement(case, tag, message=message, type=result.status)
            found.text = inert(result.remedy)
    evidence = (f"{worded(one)} {one.id} {one.title}: {one.evidence}" for one in results)
    ElementTree.SubElement(root, "system-out").text = inert("\n".join(evidence))
    ElementTree.SubElement(root, "system-err")
    made: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return made.decode() + "\n"
