"""What the plan does to servers, files, the disk and connections."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil

from devstack_tui.core import process
from tests.conftest import Cli
from tests.stack.clients import ports, secret
from tests.storm.plan import Damage, Hurt, SmallDisk, UsedUp

DISK_MB = 3000
"""The size of the file system that a storm as root runs on; what is not used costs nothing."""
BAD_LINES = (
    b'{"begin":{"id":"1","action":"certs.rotate","subject":"postgres","at":1}}',
    b'{"begin":{"id":"2","action":"tune","subject":"nobody,postgres","at":1,"undo":{}}}',
    b'{"begin":{"id":"3","action":"drill.fault","subject":"redis.failover","at":1,"undo":{"handle":"{"}}}',
    b'{"begin":{"id":"4","action":"no such thing","subject":"","at":1}}',
    b'{"begin":{"id":5}}',
    b"[[[",
    b"\xff\x00=",
)


def hurt(home: Path, step: Hurt) -> str:
    """Signal one of the stack's servers. What was signalled: only what carries this storm's own
    home in its environment is."""
    found = []
    for pid in process.pids():
        env = process.environment(pid)
        if process.INSTANCE_VARIABLE in env and env.get("HOME", "").startswith(f"{home}/"):
            found.append(pid)
    if step.whom == "every server":
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, step.signal)
        return f"{len(found)} processes"
    leaders = {pid for pids in process.leaders(dict.fromkeys(found, "")).values() for pid in pids}
    wanted = sorted(
        pid for pid in found if (pid in leaders) == (step.whom == "a server")
    ) or sorted(found)
    if not wanted:
        return "no server ran"
    one = process.identify(wanted[int(step.pick * len(wanted))])
    if one is None:
        return "it had just ended"
    unit = process.environment(one.pid).get(process.UNIT_VARIABLE, "")
    with contextlib.suppress(ProcessLookupError):
        os.kill(one.pid, step.signal)
    if step.signal is signal.SIGKILL:
        with contextlib.suppress(psutil.Error):
            psutil.Process(one.pid).wait(60)
    return f"{unit} (pid {one.pid})"


def damage(cli: Cli, step: Damage) -> Path | None:
    """Damage one file; returns it, or None when there is none."""
    base, _, pattern = step.pattern.partition("/")
    folder = cli.root if base == "STACK" else cli.state / "config" / "devstack-tui"
    found = sorted(folder.glob(pattern))
    if not found and step.how not in (
        "given bad lines",
        "replaced by a directory",
        "replaced by a pipe",
        "garbled",
    ):
        return None
    path = found[int(step.pick * len(found))] if found else folder / pattern
    if "*" in str(path):
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    _DAMAGES[step.how](path, random.Random(f"{step.pick}"))
    return path


def _remove(path: Path, _: random.Random) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, int(path.stat().st_size * chance.random()))


def _garble(path: Path, chance: random.Random) -> None:
    raw = bytearray(path.read_bytes() if path.exists() else b"x" * 40)
    for _ in range(max(1, len(raw) // 20)):
        if raw:
            raw[chance.randrange(len(raw))] = chance.randrange(256)
    _write(path, bytes(raw))


def _retype(path: Path, chance: random.Random) -> None:
    """Valid JSON, with one value of another type."""
    document = msgspec.json.decode(path.read_bytes())
    if isinstance(document, dict) and document:
        document[chance.choice(sorted(document))] = chance.choice([None, -1, "x", [], {"a": {}}])
    _write(path, msgspec.json.encode(document))


def _bad_lines(path: Path, chance: random.Random) -> None:
    lines = chance.sample(BAD_LINES, 3)
    before = path.read_bytes() if path.exists() else b""
    _write(path, before + b"\n" + b"\n".join(lines) + b"\n")


def _directory(path: Path, _: random.Random) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _pipe(path: Path, _: random.Random) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)


def _write(path: Path, raw: bytes) -> None:
    """In place: owner and mode stay."""
    with open(path, "r+b" if path.exists() else "w+b", opener=_private) as file:
        file.truncate()
        file.write(raw)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


_DAMAGES = {
    "emptied": lambda path, _: os.truncate(path, 0),
    "cut": _cut,
    "removed": _remove,
    "garbled": _garble,
    "given wrong types": _retype,
    "given bad lines": _bad_lines,
    "replaced by a directory": _directory,
    "replaced by a pipe": _pipe,
    "given another mode": lambda path, _: path.chmod(0o644),
}


class Disk:
    """A file system of the storm's own, which can be made small: as root, where mounts work."""

    def __init__(self, home: Path) -> None:
        self._home = home
        argv = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=711", "storm", str(home)]
        self.own = os.geteuid() == 0 and _succeeds(argv)

    @contextlib.contextmanager
    def small(self, step: SmallDisk) -> Iterator[None]:
        """Leave `free_kb` for as long as it lasts."""
        if not self.own:
            yield
            return
        found = os.statvfs(self._home)
        used_kb = (found.f_blocks - found.f_bfree) * found.f_frsize // 1024
        self._resize(f"{used_kb + step.free_kb}k")
        try:
            yield
        finally:
            self._resize(f"{DISK_MB}m")

    def _resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self._home], check=True)

    def close(self) -> None:
        """Unmount it."""
        if self.own:
            subprocess.run(["umount", self._home], check=True)


def _succeeds(argv: list[str]) -> bool:
    try:
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@contextlib.contextmanager
def used_up(cli: Cli, step: UsedUp) -> Iterator[int]:
    """Take connections until the service refuses; gives how many it took."""
    connect = _connector(cli, step.service)
    with contextlib.ExitStack() as held:
        opened = 0
        with contextlib.suppress(Exception):  # each driver has its own refusal
            for opened in range(_most()):  # noqa: B007
                held.enter_context(contextlib.closing(connect()))
        yield opened


def _connector(cli: Cli, service: str) -> Callable[[], Any]:
    at = ports(cli, service)["main"]
    if service == "redis":
        return lambda: _redis(at)
    found, ca = secret(cli, service), str(cli.root / "ca.crt")
    known = {"host": "127.0.0.1", "port": at, "user": found["user"], "password": found["password"]}
    if service == "mysql":
        import pymysql

        trust = ssl.create_default_context(cafile=ca)
        return lambda: pymysql.connect(**known, ssl=trust)
    import psycopg

    known |= {"dbname": found["database"], "sslmode": "verify-full", "sslrootcert": ca}
    return lambda: psycopg.connect(**known, connect_timeout=60)


def _most() -> int:
    """How many connections this process may hold, so that it can still work itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(hard - 200, 20_000)


def _redis(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=60)
    made.sendall(b"PING\r\n")
    if b"max number of clients" in made.recv(200):
        made.close()
        raise ConnectionRefusedError
    return made
