"""Our engines against the field's own tools, interleaved: `engines.py [--pairs N] [--stack NAME]`.

Informational. PostgreSQL's must equal pgbench run by hand; MySQL's bulk insert is held against
mysqlslap with the same statement, Redis' against redis-benchmark over the whole cluster. The ratios
are ours ÷ theirs.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from devstack_tui.bench.catalogue import Catalogue, Entry
from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.workload import Bench
from devstack_tui.stack.stack import Stack


def main() -> None:
    """Measure pairs and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--stack", default="default")
    options = parser.parse_args()
    stack = Stack(options.stack)
    known = Catalogue().entries
    tools = {
        "postgres.tpcb": pgbench,
        "mysql.bulk_insert": mysqlslap,
        "redis.get": redis_benchmark,
        "redis.set": redis_benchmark,
    }
    for name, theirs in tools.items():
        entry = known[name]
        target = stack.engine().target(entry.service)
        client = partial(stack.engine().client, entry.service)
        ratios = pairs(entry, target, client, theirs, options.pairs)
        shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
        sys.stdout.write(f"{name:<20} median {statistics.median(ratios):.3f}  ({shown})\n")


def pairs(
    entry: Entry,
    target: Target,
    client: FindClient,
    theirs: Callable[[Entry, Target], float],
    count: int,
) -> list[float]:
    """Ours and theirs in turn, the order changed from pair to pair, on the same data."""
    bench = Bench(target, entry.sizes.params("quick"), lambda _: None, threading.Event(), client)
    ratios = []
    try:
        for number in range(count):
            entry.workload.prepare(bench)
            by_hand = theirs(entry, target) if number % 2 else 0.0
            entry.workload.prepare(bench)
            found = entry.workload.run(bench)
            entry.workload.prepare(bench)
            by_hand = by_hand or theirs(entry, target)
            ratios.append(found.operations / found.seconds / by_hand)
    finally:
        entry.workload.cleanup(target)
    return ratios


def pgbench(entry: Entry, target: Target) -> float:
    """Transactions per second, as pgbench prints them."""
    params = entry.sizes.params("quick")
    program = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))[-1]
    ended = subprocess.run(
        [
            str(program), "-h", target.endpoint.host, "-p", str(target.endpoint.port),
            "-U", target.credentials.user, "-c", str(params["clients"]),
            "-j", str(params["threads"]), "-T", str(params["seconds"]), "-n",
            "devstack_tui_bench",
        ],
        env={**os.environ, "PGPASSWORD": target.credentials.password, "PGSSLMODE": "disable"},
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    line = next(line for line in ended.stdout.splitlines() if line.startswith("tps ="))
    return float(line.split()[2])


def mysqlslap(entry: Entry, target: Target) -> float:
    """Rows per second of the same statement, one client."""
    from devstack_tui.services.mysql.workloads import bulk_statement

    params = entry.sizes.params("quick")
    rows, statements = int(params["rows_per_statement"]), 600
    with tempfile.TemporaryDirectory() as folder:
        options = Path(folder) / "my.cnf"
        options.write_text(
            f"[client]\nuser={target.credentials.user}\npassword={target.credentials.password}\n"
        )
        options.chmod(0o600)
        query = Path(folder) / "query.sql"
        query.write_bytes(bulk_statement(rows, 0))
        started = time.perf_counter()
        subprocess.run(
            [
                "mysqlslap", f"--defaults-file={options}", "-h", target.endpoint.host,
                "-P", str(target.endpoint.port), "--create-schema=devstack_tui_bench",
                "--no-drop", f"--query={query}", "--delimiter=;", "--concurrency=1",
                "--iterations=1", f"--number-of-queries={statements}",
            ],
            capture_output=True,
            check=True,
        )  # fmt: skip
        return rows * statements / (time.perf_counter() - started)


def redis_benchmark(entry: Entry, target: Target) -> float:
    """Operations per second over the whole cluster.

    It takes a password in its arguments alone: it gets that of a user who exists for this moment.
    """
    from devstack_tui.services.redis.client import close, connect, node_count

    params = entry.sizes.params("quick")
    command = entry.name.rpartition(".")[2]
    name, throwaway = "devstack-tui-bench", secrets.token_hex(8)
    nodes = [connect(target.as_admin(), index, 5) for index in range(node_count(target))]
    try:
        for node in nodes:
            node.execute_command(
                "ACL", "SETUSER", name, "on", f">{throwaway}", "~devstack-tui:bench:*", "+@all"
            )
        ended = subprocess.run(
            [
                "redis-benchmark", "--cluster", "-h", target.endpoint.host,
                "-p", str(target.endpoint.port), "--user", name, "-a", throwaway,
                "-c", str(params["clients"]), "-n", "200000", "-r", str(params["keys"]), "--csv",
                command, "devstack-tui:bench:{tag}:__rand_int__",
                *(["x" * int(params["value_bytes"])] if command == "set" else []),
            ],
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
    finally:
        for node in nodes:
            node.execute_command("ACL", "DELUSER", name)
            close(node)
    return float(ended.stdout.splitlines()[-1].split('","')[1].strip('"'))


if __name__ == "__main__":
    main()
