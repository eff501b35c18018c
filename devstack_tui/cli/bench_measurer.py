"""What runs a workload for the tuning: one benchmark, kept out of the history of benchmarks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from devstack_tui.bench import baseline
from devstack_tui.bench.catalogue import Catalogue, Entry
from devstack_tui.bench.events import RunEnded, RunStarted
from devstack_tui.bench.runner import Runner
from devstack_tui.contracts.workload import Tick
from devstack_tui.core.fingerprint import Fingerprint
from devstack_tui.stack.stack import Stack
from devstack_tui.tuning.measure import Sample


class BenchMeasurer:
    """A `Measurer`: every run has its own child process, its own data, and the bench lock."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._catalogue = Catalogue()
        self._prints: dict[tuple[str, str], dict[str, Fingerprint]] = {}

    def service(self, workload: str) -> str:
        """See the Protocol."""
        return self._entry(workload).service.name

    def unit(self, workload: str) -> str:
        """See the Protocol."""
        return self._entry(workload).workload.unit

    def seconds(self, workload: str, size: str) -> float:
        """See the Protocol."""
        runner = Runner(self._stack, self._depends(workload, size), keep=False)
        return runner.expected([self._entry(workload)], size, 1)

    def fingerprint(self, workload: str, size: str) -> str:
        """See the Protocol. Raises `NotInstalledError` without the server or the engine."""
        return self._depends(workload, size)[workload].digest()

    async def run(self, workload: str, size: str) -> AsyncGenerator[str | Tick | Sample, None]:
        """See the Protocol. Raises `DevstackError` while another benchmark runs."""
        entry = self._entry(workload)
        runner = Runner(self._stack, self._depends(workload, size), keep=False)
        sample: Sample | None = None
        async with contextlib.aclosing(runner.run([entry], size, 1)) as events:
            async for event in events:
                match event:
                    case RunStarted():
                        yield event.phase
                    case Tick():
                        yield event
                    case RunEnded():
                        found = event.result
                        p99 = found.latency_ms.p99 or None
                        # Its data may fail to go after it was measured: then it is no sample.
                        sample = Sample(
                            found.throughput,
                            p99,
                            found.unit,
                            found.problem,
                            found.settings,
                            found.seconds,
                            found.client_bound,
                            found.steady,
                        )
        if sample is not None:
            yield sample

    def _entry(self, workload: str) -> Entry:
        return self._catalogue.choose([workload])[0]

    def _depends(self, workload: str, size: str) -> dict[str, Fingerprint]:
        key = (workload, size)
        if key not in self._prints:
            self._prints[key] = baseline.fingerprints(self._stack, [self._entry(workload)], size)
        return self._prints[key]
