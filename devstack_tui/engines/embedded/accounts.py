"""The account of this machine that runs a server: its own, never root."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass

from devstack_tui.contracts.service import Service
from devstack_tui.core import environment
from devstack_tui.core.errors import DevstackError

_PREFIX = "devstack-"
_LONGEST = 32
_MADE_IN_S = 60.0
_making = threading.Lock()


@dataclass(frozen=True, slots=True)
class Account:
    """The user that runs a server: ours, or an unprivileged one when we are root."""

    uid: int
    gid: int
    name: str = ""

    @property
    def switched(self) -> bool:
        """Whether this is another user than the one we run as."""
        return self.uid != os.geteuid()

    @property
    def owner(self) -> tuple[int, int] | None:
        """Whom the server's files are given to; None: they are ours already."""
        return (self.uid, self.gid) if self.switched else None


def account_of(service: Service) -> Account | None:
    """Who runs the server: ourselves, or as root an account of its own: that of its package, else
    one that we made. None where root has made none yet."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    for name in (service.account, own_name(service)):
        try:
            found = pwd.getpwnam(name) if name else None
        except KeyError:
            continue
        if found is not None and found.pw_uid != 0:
            return Account(found.pw_uid, found.pw_gid, name)
    return None


def own_name(service: Service) -> str:
    """The account that we make for a service whose package brings none."""
    return f"{_PREFIX}{service.secret}"[:_LONGEST]


def require(service: Service, say: Callable[[str], None] = lambda text: None) -> Account:
    """The same, made where it is not there. Raises `DevstackError` where that is not possible."""
    with _making:  # each locks the file of accounts
        found = account_of(service)
        if found is None:
            name = own_name(service)
            say(f"making the account {name}")
            _make(service, name)
            found = account_of(service)
    if found is None:
        raise _unmade(service, f"there is no account {own_name(service)}")
    return found


def _make(service: Service, name: str) -> None:
    """A system account that nobody can log in to, without a home and in no other group."""
    argv = command(name)
    try:
        ended = subprocess.run(
            argv,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            errors="replace",
            timeout=_MADE_IN_S,
            check=False,
            env=environment.of_child({}),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unmade(service, str(error)) from None
    # Another verb may have made it in the same moment.
    if ended.returncode != 0 and account_of(service) is None:
        raise _unmade(service, " ".join(ended.stderr.split()) or f"exit {ended.returncode}")


def command(name: str) -> list[str]:
    """What makes such an account."""
    program = shutil.which("useradd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    return [program or "useradd", *options, "--shell", "/usr/sbin/nologin", name]


def _unmade(service: Service, why: str) -> DevstackError:
    return DevstackError(
        f"{service.title} does not run as root, and its account could not be made: {why}",
        f"{shlex.join(command(own_name(service)))}, or run devstack-tui as a normal user",
    )
