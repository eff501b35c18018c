"""Programs that a server's account cannot reach: below root's home, which is closed to it.

We open the program, or the directories of this Python, and the server is started by the open
descriptors: nothing of ours is copied, and no directory is opened to anybody for longer."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devstack_tui.core.errors import DevstackError
from devstack_tui.engines.embedded.accounts import Account

_R, _X = 4, 1


@dataclass(frozen=True, slots=True)
class Handed:
    """How a program is started: `executable` in place of its own path, if there is one, further
    environment, and the descriptors that it inherits."""

    executable: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()


@contextlib.contextmanager
def handed(argv: Sequence[str], env: Mapping[str, str], account: Account) -> Iterator[Handed]:
    """What `argv` needs to be started as `account`; nothing where it can reach it by itself.
    Raises OSError."""
    with contextlib.ExitStack() as opened:
        program = Path(argv[0])
        if not account.switched:
            yield Handed()
        elif program == Path(sys.executable):
            yield _python(opened, env, account)
        elif reachable(program, account):
            yield Handed()
        else:
            number = _open(opened, program.resolve(), account)
            yield Handed(_name(number), {}, (number,))


def _python(opened: contextlib.ExitStack, env: Mapping[str, str], account: Account) -> Handed:
    """This Python: its interpreter, its standard library, and what it imports from."""
    given = env.get("PYTHONPATH", "").split(os.pathsep)
    wanted = [*filter(None, given), *filter(os.path.isabs, sys.path)]
    base = Path(sys.base_prefix)
    folders = [
        Path(text)
        for text in dict.fromkeys(wanted)
        if Path(text).is_dir() and not Path(text).is_relative_to(base)
    ]
    program = Path(sys.executable)
    if all(reachable(path, account) for path in (program, base, Path(sys.prefix), *folders)):
        return Handed()
    numbers = [_open(opened, folder, account) for folder in folders]
    more = {"PYTHONPATH": os.pathsep.join(map(_name, numbers)), "PYTHONDONTWRITEBYTECODE": "1"}
    interpreter = program.resolve()
    if reachable(interpreter, account) and reachable(base, account):
        return Handed(str(interpreter), more, tuple(numbers))
    executable, home = (_open(opened, path, account) for path in (interpreter, base))
    # Its own library is found beside the interpreter's path, which is no such path now.
    more |= {"PYTHONHOME": _name(home), "LD_LIBRARY_PATH": f"{_name(home)}/lib"}
    return Handed(_name(executable), more, (*numbers, executable, home))


def _open(opened: contextlib.ExitStack, path: Path, account: Account) -> int:
    number = os.open(path, os.O_PATH)
    opened.callback(os.close, number)
    if not _may(os.fstat(number), account, _R | _X):
        raise DevstackError(
            f"{path} is closed to the account {account.name}", f"chmod -R go+rX {path}"
        )
    return number


def _name(number: int) -> str:
    return f"/proc/self/fd/{number}"


def reachable(path: Path, account: Account) -> bool:
    """Whether the account may run the program, or look into the directory."""
    try:
        path = path.resolve(strict=True)
        ways = [folder for folder in path.parents if not _may(folder.stat(), account, _X)]
        return not ways and _may(path.stat(), account, _R | _X)
    except OSError:
        return False


def _may(about: os.stat_result, account: Account, wanted: int) -> bool:
    mode = stat.S_IMODE(about.st_mode)
    if about.st_uid == account.uid:
        mode >>= 6
    elif about.st_gid == account.gid:
        mode >>= 3
    return mode & wanted == wanted
