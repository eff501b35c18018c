"""Which drills there are, and the entry of each in drills.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from devstack_tui.contracts.drill import Drill, SequenceDrill, Sweepable, Thresholds
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import require_usable, service, services
from devstack_tui.contracts.service import Service
from devstack_tui.core.config import convert, fault, merged, read_toml
from devstack_tui.core.errors import unknown_name
from devstack_tui.core.paths import resource, shipped
from devstack_tui.drill.restart import restart_drills

ALL = "all"
_RENAMED = {"seed_window_s": "published_window_s"}
_GONE = frozenset({"window_s"})
_THRESHOLDS = frozenset({"other_pause_s"})
"""Keys of an earlier release, in a user's copy of drills.toml: renamed, without a meaning (the
limit of a window is theory's), and once among a drill's options."""
Options = dict[str, int | float | str | bool]


class MeasurementRates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[measuring]`: how often is written and looked."""

    rate_hz: Annotated[float, msgspec.Meta(ge=50, le=1000)] = 50.0
    observe_hz: Annotated[float, msgspec.Meta(ge=10, le=100)] = 20.0


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    thresholds: dict[str, Any] = {}
    measuring: MeasurementRates = MeasurementRates()
    drills: dict[str, dict[str, Any]] = {}


class Entry(msgspec.Struct, frozen=True):
    """One drill: its service, its part, and its entry in drills.toml."""

    service: Service
    drill: Drill
    thresholds: Thresholds
    measuring: MeasurementRates
    options: Options

    @property
    def name(self) -> str:
        return self.drill.name

    def fault(self, name: str | None) -> str:
        """The fault called `name`, or the default. Raises `UsageError` for an unknown one."""
        if name is None:
            return self.drill.faults[0]
        if name not in self.drill.faults:
            raise unknown_name("fault", name, self.drill.faults)
        return name

    def victim(self, target: Target, name: str | None) -> str:
        """The victim called `name`, or the default. Raises `UsageError` for an unknown one."""
        known = self.drill.victims(target)
        if name is None:
            return known[0]
        self.victims(target, name)
        return name

    def victims(self, target: Target, victim: str) -> tuple[str, ...]:
        """The single victims that `victim` stands for. Raises `UsageError` for an unknown one."""
        if isinstance(self.drill, SequenceDrill):
            return self.drill.sequence(target, victim)
        known = self.drill.victims(target)
        if victim == ALL:
            return known
        if victim not in known:
            raise unknown_name("victim", victim, (*known, ALL))
        return (victim,)


def _thresholds(drill: Drill, options: dict[str, Any], written: _File, path: Path) -> Thresholds:
    """The thresholds of a drill, taken out of its options. Raises `ConfigError`."""
    at = f"drills.{drill.name}"
    faults = convert(options.pop("faults", {}), dict[str, dict[str, Any]], path, f"{at}.faults")
    own = convert(options.pop("thresholds", {}), dict[str, Any], path, f"{at}.thresholds")
    moved = {key: options.pop(key) for key in _THRESHOLDS & set(options)}
    limits = {**written.thresholds, **moved, **own}
    limits = {_RENAMED.get(k, k): v for k, v in limits.items() if k not in _GONE}
    for name in faults:
        if name not in drill.faults:
            error = unknown_name("fault", name, drill.faults)
            raise fault(path, f"{at}.faults.{name}", error.message, error.remedy)
    rate = {"rate_hz": written.measuring.rate_hz}
    limits["faults"] = {name: rate | faults.get(name, {}) for name in drill.faults}
    return convert(limits, Thresholds, path, "thresholds")


class Catalogue:
    """Every drill, those of a technology first. Raises `ConfigError` for a bad drills.toml."""

    def __init__(self) -> None:
        path = resource("configs/drills.toml")
        # The user's copy may be older than the tables that a limit comes from.
        document = merged(read_toml(shipped("configs/drills.toml")), read_toml(path))
        written = convert(document, _File, path)
        own = [(found, drill) for found in services() for drill in found.drills()]
        generic = [(service(drill.name.partition(".")[0]), drill) for drill in restart_drills()]
        self.entries: dict[str, Entry] = {}
        for found, drill in (*own, *generic):
            rows = {**found.rows(path.name), **written.drills}
            options = dict(rows.get(drill.name, {}))
            self.entries[drill.name] = Entry(
                found,
                drill,
                _thresholds(drill, options, written, path),
                written.measuring,
                convert(options, Options, path, f"drills.{drill.name}"),
            )
        for name in written.drills:
            if name not in self.entries:
                error = unknown_name("drill", name, self.entries)
                raise fault(path, f"drills.{name}", error.message, error.remedy)

    def sweepable(self) -> Entry:
        """The first drill whose outcome depends on a setting."""
        return next(e for e in self.entries.values() if isinstance(e.drill, Sweepable))

    def choose(self, name: str) -> Entry:
        """The drill called `name`. Raises `UsageError` with the close matches."""
        if name not in self.entries:
            require_usable(name)
            raise unknown_name("drill", name, self.entries)
        return self.entries[name]
