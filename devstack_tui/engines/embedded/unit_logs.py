"""The logs of a service's units: which there are, their lines, and why a unit ended."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from devstack_tui.contracts.model import LogLine
from devstack_tui.contracts.service import Service
from devstack_tui.core.redact import brief, redact
from devstack_tui.engines.embedded import log_files
from devstack_tui.engines.embedded.log_files import LogFile
from devstack_tui.engines.embedded.process_records import Records

SPAWN_S = 3.0
"""A record is written just before its process is there: for so long that is no end."""
REASON_WITHIN = 8
"""In so many lines before the message of a shutdown its reason is looked for."""
_SHUTDOWN = re.compile(r"database system is shut down|\[ERROR\] Aborting|hutdown complete")
_REASON = re.compile(r"\b(?:FATAL|PANIC):|\[ERROR\]")
_HARMLESS = re.compile(
    r"\[(?:System|Note|INFO|info|notice|debug|DEBUG|I)\]|\bINFO\b|\"s\":\"[ID]"
    r"|\b(?:LOG|NOTICE|DETAIL|HINT):|^\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ [*.-] |^Version: '"
)
"""Lines whose level says that they report no error; the last is MariaDB's when it is ready."""
_WELL = re.compile(r"(?i)\b(?:ready|started|completed?|listening|accepted|succeeded|changed: ok)\b")
_ERROR = re.compile(
    r"(?i)error|fatal|panic|fail|abort|exception|denied|refused|invalid|cannot|could not|unable"
)
_ORDERED = re.compile(r"(?i)shut(?:ting)? ?down|bye bye|exiting|signal|\bSIG[A-Z]+|terminat")
"""That somebody had it end is a reason, at whatever level it is said."""


class Logs:
    """The log files of one stack: one for each unit."""

    def __init__(self, folder: Path, records: Records) -> None:
        self._folder = folder
        self._records = records

    def path(self, unit: str) -> Path:
        """Where the unit writes."""
        return self._folder / f"{unit}.log"

    def of(self, service: Service) -> list[LogFile]:
        """One for each unit; those of units that ran once stay readable."""
        known = {record.unit for record in self._records.of(service.name)}
        prefix = service.secret
        for path in self._folder.glob(f"{prefix}*.log"):
            if path.stem == prefix or path.stem.startswith(f"{prefix}-"):
                known.add(path.stem)
        return [LogFile(unit, self.path(unit)) for unit in sorted(known)]

    def lines(
        self,
        service: Service,
        lines: int,
        follow: threading.Event | None,
        wanted: log_files.Wanted | None,
    ) -> Iterator[LogLine]:
        """See `Engine.logs`."""
        if follow is None:
            for log in self.of(service):
                yield from log_files.tail(log, lines, wanted)
            return
        logs = log_files.Follower(partial(self.of, service), lines, wanted)
        with contextlib.closing(logs) as follower:
            while not follow.is_set():
                yield from follower.look()
                follow.wait(log_files.POLL_S)

    def exit_reason(self, service: Service) -> str:
        """Which unit is gone, and the last line that it wrote; empty when all run."""
        for record in self._records.of(service.name):
            new = record.process is None and time.time() - record.started < SPAWN_S
            if not record.alive and not new:
                return f"{record.unit} has ended{_last_words(last_line(self.path(record.unit)))}"
        return ""


def _last_words(line: str) -> str:
    """What the last line of a log says of the end: nothing where it reports no error, as after a
    kill."""
    if not line:
        return ""
    harmless = _HARMLESS.search(line) or (_WELL.search(line) and not _ERROR.search(line))
    if harmless and not _ORDERED.search(line):
        return ", and its log does not say why: it may have been killed"
    return f"; its log ends with: {line}"


def last_line(path: Path) -> str:
    """The last line of a log that is not empty, redacted, at most 200 characters; where it is the
    message of a shutdown, the error before it that caused it."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            written = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    lines = [line.strip() for line in written if line.strip()]
    if lines and _SHUTDOWN.search(lines[-1]):
        lines += [line for line in lines[-REASON_WITHIN:] if _REASON.search(line)][:1]
    return brief(redact(lines[-1])) if lines else ""
