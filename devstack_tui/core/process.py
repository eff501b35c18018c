"""Processes that are proven ours: identified by pid, start time and boot, never by name.

Each server is started in a session of its own with an environment that names its stack's
instance and its unit. So a process is found again even when its parent process was killed before
it could write the record. Linux only: the facts come from /proc.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

INSTANCE_VARIABLE = "DEVSTACK_TUI_INSTANCE"
UNIT_VARIABLE = "DEVSTACK_TUI_UNIT"
OPEN_FILES = 65536


class ProcessId(msgspec.Struct, frozen=True):
    """One process, for ever: a reused pid has another start time, a reboot another boot id.

    `start_ticks` counts clock ticks since boot, as /proc/PID/stat has it: unlike a
    time of day it is the same for every reader, whatever happens to the clock.
    """

    pid: int
    start_ticks: int
    boot_id: str


@functools.cache
def boot_id() -> str:
    """The kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on (state first), or None."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold spaces and parentheses.
    return raw[raw.rindex(b")") + 2 :].decode().split()


def identify(pid: int) -> ProcessId | None:
    """The identity of a living process; None for one that is gone or a zombie.

    A zombie whose other threads still end lives: they hold its ports and files until then.
    """
    fields = _stat(pid)
    if fields is None or (fields[0] in "ZX" and int(fields[17]) <= 1):
        return None
    return ProcessId(pid, int(fields[19]), boot_id())


def alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs."""
    return identify(process.pid) == process


def started_at(process: ProcessId) -> float:
    """When it started, Unix time in seconds."""
    ticks = os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + process.start_ticks / ticks


def pids() -> Iterator[int]:
    """Every pid of now."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            yield int(path.name)


def environment(pid: int) -> dict[str, str]:
    """What the process was started with; empty where we may not read it."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.partition(b"=") for item in raw.split(b"\0") if b"=" in item)
    return {k.decode(errors="replace"): v.decode(errors="replace") for k, _, v in pairs}


def owned(instance: str) -> dict[int, str]:
    """Every living process of stack instance `instance`: its pid and the unit it belongs to."""
    found: dict[int, str] = {}
    for pid in pids():
        env = environment(pid)
        if env.get(INSTANCE_VARIABLE) == instance and identify(pid):
            found[pid] = env.get(UNIT_VARIABLE, "")
    return found


def arguments(pid: int) -> tuple[str, ...]:
    """What the process was started with, or what it says of itself; empty where it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(part.decode(errors="replace") for part in raw.split(b"\0") if part)


def belongs(pid: int, instance: str) -> bool:
    """Whether the process is one of stack instance `instance`."""
    return environment(pid).get(INSTANCE_VARIABLE) == instance


def descends(pid: int, instance: str) -> bool:
    """Whether it, or a process above it, belongs to stack instance `instance`: a server's child
    may have overwritten its environment with its title."""
    return unit_above(pid, instance) is not None


def unit_above(pid: int, instance: str) -> str | None:
    """The unit of the process, or of the nearest one above it, that belongs to stack instance
    `instance`; None where none does."""
    while pid > 1:
        env = environment(pid)
        if env.get(INSTANCE_VARIABLE) == instance:
            return env.get(UNIT_VARIABLE, "")
        fields = _stat(pid)
        pid = int(fields[1]) if fields else 0
    return None


def frozen(pid: int) -> bool:
    """Whether a SIGSTOP holds the process (a debugger's hold is another one)."""
    fields = _stat(pid)
    return fields is not None and fields[0] == "T"


def program(pid: int) -> str:
    """What the process runs: its file, and whether that is the one that lies there still; empty
    for a process that is gone or may not be looked at."""
    try:
        link = Path(f"/proc/{pid}/exe")
        found = link.stat()
        return f"{link.readlink()} {found.st_size} {found.st_mtime_ns}"
    except OSError:
        return ""


def working_in(folder: Path, program: Path) -> list[int]:
    """The processes of `program` whose working directory is `folder`."""
    found = []
    for pid in pids():
        with contextlib.suppress(OSError):
            proc = Path(f"/proc/{pid}")
            same = (proc / "exe").readlink() == program.resolve()
            if same and (proc / "cwd").readlink() == folder.resolve() and identify(pid):
                found.append(pid)
    return found


