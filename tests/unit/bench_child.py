"""A benchmark's process as it is, with a workload that needs no server. See test_bench_runner."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

from devstack_tui.bench import child
from devstack_tui.contracts.workload import Bench, Measurement, Tick
from devstack_tui.core.histogram import Histogram

LATENCY = (1.0, 2.0, 3.0)


class Workload:
    """Ticks twice, then ends as its parameters say."""

    name = "fake.load"
    unit = "ops/s"

    def engine(self, client: object) -> tuple[str, str]:  # noqa: ARG002
        return "fake", "1.0"

    def prepare(self, bench: Bench) -> None:
        pass

    def settings(self, bench: Bench) -> dict[str, str]:  # noqa: ARG002
        return {"a": "1"}

    def run(self, bench: Bench) -> Measurement:
        latency = Histogram.of(LATENCY)
        bench.tick(Tick.of(1, 3, latency, {"Broken 7": 1}))
        bench.tick(Tick.of(2, 0, Histogram()))
        match bench.params.get("end"):
            case "dies":
                sys.stderr.write("the reason why\n")
                sys.stderr.flush()
                os._exit(9)
            case "waits":
                bench.stop.wait()
        return Measurement(3, 3, 2.0, latency, 1)

    def cleanup(self, target: Path) -> None:
        with target.open("a") as file:
            file.write("cleaned\n")


def main() -> int:
    """Run with the file that `cleanup` writes as the argument; with one more the server is down."""
    engine: Any = types.SimpleNamespace(
        target=lambda _: Path(sys.argv[1]),
        usage=lambda _: {},
        client=lambda *_: None,
        units=lambda _: [types.SimpleNamespace(running=len(sys.argv) == 2)],
    )
    known: Any = types.SimpleNamespace(name="fake", title="Fake", workloads=lambda: (Workload(),))
    child.service = lambda _: known  # type: ignore[attr-defined]
    child.Stack = lambda _: types.SimpleNamespace(engine=lambda: engine)  # type: ignore[attr-defined]
    return child.main()


if __name__ == "__main__":
    sys.exit(main())
