"""What a measurement depends on: only results with the same fingerprint can be compared."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

GIB = 1 << 30
Definition = dict[str, int | float | str | bool]
"""What a workload does: its `name` and the numbers of its size."""

_NAMES = {
    "cpu": "CPU",
    "cores": "usable cores",
    "memory_bytes": "memory",
    "kernel": "kernel",
    "python": "Python",
    "engine": "engine",
}


class Fingerprint(msgspec.Struct, frozen=True):
    """A machine, and for a run also its servers (versions by name), its engine and its workload.

    `cores` counts those that this process may use: it is a fraction under a cgroup's quota.
    `memory_bytes` is rounded, because kernels keep a little of it for themselves.
    """

    cpu: str
    cores: float
    memory_bytes: int
    kernel: str
    python: str
    servers: dict[str, str] = {}
    engine: str = ""
    workload: Definition = {}

    def of(
        self, servers: Mapping[str, str], engine: str, workload: Mapping[str, int | float | str]
    ) -> Fingerprint:
        """The same machine with what ran on it."""
        return msgspec.structs.replace(
            self, servers=dict(servers), engine=engine, workload=dict(workload)
        )

    def digest(self) -> str:
        """12 hexadecimal digits: equal for equal fingerprints, in whatever order they were made."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:12]

    def differences(self, other: Fingerprint) -> tuple[str, ...]:
        """A sentence for each thing that differs, ours first; empty when they can be compared."""
        found = [
            f"the {label} differs: {_show(field, mine)} against {_show(field, theirs)}"
            if field != "cores"
            else f"the {label} differ: {mine:g} against {theirs:g}"
            for field, label in _NAMES.items()
            if (mine := getattr(self, field)) != (theirs := getattr(other, field))
        ]
        found += _compare("version of", self.servers, other.servers)
        found += _compare("workload's", self.workload, other.workload)
        return tuple(found)


def _show(field: str, value: object) -> str:
    if field == "memory_bytes" and isinstance(value, int):
        size = value / GIB
        return f"{size:.3g} GiB" if size < 999.5 else f"{size:.0f} GiB"
    return str(value) or "none"


def _compare(label: str, mine: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    return [
        f"the {label} {name} differs: {mine.get(name, 'none')} against {theirs.get(name, 'none')}"
        for name in sorted(mine.keys() | theirs.keys())
        if mine.get(name) != theirs.get(name)
    ]


def host(root: Path = Path("/")) -> Fingerprint:
    """This machine, as this process may use it. `root` is where /proc and /sys are found."""
    return Fingerprint(
        cpu=_cpu(root),
        cores=usable_cores(root),
        memory_bytes=_rounded(min([physical_memory(root), *memory_limits(root)])),
        kernel=platform.release(),
        python=platform.python_version(),
    )


def _count() -> int:
    return os.cpu_count() or 1


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _cpu(root: Path) -> str:
    """The model; ARM kernels give the numbers of its maker only."""
    lines = _read(root / "proc/cpuinfo").splitlines()
    found = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    if model := found.get("model name") or found.get("Model") or found.get("Hardware"):
        return " ".join(model.split())
    numbers = [found[key] for key in ("CPU implementer", "CPU part") if key in found]
    return " ".join([platform.machine(), *numbers]) if numbers else _generic()


def _generic() -> str:
    return platform.processor() or platform.machine() or "unknown"


def physical_memory(root: Path = Path("/")) -> int:
    """The memory of the machine, bytes, whatever control groups allow."""
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _rounded(size: int) -> int:
    """To whole GiB, or to 64 MiB on a machine that has less than two."""
    step = GIB if size >= 2 * GIB else GIB // 16
    return max(step, round(size / step) * step)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The directories of our control group and those above it, of version 2 and version 1."""
    base = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, names, path = [*line.split(":", 2), "", ""][:3]
        if number == "0":
            top = base
        elif controller in names.split(","):
            top = base / controller
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts), -1, -1):
            yield top.joinpath(*parts[:depth])


def usable_cores(root: Path = Path("/")) -> float:
    """The cores that this process may use: a fraction under a quota."""
    usable = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _count())
    return min([usable, *_quotas(root)])


def _quotas(root: Path) -> Iterator[float]:
    """CPU quotas in cores. A group without one says `max`, or -1."""
    for group in _groups(root, "cpu"):
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if not quota:
            quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            yield int(quota) / int(period)


def memory_limits(root: Path = Path("/")) -> Iterator[int]:
    """Memory limits of our control groups, bytes.

    Version 1 says "none" by a number beyond all machines.
    """
    for group in _groups(root, "memory"):
        text = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
        if text.isdigit():
            yield int(text)