def works_below(pid: int, folder: Path) -> bool:
    """Whether its working directory is `folder`, or one in it."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder.resolve())
    return False


def leaders(owned_pids: Mapping[int, str]) -> dict[str, list[int]]:
    """The session leaders among `owned_pids` by unit: the processes that we started ourselves."""
    found: dict[str, list[int]] = {}
    for pid, unit in owned_pids.items():
        fields = _stat(pid)
        if fields is not None and int(fields[3]) == pid:
            found.setdefault(unit, []).append(pid)
    return found


Table = Mapping[int, Sequence[str]]


def table() -> Table:
    """Every process of now, for several questions in one look."""
    return {pid: fields for pid in pids() if (fields := _stat(pid)) is not None}


def descendants(roots: Iterable[int], table: Table) -> set[int]:
    """`roots`, every member of their sessions, and all their children."""
    wanted = set(roots)
    while True:
        more = {
            pid
            for pid, fields in table.items()
            if pid not in wanted and (int(fields[1]) in wanted or int(fields[3]) in wanted)
        }
        if not more:
            return wanted & table.keys()
        wanted |= more


def children(pid: int) -> Iterator[ProcessId]:
    """The living processes that this one started, the newest first."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.update(map(int, (task / "children").read_text().split()))
    for child in sorted(found, reverse=True):
        fields = _stat(child)
        if fields is not None and int(fields[1]) == pid and fields[0] not in "ZX":
            yield ProcessId(child, int(fields[19]), boot_id())


def signal_writer(pid: int, fd: int, number: signal.Signals) -> bool:
    """Signal process `pid` if its standard output is the open file `fd`. Whether it was."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # Looked at through the handle's lifetime: a reused pid cannot be met in between.
        there, wanted = Path(f"/proc/{pid}/fd/1").stat(), os.fstat(fd)
        if (there.st_dev, there.st_ino) != (wanted.st_dev, wanted.st_ino):
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def usage(members: Iterable[int]) -> tuple[float, int]:
    """CPU seconds used so far and bytes of memory of these processes together.

    Memory is the proportional share (PSS), so that what processes share is counted once; where
    we may not read that, the resident set.
    """
    import psutil

    seconds, memory = 0.0, 0
    for pid in members:
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(pid)
            times = found.cpu_times()
            seconds += times.user + times.system
            try:
                memory += found.memory_full_info().pss
            except psutil.AccessDenied:
                memory += found.memory_info().rss
    return seconds, memory


def ended_children(members: Iterable[int]) -> float:
    """CPU seconds of the children that these processes have waited for."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = [fields for pid in members if (fields := _stat(pid)) is not None]
    return sum(int(fields[13]) + int(fields[14]) for fields in found) / ticks


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    account: tuple[int, int] | None = None,
    *,
    executable: str | None = None,
    descriptors: Sequence[int] = (),
    loosely: bool = False,
) -> ProcessId:
    """Start a server detached: its own session, output appended to `log` (0600), no input, no new
    privileges, no core files, which would hold its secrets.

    `account` is the (uid, gid) to drop to, None to stay who we are. `executable` is run in place of
    `argv[0]`, and the child keeps `descriptors` open. `loosely`: it may get new privileges and
    leave core files, for a stack that is broken on purpose. Raises OSError.
    """
    from concurrent.futures import ThreadPoolExecutor

    _allow_open_files()
    _set_core_files(allowed=loosely)
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def start() -> subprocess.Popen[bytes]:
        if not loosely:
            _forbid_new_privileges()
        return subprocess.Popen(
            list(argv),
            executable=executable,
            pass_fds=descriptors,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=fd,
            stderr=fd,
            start_new_session=True,
            umask=0o077,
            user=account[0] if account else None,
            group=account[1] if account else None,
            extra_groups=[] if account else None,
        )

    try:
        # What a thread gives up its children do not get; this thread, and others of ours, keep it.
        with ThreadPoolExecutor(1) as thread:
            child = thread.submit(start).result()
    finally:
        os.close(fd)
    # It outlives us: nobody waits for it here, and `Popen` shall not complain about that.
    child.returncode = 0
    return identify(child.pid) or ProcessId(child.pid, 0, boot_id())


