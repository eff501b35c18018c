"""pgbench as an engine: its programs, its progress, its log and its last words.

The formats are those of pgbench's manual page (https://www.postgresql.org/docs/15/pgbench.html):
`--progress=1` writes a line a second to stderr, `--log` a line for every transaction.
"""

from __future__ import annotations

import queue
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.workload import Bench, Measurement, Tick
from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.histogram import Histogram
from devstack_tui.core.redact import redact
from devstack_tui.services.postgres.client import NO_FILE

GRACE_S = 12.0
"""How long after its end pgbench may wait for the server's last answer."""
_LOG = "log"
_COLUMNS = 6  # client, transaction, microseconds, script, seconds and microseconds of its end
_PROGRESS = re.compile(r"progress: ([\d.]+) s, ([\d.]+) tps")
_PROCESSED = re.compile(r"number of transactions actually processed: (\d+)")
_TPS = re.compile(
    r"^tps = ([\d.]+) \((?:without initial connection time|excluding connections establishing)\)",
    re.MULTILINE,
)
_FAILED = re.compile(r"number of failed transactions: (\d+)")
_ABORTED = re.compile(r"client \d+ (?:script \d+ )?aborted")
_CONNECTION = re.compile(r"connection to server|backend died|server closed|terminating connection")


PROGRAM = "pgbench"


def version(client: FindClient) -> str:
    """pgbench's own version. Raises `NotInstalledError` with the remedy."""
    return client(PROGRAM).version("--version", r"\(PostgreSQL\) (\d+(?:\.\d+)*)")


@dataclass(frozen=True, slots=True)
class Summary:
    """What pgbench prints at its end. `tps` is without the initial connection time."""

    processed: int
    tps: float
    failed: int = 0


def summary(text: str) -> Summary | None:
    """The figures of a report, or None where there are none (all clients were aborted)."""
    processed, tps, failed = (p.search(text) for p in (_PROCESSED, _TPS, _FAILED))
    if processed is None or tps is None:
        return None
    return Summary(int(processed[1]), float(tps[1]), int(failed[1]) if failed else 0)


def progress(line: str) -> tuple[float, float] | None:
    """Seconds since the start and transactions a second since the last line; None for other
    lines. A second without any transaction may have `-nan` for its latency: it is not read."""
    found = _PROGRESS.search(line)
    return (float(found[1]), float(found[2])) if found else None


def abortion(line: str) -> str:
    """The class of the error that `line` reports, or an empty string."""
    if not _ABORTED.search(line):
        return ""
    if _CONNECTION.search(line):
        return "ConnectionLost"
    return "ServerError" if "ERROR:" in line else "ClientAborted"


def latencies(log: bytes) -> tuple[Histogram, int]:
    """Of the whole lines of a log: the latencies of its transactions, and how many had failed.

    Counted by value first: millions of lines cost little of the CPU that the server needs.
    """
    histogram, failed = Histogram(), 0
    for word, times in Counter(log.split()[2::_COLUMNS]).items():
        if word.isdigit():
            histogram.add(int(word) / 1000, times)
        else:
            failed += times
    return histogram, failed


