"""What is proven by running it as a whole: the drills and the gate."""

from __future__ import annotations

from devstack_tui.contracts.proof import ProvenRun


def proven_runs() -> tuple[ProvenRun, ...]:
    """All of them. Raises `ConfigError` for a bad drills.toml or thresholds.toml."""
    from devstack_tui.bench import proving as gate
    from devstack_tui.drill import proving as drills

    return (*drills.proven_runs(), *gate.proven_runs())
