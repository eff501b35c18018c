"""The tabs: one line per capability. A pane's code is imported when its tab is first shown."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devstack_tui.console.pane import Pane


@dataclass(frozen=True, slots=True)
class Capability:
    """A tab: `pane` is `module:Class`."""

    id: str
    title: str
    pane: str

    def load(self) -> type[Pane]:
        """Import the pane's class."""
        module, _, name = self.pane.partition(":")
        found: type[Pane] = getattr(importlib.import_module(module), name)
        return found


CAPABILITIES: tuple[Capability, ...] = (
    Capability("health", "Health", "devstack_tui.console.health.pane:HealthPane"),
    Capability("bench", "Bench", "devstack_tui.console.bench.pane:BenchPane"),
    Capability("tuning", "Tuning", "devstack_tui.console.tuning.pane:TuningPane"),
    Capability("drill", "Drill", "devstack_tui.console.drill.pane:DrillPane"),
    Capability("security", "Security", "devstack_tui.console.security.pane:SecurityPane"),
    Capability("report", "Reports", "devstack_tui.console.report.pane:ReportPane"),
)
