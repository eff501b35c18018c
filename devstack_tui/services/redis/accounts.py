"""Who may do what in a node: an account for applications, ours, and one for the replicas."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec

from devstack_tui.contracts.model import Credentials, Target
from devstack_tui.identity.account_checks import declared
from devstack_tui.services.redis.client import session

DEFAULT = "default"
"""The account of who names none. It is off."""
REPLICA = "replica"
"""By which a node follows its master."""
APPLICATION = "application"
ROLES = (APPLICATION, "administrator", REPLICA)
"""What the accounts are called where their rules are declared."""
OFF = ["off", "resetpass", "resetkeys", "resetchannels", "-@all"]
CONVERT_S = 5.0


def replica_password(target: Target) -> str:
    """What replicas log in with: made of our own password, which it does not show."""
    return hmac.new(target.admin.password.encode(), REPLICA.encode(), hashlib.sha256).hexdigest()


def passwords(target: Target) -> dict[str, str]:
    """The password of each account that has one, in the order of `ROLES`."""
    return {
        target.credentials.user: target.credentials.password,
        target.admin.user: target.admin.password,
        REPLICA: replica_password(target),
    }


def fingerprint(password: str) -> str:
    """A password as a node keeps it."""
    return hashlib.sha256(password.encode()).hexdigest()


def rules(target: Target) -> dict[str, list[str]]:
    """The rules of every account as ACL SETUSER takes them, `default` last: no password is among
    them, only what a node keeps of it."""
    wanted = declared("redis")["accounts"]
    made = {
        name: ["on", f"#{fingerprint(password)}", *wanted[role].split()]
        for (name, password), role in zip(passwords(target).items(), ROLES, strict=True)
    }
    return {**made, DEFAULT: OFF}


def lines(target: Target) -> str:
    """The accounts as redis.conf has them."""
    return "".join(f"user {name} {' '.join(words)}\n" for name, words in rules(target).items())


def convert(target: Target, index: int) -> None:
    """Give a running node of an older release, which knows one account, those of now. Clients that
    are connected by that one must log in again: they could do nothing more."""
    old = Credentials(DEFAULT, target.credentials.password)
    with session(msgspec.structs.replace(target, credentials=old), index, CONVERT_S) as client:
        send: Any = client.execute_command
        client.config_set("masteruser", REPLICA)
        client.config_set("masterauth", replica_password(target))
        for name, words in rules(target).items():
            if name != DEFAULT:
                send("ACL SETUSER", name, "reset", *words)
    with session(target.as_admin(), index, CONVERT_S) as client:
        send = client.execute_command
        send("ACL SETUSER", DEFAULT, "reset", *OFF)
        send("CLIENT KILL", "TYPE", "normal", "USER", DEFAULT)
