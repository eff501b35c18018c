"""Which drills there are, and the entry of each in drills.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from devstack_tui.contracts.drill import (
    PUBLISHED_WINDOW_S,
    Drill,
    FaultLimits,
    Seconds,
    SequenceDrill,
    Sweepable,
    Thresholds,
)
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import require_usable, service, services
from devstack_tui.contracts.service import Service
from devstack_tui.core.config import convert, fault, merged, read_toml
from devstack_tui.core.errors import unknown_name
from devstack_tui.core.paths import resource, shipped
from devstack_tui.drill.restart import restart_drills

ALL = "all"
_GONE = {
    "window_s": "the limit of a window is theory's, for the fault and the node timeout in force",
    "published_window_s": f"the {PUBLISHED_WINDOW_S:g} s of DevStack Core are no setting",
}
_GONE["seed_window_s"] = _GONE["published_window_s"]
_THRESHOLDS = frozenset({"other_pause_s"})
"""Keys of an earlier release, in a user's copy of drills.toml: not read any more, and why; and once
among a drill's options."""
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
    notes: tuple[str, ...] = ()
    """What drills.toml says of it and is not read."""

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


def _thresholds(
    drill: Drill, options: dict[str, Any], written: _File, path: Path
) -> tuple[Thresholds, tuple[str, ...]]:
    """The thresholds of a drill, taken out of its options, and what is not read of them. Raises
    `ConfigError`, for the table in which the fault stands."""
    at = f"drills.{drill.name}"
    faults = convert(options.pop("faults", {}), dict[str, dict[str, Any]], path, f"{at}.faults")
    own = convert(options.pop("thresholds", {}), dict[str, Any], path, f"{at}.thresholds")
    moved = {key: options.pop(key) for key in _THRESHOLDS & set(options)}
    limits: dict[str, Any] = {}
    notes: list[str] = []
    tables = (("thresholds", written.thresholds), (at, moved), (f"{at}.thresholds", own))
    for where, table in tables:
        notes += [
            f"{path}: {where}.{key} is not read: {_GONE[key]}" for key in table if key in _GONE
        ]
        read = {key: value for key, value in table.items() if key not in _GONE}
        if "faults" in read:
            raise fault(path, f"{where}.faults", "a fault's limits stand under its drill")
        convert(read, Thresholds, path, where)
        limits |= read
    for name in faults:
        if name not in drill.faults:
            error = unknown_name("fault", name, drill.faults)
            raise fault(path, f"{at}.faults.{name}", error.message, error.remedy)
    rate = {"rate_hz": written.measuring.rate_hz}
    limits["faults"] = {name: rate | faults.get(name, {}) for name in drill.faults}
    for name, row in limits["faults"].items():
        convert(row, FaultLimits, path, f"{at}.faults.{name}")
    return convert(limits, Thresholds, path, "thresholds"), tuple(notes)


def _options(options: dict[str, Any], path: Path, at: str) -> Options:
    """A drill's own numbers: those in seconds are bounded as every other's. Raises
    `ConfigError`."""
    for key, value in options.items():
        if key.endswith("_s"):
            convert(value, Seconds, path, f"{at}.{key}")
    return convert(options, Options, path, at)


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
            thresholds, notes = _thresholds(drill, options, written, path)
            own_options = _options(options, path, f"drills.{drill.name}")
            self.entries[drill.name] = Entry(
                found, drill, thresholds, written.measuring, own_options, notes
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
