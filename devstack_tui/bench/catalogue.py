"""Which workloads there are: what workloads.toml says, and the part of the service that runs it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from devstack_tui.contracts.registry import require_usable, services
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.sizes import SIZES
from devstack_tui.contracts.workload import Workload
from devstack_tui.core.config import convert, fault, read_toml
from devstack_tui.core.errors import unknown_name
from devstack_tui.core.paths import resource

Number = int | float | str | bool


LONGEST_S = 86_400
"""Of one run."""


class Sizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One workload's table."""

    title: str
    full: dict[str, Number]
    quick: dict[str, Number]
    smoke: dict[str, Number] = {}
    """As `quick` for a second, where it is not given."""
    setup_s: dict[str, float] = {}
    """About how long preparing a run takes, by size: for plans, until this host's history says."""

    def params(self, size: str) -> dict[str, Number]:
        """The numbers of one size. Raises `UsageError` for an unknown one."""
        if size not in SIZES:
            raise unknown_name("size", size, SIZES)
        if size == "smoke":
            return self.smoke or {**self.quick, "seconds": SIZES[size].least_s}
        return self.full if size == "full" else self.quick


class Entry(msgspec.Struct, frozen=True):
    """One workload: its service, its part and its sizes."""

    service: Service
    workload: Workload
    sizes: Sizes

    @property
    def name(self) -> str:
        return self.workload.name


class Catalogue:
    """Every workload of workloads.toml, in its order. Raises `ConfigError` for a bad file."""

    def __init__(self) -> None:
        path = resource("configs/workloads.toml")
        document = read_toml(path)
        self.runs = convert(document.pop("runs", {}), dict[str, int], path, "runs")
        known = {w.name: (service, w) for service in services() for w in service.workloads()}
        for service in services():
            document = {**service.rows(path.name), **document}
        self.entries: dict[str, Entry] = {}
        for name, table in document.items():
            if name not in known:
                error = unknown_name("workload", name, known)
                raise fault(path, name, error.message, error.remedy)
            sizes = convert(table, Sizes, path, name)
            for size in SIZES:
                for key, value in sizes.params(size).items():
                    if not isinstance(value, str) and value <= 0:
                        raise fault(path, f"{name}.{size}.{key}", f"must be above 0, is {value}")
                    if key == "seconds" and float(value) > LONGEST_S:
                        what = f"must be at most {LONGEST_S}, is {value}"
                        raise fault(path, f"{name}.{size}.{key}", what)
            service, workload = known[name]
            self.entries[name] = Entry(service, workload, sizes)

    def choose(self, names: Sequence[str]) -> list[Entry]:
        """The named workloads in their order here, or all. Raises `UsageError` for a wrong name."""
        for name in names:
            if name not in self.entries:
                require_usable(name)
                raise unknown_name("workload", name, self.entries)
        return [entry for name, entry in self.entries.items() if not names or name in names]
