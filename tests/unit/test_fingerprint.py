"""The fingerprint: equal when measurements can be compared, and able to say why they cannot."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from devstack_tui.core.fingerprint import GIB, Fingerprint, host

BASE = Fingerprint("EPYC", 2.0, 8 * GIB, "6.1.0", "3.11.2").of(
    {"postgres": "15.18", "redis": "7.0.15"}, "pgbench 15.18", {"name": "x", "clients": 10}
)
MIB = 1 << 20


def machine(
    room: Path,
    *,
    cpuinfo: str = "model name\t: AMD  EPYC 7B13\n",
    memory_kib: int = 16_000_000,
    files: dict[str, str] | None = None,
    groups: str = "0::/\n",
) -> Path:
    """A /proc and a /sys of a machine that is not this one."""
    every = {
        "proc/cpuinfo": cpuinfo,
        "proc/meminfo": f"MemTotal:       {memory_kib} kB\nMemFree: 1 kB\n",
        "proc/self/cgroup": groups,
        **(files or {}),
    }
    for name, text in every.items():
        path = room / "machine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return room / "machine"


def test_the_same_machine_has_the_same_fingerprint() -> None:
    first, second = host(), host()
    assert first == second
    assert first.digest() == second.digest()
    assert first.differences(second) == ()
    assert first.cpu
    assert first.cores > 0
    assert first.kernel == os.uname().release


def test_the_digest_is_short_and_does_not_depend_on_the_order_of_names() -> None:
    turned = BASE.of(
        {"redis": "7.0.15", "postgres": "15.18"}, "pgbench 15.18", {"clients": 10, "name": "x"}
    )
    assert turned.digest() == BASE.digest()
    assert len(BASE.digest()) == 12
    assert int(BASE.digest(), 16) >= 0


def test_a_fingerprint_survives_being_written_down() -> None:
    again = msgspec.json.decode(msgspec.json.encode(BASE), type=Fingerprint)
    assert again.digest() == BASE.digest()
    assert again.differences(BASE) == ()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("cpu", "Xeon", "the CPU differs: EPYC against Xeon"),
        ("cores", 1.5, "the usable cores differ: 2 against 1.5"),
        ("memory_bytes", 16 * GIB, "the memory differs: 8 GiB against 16 GiB"),
        ("kernel", "6.8.0", "the kernel differs: 6.1.0 against 6.8.0"),
        ("python", "3.12.1", "the Python differs: 3.11.2 against 3.12.1"),
        ("engine", "", "the engine differs: pgbench 15.18 against none"),
        (
            "servers",
            {"postgres": "16.1", "redis": "7.0.15"},
            "the version of postgres differs: 15.18 against 16.1",
        ),
        (
            "servers",
            {"postgres": "15.18"},
            "the version of redis differs: 7.0.15 against none",
        ),
        (
            "workload",
            {"name": "x", "clients": 4},
            "the workload's clients differs: 10 against 4",
        ),
    ],
)
def test_each_thing_that_differs_changes_the_digest_and_is_told(
    field: str, value: object, sentence: str
) -> None:
    other = msgspec.structs.replace(BASE, **{field: value})
    assert BASE.differences(other) == (sentence,)
    assert BASE.digest() != other.digest()


def test_all_that_differs_is_told_at_once() -> None:
    other = msgspec.structs.replace(BASE, cpu="Xeon", kernel="6.8.0", servers={})
    assert len(BASE.differences(other)) == 4


def test_the_model_of_the_cpu_is_read_without_its_padding(room: Path) -> None:
    assert host(machine(room)).cpu == "AMD EPYC 7B13"


def test_a_cpu_without_a_model_is_told_by_its_numbers(room: Path) -> None:
    root = machine(room, cpuinfo="CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n")
    assert host(root).cpu.endswith("0x41 0xd0c")


def test_a_machine_that_tells_nothing_still_has_a_fingerprint(room: Path) -> None:
    found = host(room / "nothing")
    assert found.cpu
    assert found.cores > 0
    assert found.memory_bytes > 0


def test_cores_are_those_of_the_affinity() -> None:
    every = os.sched_getaffinity(0)
    one = {min(every)}
    os.sched_setaffinity(0, one)
    try:
        assert host().cores <= 1
    finally:
        os.sched_setaffinity(0, every)


@pytest.mark.parametrize(
    ("groups", "file", "text"),
    [
        ("0::/\n", "sys/fs/cgroup/cpu.max", "50000 100000\n"),
        ("0::/a/b\n", "sys/fs/cgroup/a/cpu.max", "50000 100000\n"),
        ("2:cpu,cpuacct:/a\n1:name=systemd:/\n", "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000"),
    ],
)
def test_cores_are_limited_by_the_quota_of_our_group_or_one_above(
    room: Path, groups: str, file: str, text: str
) -> None:
    files = {file: text, "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000"}
    assert host(machine(room, groups=groups, files=files)).cores == 0.5


def test_a_group_without_a_quota_limits_nothing(room: Path) -> None:
    files = {"sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/memory.max": "max\n"}
    found = host(machine(room, files=files))
    assert found.cores == len(os.sched_getaffinity(0))
    assert found.memory_bytes == 15 * GIB


def test_memory_is_limited_by_the_group(room: Path) -> None:
    root = machine(room, files={"sys/fs/cgroup/memory.max": str(4 * GIB)})
    assert host(root).memory_bytes == 4 * GIB


def test_a_little_memory_more_or_less_makes_no_other_machine(room: Path) -> None:
    """Another kernel keeps a few MiB more for itself."""
    found = {host(machine(room, memory_kib=16_000_000 + kib)).memory_bytes for kib in (0, 9000)}
    assert len(found) == 1


def test_a_small_machine_is_told_from_a_smaller_one(room: Path) -> None:
    sizes = [host(machine(room, memory_kib=mib * 1024)).memory_bytes for mib in (512, 1024)]
    assert sizes == [512 * MIB, 1024 * MIB]
