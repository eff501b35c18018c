"""What `report` prints, for the stub of the command line: what a real stack's history made of it.

`STUB_REPORT` chooses another document: `empty`, or `refused`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("report_recorded.json")


def document() -> dict[str, Any]:
    """The document."""
    found: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    if os.environ.get("STUB_REPORT") == "empty":
        waiting = {"status": "NOT RUN", "at": None, "seen_red": None, "proven": None}
        coverage = found["coverage"]
        coverage["core"] = [row | waiting for row in coverage["core"]]
        coverage["beyond"] = []
        found |= {"suites": [], "verdict": "INCOMPLETE"}
        found["notes"] = [note] if (note := os.environ.get("STUB_HISTORY")) else []
    return found


def report(words: list[str]) -> int:
    """The verb `report`."""
    if os.environ.get("STUB_REPORT") == "refused":
        sys.stdout.write('{"error": "the history is locked", "remedy": "wait", "exit_code": 1}\n')
        return 1
    for option in ("--md", "--html"):
        if option in words:
            path = Path(words[words.index(option) + 1])
            if path.parent.is_file():
                told = f"{path} cannot be written: Not a directory"
                sys.stdout.write(json.dumps({"error": told, "remedy": "", "exit_code": 2}) + "\n")
                return 2
            path.write_text(f"written by {option}\n")
    sys.stdout.write(json.dumps(document(), indent=1) + "\n")
    return 0