def _allow_open_files() -> None:
    """Let what we start open as many files as a server's system unit does, within our hard limit.

    A login often has 1024, from which a server derives other settings: MariaDB with that many runs
    with a table_open_cache of 421. Not more than needed: Erlang looks at every number there is.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


_PR_SET_NO_NEW_PRIVS = 38


def _forbid_new_privileges() -> None:
    """What this thread starts from now on gets no rights by a setuid program. Where the kernel
    refuses, it may."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _set_core_files(*, allowed: bool) -> None:
    """Of what we start, and of this process: ours would hold secrets as well."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard if allowed else 0, hard))


@dataclass(frozen=True, slots=True)
class Rights:
    """What a process may do: its user ids and group ids (all of them), further groups, the
    capabilities that it has or can take, its soft limit of core files (None: unlimited), whether
    it can get no more by a setuid program, and which permissions its new files lack."""

    uids: frozenset[int]
    gids: frozenset[int]
    groups: frozenset[int]
    capabilities: int
    core_bytes: int | None
    no_new_privileges: bool
    umask: int


def rights(pid: int) -> Rights | None:
    """Of a process of now; None for one that is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        limits = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return None
    rows = {
        name: value.split() for name, _, value in (x.partition(":") for x in status.split("\n"))
    }
    core = re.search(r"^Max core file size +(\S+)", limits, re.MULTILINE)
    numbers = {name: frozenset(map(int, rows.get(name, ()))) for name in ("Uid", "Gid", "Groups")}
    if not numbers["Uid"]:
        return None
    held = [
        int(value, 16) for name in ("CapPrm", "CapEff", "CapAmb") for value in rows.get(name, ())
    ]
    return Rights(
        numbers["Uid"],
        numbers["Gid"],
        numbers["Groups"] - numbers["Gid"],
        functools.reduce(int.__or__, held, 0),
        int(core[1]) if core and core[1].isdigit() else None,
        rows.get("NoNewPrivs") == ["1"],
        int(next(iter(rows.get("Umask", ())), "0"), 8),
    )


def open_files(pids: Iterable[int]) -> int | None:
    """The fewest files that one of these processes may have open; None without one that can be
    asked."""
    found: list[int] = []
    for pid in pids:
        # Not by prlimit(2): to ask it of another account's process takes the right to change it.
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/limits").read_text()
            found += map(int, re.findall(r"^Max open files +(\d+)", text, re.MULTILINE))
    return min(found, default=None)


def end(
    process: ProcessId,
    first: signal.Signals = signal.SIGTERM,
    grace_s: float = 8.0,
    mine: Callable[[int], bool] = lambda pid: True,
) -> bool:
    """End a process and all that it started: `first`, and SIGKILL after `grace_s` seconds.

    `mine` is asked about each descendant before it is killed. Returns whether it went by itself.
    Returns once nothing of it is left.
    """
    if not alive(process):
        return True
    tree = [found for pid in descendants([process.pid], table()) if (found := identify(pid))]
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, first)
        # A stopped process does not handle a signal until it is continued.
        os.kill(process.pid, signal.SIGCONT)
    gently = _wait_gone(tree[:], grace_s)
    # What it started while it was ending is not in `tree`, but in its session still.
    left = {*filter(alive, tree), *_session(process.pid)}
    killed = [member for member in left if member == process or mine(member.pid)]
    for member in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member.pid, signal.SIGKILL)
    _wait_gone(killed, 5.0)
    return gently


def _session(leader: int) -> Iterator[ProcessId]:
    """The living members of the session that `leader` led; it may have ended."""
    for pid, fields in table().items():
        if int(fields[3]) == leader and pid != leader and (found := identify(pid)):
            yield found


def _wait_gone(members: list[ProcessId], timeout: float) -> bool:
    """Wait until all `members` are gone, reaping those that are our own children."""
    deadline = time.monotonic() + timeout
    while True:
        for member in members:
            with contextlib.suppress(ChildProcessError, OSError):
                os.waitpid(member.pid, os.WNOHANG)
        members = [member for member in members if alive(member)]
        if not members or time.monotonic() > deadline:
            return not members
        time.sleep(0.02)
