"""The values of steps 4 and 5: written once on every shard, and read back from their owners."""

from __future__ import annotations

from collections.abc import Mapping

from devstack_tui.contracts.model import Target
from devstack_tui.core.redact import redact
from devstack_tui.services.redis.client import close, connect, node_name
from devstack_tui.services.redis.drills.preconditions import ClusterSnapshot
from devstack_tui.services.redis.instrument import hash_tags

TIMEOUT_S = 2.0
Values = Mapping[str, str]
"""By key."""


def values_of(seen: ClusterSnapshot, run: str) -> dict[int, dict[str, str]]:
    """Keys computed to lie on each master, by its index, with the value of each."""
    return {
        owner: {
            f"{hash_tags.prefix(run)}step4:{{{tag}}}": f"{run}:{tag}"
            for tag in hash_tags.spread(seen.views[owner].me.slots)
        }
        for owner in seen.owners()
    }


def reowned(seen: ClusterSnapshot, values: Mapping[int, Values]) -> dict[int, dict[str, str]]:
    """The same values by the nodes that own them now."""
    found: dict[int, dict[str, str]] = {}
    for own in values.values():
        for key, value in own.items():
            slot = hash_tags.slot(key.partition("{")[2].rstrip("}"))
            for owner in seen.owners():
                if any(a <= slot <= b for a, b in seen.views[owner].me.slots):
                    found.setdefault(owner, {})[key] = value
    return found


def count(values: Mapping[int, Values]) -> int:
    """How many there are."""
    return sum(len(own) for own in values.values())


def write(target: Target, values: Mapping[int, Values]) -> list[str]:
    """SET every value on the node that owns it. Returns what was refused."""
    return _each(target, values, "SET", lambda client, key, value: bool(client.set(key, value)))


def read(target: Target, values: Mapping[int, Values]) -> list[str]:
    """GET every value from the node that owns it. Returns what was not there."""
    return _each(target, values, "GET", lambda client, key, value: client.get(key) == value)


def _each(target: Target, values: Mapping[int, Values], what: str, work: object) -> list[str]:
    import redis

    assert callable(work)
    wrong: list[str] = []
    for index, own in values.items():
        client = None
        try:
            client = connect(target, index, TIMEOUT_S)
            wrong += [
                f"{what} of {key} on {node_name(index)}: another answer than expected"
                for key, value in own.items()
                if not work(client, key, value)
            ]
        except (OSError, redis.RedisError) as error:
            wrong.append(
                f"{what} on {node_name(index)}: {redact(str(error).partition(chr(10))[0])}"
            )
        finally:
            if client is not None:
                close(client)
    return wrong
