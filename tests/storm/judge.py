"""What must hold of the stack after every round."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from devstack_tui.core import process
from devstack_tui.core.journal import Journal
from tests.conftest import Cli, servers_in
from tests.stack import clients
from tests.storm.verbs import ours

LIMIT_S = 60.0
"""Against what never comes true."""
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}")
"""How `core.files.write_private` names a file that is not whole yet."""
BENCH = "devstack_tui_bench"

Values = dict[str, str]
"""What the servers say of each `service.parameter`."""


def unhealthy(rows: Iterable[dict[str, Any]], services: Sequence[str]) -> list[str]:
    """Which services are not healthy, and why."""
    return [
        f"{row['name']} is {row['state']}: {row['reason']}"
        for row in rows
        if row["name"] in services and row["state"] != "healthy"
    ]


def orphans(cli: Cli, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Processes of the stack that belong to no unit, units of no record, and processes of ours that
    do not end."""
    recorded = {unit["pid"] for row in rows for unit in row["units"] if unit["pid"]}

    def stray() -> list[int]:
        servers = servers_in(cli.root)
        family = process.descendants(recorded, process.table())
        return [pid for pid in servers if pid not in family and process.identify(pid)]

    until(lambda: not stray())  # a helper of a server may be on its way out
    left = [f"{_named(pid)} belongs to no unit" for pid in stray()]
    if not until(lambda: not ours(cli.state)):
        left += [f"{_named(pid)} of ours does not end" for pid in ours(cli.state)]
    return left


def _named(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return f"pid {pid} ({words.strip()[:120]})"
    return f"pid {pid}"


def leftovers(cli: Cli, services: Sequence[str], mounted: bool) -> list[str]:
    """Temporary files, a benchmark's data, pending intents, mounts, files that others can read."""
    found = [
        f"a temporary file is left: {path}"
        for path in cli.root.rglob(".*")
        if TEMPORARY.fullmatch(path.name)
    ]
    for name in ("journal.jsonl", "bench.jsonl"):
        if (path := cli.root / name).is_file():
            found += [f"{name}: {one.action} of {one.subject}" for one in Journal(path).pending()]
    found += [
        f"{path} has the mode {path.stat().st_mode & 0o777:o}"
        for path in [*cli.root.glob("*.json*"), *(cli.root / "secrets").rglob("*")]
        if path.is_file() and path.stat().st_mode & 0o077 and path.suffix != ".crt"
    ]
    if "postgres" in services:
        with clients.postgres(cli) as connection:
            rows = connection.execute("SELECT datname FROM pg_database").fetchall()
        found += [f"PostgreSQL has the database {BENCH}"] if (BENCH,) in rows else []
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    below = [point for point in mounts if Path(point).is_relative_to(cli.state)]
    found += [f"mounted: {point}" for point in below[mounted:]]
    return found


def values(rows: Iterable[dict[str, Any]]) -> Values:
    """The parameters as the servers have them, of `tune show`."""
    return {f"{row['service']}.{row['name']}": row["effective"] for row in rows}


def changed(before: Values, after: Values, allowed: Callable[[str], bool]) -> list[str]:
    """Parameters that were changed, although no verb was to change them."""
    return [
        f"{key} was {before[key]}, and is {after[key]}"
        for key in sorted(before.keys() & after.keys())
        if before[key] != after[key] and not allowed(key)
    ]


def foreign(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Parameters that `tune show` takes for changed by somebody else: here nobody else is."""
    return [
        f"{row['service']}.{row['name']} is {row['effective']}: {row['elsewhere']}"
        for row in rows
        if row["elsewhere"]
    ]


def until(condition: Callable[[], object]) -> bool:
    """Whether it comes true within the limit."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