class Logs:
    """The transaction logs in a directory, read as they grow: one for each thread of pgbench."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._offsets: dict[Path, int] = {}
        self.total = Histogram()
        self._since = Histogram()

    def take(self) -> Histogram:
        """The latencies that were written since the last `take`."""
        self._read()
        taken, self._since = self._since, Histogram()
        return taken

    def _read(self) -> None:
        for path in self._directory.glob(f"{_LOG}.*"):
            with path.open("rb") as log:
                log.seek(self._offsets.get(path, 0))
                chunk = log.read()
            whole = chunk[: chunk.rfind(b"\n") + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(whole)
            found, _ = latencies(whole)
            self._since.merge(found)
            self.total.merge(found)


class PgbenchFiles:
    """pgbench's files: the password, scripts and logs. It lies among the stack's secrets."""

    def __init__(self, target: Target, database: str) -> None:
        self.directory = target.secrets / "devstack-tui-bench-postgres"
        self._target = target
        self._database = database

    def __enter__(self) -> PgbenchFiles:
        self.remove()
        files.make_dir(self.directory)
        secret = re.sub(r"([\\:])", r"\\\1", self._target.credentials.password)
        files.write_private(self.directory / "pgpass", f"*:*:*:*:{secret}\n")
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def forget_password(self) -> None:
        """Remove the password alone."""
        (self.directory / "pgpass").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all of it, also what a killed run left."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, client: FindClient, arguments: Sequence[str]) -> subprocess.Popen[str]:
        """Run pgbench on the database. No secret is in its argv or environment. The paths are
        relative to its working directory.

        Over verified TLS: its connections cannot be proven one by one, and in plain libpq sends the
        password in clear to whatever asks for it so.
        """
        endpoint = self._target.endpoint
        env = {
            "PGHOST": self._target.name,
            "PGHOSTADDR": endpoint.host,
            "PGPORT": str(endpoint.port),
            "PGUSER": self._target.credentials.user,
            "PGDATABASE": self._database,
            "PGPASSFILE": "pgpass",
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self._target.ca),
            "PGSSLCERT": NO_FILE,
            "PGSSLKEY": NO_FILE,
            "PGSSLCRL": NO_FILE,
            "PGGSSENCMODE": "disable",
            "PGCONNECT_TIMEOUT": "5",
        }
        return client(PROGRAM).start(arguments, env, self.directory)


def lines(process: subprocess.Popen[str], stop: threading.Event, limit: float) -> Iterator[str]:
    """What the process writes, as it comes; an empty string at least every 0.1 s. When `stop` is
    set, or after `limit` seconds, the process is killed. It has ended when this ends."""
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            waiting.put(line.rstrip("\n"))
        waiting.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    until = time.monotonic() + limit
    try:
        while True:
            if stop.is_set() or time.monotonic() > until:
                process.kill()
            try:
                line = waiting.get(timeout=0.1)
            except queue.Empty:
                yield ""
                continue
            if line is None:
                break
            yield line
    finally:
        process.kill()
        process.wait()
        reader.join()
        if process.stdout is not None:
            process.stdout.close()


def initialise(bench: Bench, database: str, scale: int) -> None:
    """`pgbench --initialize`: the four tables of TPC-B, vacuumed."""
    with PgbenchFiles(bench.target, database) as scratch:
        process = scratch.start(bench.client, ["--initialize", "--quiet", f"--scale={scale}"])
        printed = [line for line in lines(process, bench.stop, 3600) if line]
    if process.returncode != 0 and not bench.stop.is_set():
        raise DevstackError(f"pgbench could not make its tables: {_reason(printed)}")


@dataclass(slots=True)
class _Output:
    """The output of a run so far."""

    lines: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    at: float = 0.0
    operations: int = 0


def run(
    bench: Bench, database: str, arguments: Sequence[str], scripts: dict[str, str] | None = None
) -> Measurement:
    """Run pgbench for `bench.params["seconds"]` with `clients` and `threads`.

    Its own figures are the result; the latencies are from its log. Raises `DevstackError` when it
    did no transaction at all.
    """
    seconds, clients = int(bench.params["seconds"]), int(bench.params["clients"])
    threads = min(clients, int(bench.params["threads"]))
    output = _Output()
    with PgbenchFiles(bench.target, database) as scratch:
        for name, text in (scripts or {}).items():
            files.write_private(scratch.directory / name, text)
        logs = Logs(scratch.directory)
        started = time.monotonic()
        process = scratch.start(
            bench.client,
            [
                "--no-vacuum",
                f"--client={clients}",
                f"--jobs={threads}",
                f"--time={seconds}",
                "--progress=1",
                "--log",
                f"--log-prefix={_LOG}",
                *arguments,
            ],
        )
        second = 0
        for line in lines(process, bench.stop, seconds + GRACE_S):
            if not line:
                continue
            found = progress(line)
            if found is None:
                output.lines.append(line)
                if error := abortion(line):
                    output.errors[error] += 1
                continue
            scratch.forget_password()  # every client has connected
            at, tps = found
            operations = round(tps * (at - output.at))
            # pgbench may report once more right at its end: no second of its own.
            if at - output.at > 0.5:
                second += 1
                bench.tick(Tick.of(second, operations, logs.take()))
            output.at, output.operations = at, output.operations + operations
        elapsed = time.monotonic() - started
        rest = logs.take()
    measured = _measurement(bench, output, logs.total, process.returncode, elapsed)
    # The last second ends with the run, most often before pgbench could report it.
    if measured.seconds - output.at > 0.5 and measured.operations > output.operations:
        bench.tick(Tick.of(second + 1, measured.operations - output.operations, rest))
    return measured


def _measurement(
    bench: Bench, output: _Output, latency: Histogram, code: int, elapsed: float
) -> Measurement:
    text = "\n".join(output.lines)
    final = summary(text)
    stopped = bench.stop.is_set()
    if final and final.failed:
        output.errors["TransactionFailed"] += final.failed
    if final and final.processed and final.tps:
        operations, seconds = final.processed, final.processed / final.tps
    else:
        # It was killed: what it had printed and logged until then.
        operations, seconds = max(output.operations, latency.count), elapsed
        if not stopped and code < 0:
            output.errors["NoAnswer"] += int(bench.params["clients"])
    if not operations and not stopped and not (output.errors and latency.count):
        raise DevstackError(f"pgbench could not run: {_reason(output.lines)}")
    if code > 0 and not output.errors:
        output.errors["ClientAborted"] += 1
    return Measurement(
        operations=operations,
        requests=latency.count,
        seconds=seconds,
        latency=latency,
        clients=int(bench.params["clients"]),
        errors=dict(output.errors),
    )


def _reason(output: Sequence[str]) -> str:
    wrong = [line for line in output if re.search(r"error|fatal", line, re.IGNORECASE)]
    text = (wrong or list(output) or ["it ended without a message"])[0]
    return redact(text.removeprefix("pgbench: ").removeprefix("error: ").strip())
