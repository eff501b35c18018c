"""Where things live: the XDG directories, one stack's state, and the files that ship with us."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack_tui.core.errors import UsageError, unknown_name

APP = "devstack-tui"
DEFAULT_STACK = "default"
JOBS = ".jobs"
"""Where the jobs of every stack write, beside the stacks."""
ROOT_STATE = Path("/var/lib")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_PACKAGE = Path(__file__).resolve().parent.parent


def state_home() -> Path:
    """The directory that holds every stack.

    `$XDG_STATE_HOME/devstack-tui`, by default `~/.local/state/devstack-tui`. For root it is
    `/var/lib/devstack-tui`: servers that refuse root must be able to walk to their data, and
    root's home is closed to them.
    """
    given = os.environ.get("XDG_STATE_HOME")
    if given and Path(given).is_absolute():
        return Path(given) / APP
    if os.geteuid() == 0:
        return ROOT_STATE / APP
    return Path.home() / ".local" / "state" / APP


def config_home() -> Path:
    """Where the user's own copies of our configuration files live."""
    given = os.environ.get("XDG_CONFIG_HOME")
    base = Path(given) if given and Path(given).is_absolute() else Path.home() / ".config"
    return base / APP


@dataclass(frozen=True, slots=True)
class StackPaths:
    """The files of one stack, below `root`."""

    name: str
    root: Path

    @classmethod
    def of(cls, name: str) -> StackPaths:
        """The paths of stack `name`; a name that is no safe directory name is refused."""
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no stack name",
                "use 1 to 31 of a-z, 0-9, - and _, starting with a letter or a digit",
            )
        return cls(name, state_home() / name)

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def instance(self) -> Path:
        return self.root / "instance.json"

    @property
    def instance_copy(self) -> Path:
        """The same once more, for a stack whose `instance.json` is damaged or gone."""
        return self.secrets / "instance.json"

    @property
    def made(self) -> bool:
        """Whether there is anything of the stack: without its identity it can still be ended."""
        with contextlib.suppress(OSError):
            known = self.instance.exists() or self.instance_copy.exists()
            return known or (NAME.fullmatch(self.name) is not None and any(self.data.iterdir()))
        return False

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def crash_log(self) -> Path:
        """Where processes of ours were when they crashed."""
        return self.logs / "crash.log"

    @property
    def run(self) -> Path:
        """One record for each server process that should be there."""
        return self.root / "run"

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def bench_journal(self) -> Path:
        """What benchmarks have begun: they hold another lock than who changes the stack."""
        return self.root / "bench.jsonl"


def stack_names() -> list[str]:
    """The stacks that exist on this machine for this user, sorted."""
    home = state_home()
    if not home.is_dir():
        return []
    known = [StackPaths(path.name, path) for path in home.iterdir()]
    return sorted(one.name for one in known if one.made)


def require_stack(name: str) -> None:
    """Raise `UsageError` unless stack `name` exists, or is the default: with the close matches, or
    with the command that makes it."""
    StackPaths.of(name)
    known = stack_names()
    if name == DEFAULT_STACK or name in known:
        return
    error = unknown_name("stack", name, known)
    if not error.remedy.startswith("did you mean"):
        error = UsageError(f"the stack {name!r} was never started", "`devstack-tui up` starts it")
    raise error


def shipped(relative: str) -> Path:
    """A file of ours: inside an installed wheel, or beside the package in a checkout."""
    packed = _PACKAGE / "_files" / relative
    return packed if packed.exists() else _PACKAGE.parent / relative


def resource(relative: str) -> Path:
    """A shipped file such as `configs/stack.toml`; the user's copy of it wins.

    The user's copy of `configs/stack.toml` is `$XDG_CONFIG_HOME/devstack-tui/stack.toml`.
    """
    own = config_home() / relative.removeprefix("configs/")
    return own if own.exists() else shipped(relative)


def resources(folder: str, suffix: str) -> Iterator[Path]:
    """Every file of a shipped folder with `suffix`, the user's copies in place of ours."""
    names = {p.name for p in shipped(folder).glob(f"*{suffix}")}
    names |= {p.name for p in (config_home() / folder.removeprefix("configs/")).glob(f"*{suffix}")}
    for name in sorted(names):
        yield resource(f"{folder}/{name}")
