"""The account of this machine that runs a server."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError


@dataclass(frozen=True, slots=True)
class Account:
    """The user that runs a server: ours, or an unprivileged one when we are root."""

    uid: int
    gid: int

    @property
    def switched(self) -> bool:
        """Whether this is another user than the one we run as."""
        return self.uid != os.geteuid()

    @property
    def owner(self) -> tuple[int, int] | None:
        """Whom the server's files are given to; None: they are ours already."""
        return (self.uid, self.gid) if self.switched else None


def account_of(service: Service) -> Account:
    """Who runs the server: ourselves, or as root the service's own account where it has one."""
    if os.geteuid() != 0 or not service.account:
        return Account(os.geteuid(), os.getegid())
    for name in (service.account, "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid)
    raise DevstackError(
        f"{service.title} refuses to run as root and there is no account {service.account!r}",
        "run devstack-tui as a normal user",
    )
