"""Redis' tunable part: the same values on every node, read from and set on each by itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from devstack_tui.contracts.model import Installation, Target
from devstack_tui.contracts.service_files import ServiceFiles, own_name
from devstack_tui.contracts.tunable import Apply, Effective, Kind, Parameter, Reading, Tunables
from devstack_tui.core import units
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.redact import redact
from devstack_tui.services.redis import advice
from devstack_tui.services.redis.client import node_count, node_name, session
from devstack_tui.services.redis.config_syntax import canonical, in_file, native
from devstack_tui.state.parameter_advice import RuleBasedTunables
from devstack_tui.state.parameter_catalogue import parameters
from devstack_tui.state.parameter_values import to_server

if TYPE_CHECKING:
    import redis

TIMEOUT_S = 3.0
REWRITE_S = 10.0
"""How long the first AOF of a node may take before it is only mentioned."""


class _Node(msgspec.Struct, frozen=True):
    """What one node answered, and its configuration file (None: it cannot be read from here)."""

    name: str
    config: dict[str, str]
    info: dict[str, Any]
    file: dict[str, tuple[str, int]] | None
    path: str


class RedisTunables(RuleBasedTunables):
    """See `devstack_tui.contracts.tunable.Tunables`."""

    rules = advice.RULES

    def parameters(self, installation: Installation) -> tuple[Parameter, ...]:
        """See the Protocol."""
        return parameters("redis", installation)

    def read(self, target: Target, installation: Installation, files: ServiceFiles) -> Reading:
        """See the Protocol. A node that does not answer makes it fail."""
        nodes = [_ask(target, files, index) for index in range(node_count(target))]
        found: list[Parameter] = []
        effective: dict[str, Effective] = {}
        for parameter in parameters("redis", installation):
            if all(parameter.name in node.config for node in nodes):
                found.append(in_stack(parameter, target.options))
                effective[parameter.name] = _effective(found[-1], nodes)
        counters = {**_counters(nodes), "replicas": float(target.options["replicas"])}
        return Reading(tuple(found), effective, counters)

    def set_live(
        self, target: Target, parameters: Sequence[Parameter], values: Mapping[str, str | None]
    ) -> tuple[str, ...]:
        """See the Protocol. A parameter is set on all nodes, or on none."""
        warnings: list[str] = []
        with contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(_node(target, index)) for index in range(node_count(target))
            ]
            for parameter in parameters:
                text = values[parameter.name] or in_stack(parameter, target.options).default
                _set_everywhere(clients, parameter, text)
                if parameter.name == "appendonly" and text == "on":
                    warnings += _await_aof(clients)
        return tuple(warnings)


def in_stack(parameter: Parameter, options: Mapping[str, int | str | bool]) -> Parameter:
    """The parameter with what a stack of these `options` makes of its default and its range."""
    if parameter.name == advice.NODE_TIMEOUT:
        default = units.show(Kind.DURATION, float(options["node_timeout_ms"]))
        return msgspec.structs.replace(parameter, default=default)
    if parameter.name == advice.MIN_REPLICAS:
        return msgspec.structs.replace(parameter, maximum=int(options["replicas"]))
    return parameter


@contextlib.contextmanager
def _node(target: Target, index: int) -> Iterator[redis.Redis]:
    """A session with one node; a failure names it."""
    import redis

    try:
        with session(target.as_admin(), index, TIMEOUT_S) as client:
            client.ping()
            yield client
    except (OSError, redis.ConnectionError, redis.TimeoutError) as error:
        why = redact(str(error).partition("\n")[0])
        raise UnreachableError(
            f"{node_name(index)} cannot be reached: {why}",
            "`devstack-tui up redis` starts the nodes that are missing",
        ) from None


def _ask(target: Target, files: ServiceFiles, index: int) -> _Node:
    with _node(target, index) as client:
        config: Any = client.config_get("*")
        info: Any = client.info()
    path = str(info.get("config_file", ""))
    return _Node(node_name(index), config, info, _file(files, path), path)


def _file(files: ServiceFiles, path: str) -> dict[str, tuple[str, int]] | None:
    try:
        return in_file(files.read(own_name(files, path)).decode(errors="replace"))
    except (OSError, ValueError, DevstackError):
        return None


def _effective(parameter: Parameter, nodes: Sequence[_Node]) -> Effective:
    seen = [_of_node(parameter, node) for node in nodes]
    first = seen[0]
    differ = len({one.value for one in seen}) > 1
    odd = {node.name: one.source for node, one in zip(nodes, seen, strict=True)}
    odd = {name: source for name, source in odd.items() if source != first.source}
    source = first.source
    if differ:
        source = "the nodes differ"
    elif odd:
        source += "".join(f", {other} on {name}" for name, other in odd.items())
    return msgspec.structs.replace(
        first,
        source=source,
        pending_restart=any(one.pending_restart for one in seen),
        nodes={node.name: one.value for node, one in zip(nodes, seen, strict=True)}
        if differ
        else {},
    )


def _of_node(parameter: Parameter, node: _Node) -> Effective:
    value = canonical(parameter, str(node.config[parameter.name]))
    spelled, line = (node.file or {}).get(parameter.name, (None, 0))
    filed = None if spelled is None else canonical(parameter, spelled)
    restart = parameter.apply is Apply.RESTART
    if value == filed:
        source = "configuration file"
    elif value == parameter.default:
        source = "default"
    else:
        source = "configuration at the start" if restart else "set at run time"
    return Effective(
        name=parameter.name,
        value=value,
        source=source,
        where=f"{node.path}:{line}" if value == filed else "",
        pending_restart=restart and node.file is not None and (filed or parameter.default) != value,
    )


_LARGEST = (
    "used_memory",
    "used_memory_peak",
    "mem_fragmentation_ratio",
    "latest_fork_usec",
    "rdb_last_cow_size",
    "aof_last_cow_size",
    "maxclients",
)
_SUMS = (
    "evicted_keys",
    "keyspace_hits",
    "keyspace_misses",
    "connected_clients",
    "rejected_connections",
    "rdb_saves",
    "sync_full",
    "total_commands_processed",
)


def _counters(nodes: Sequence[_Node]) -> dict[str, float]:
    """By the names of INFO: of memory, forks and rates the largest of all nodes, of events the
    sum; `*_failed` counts the nodes whose last snapshot or AOF went wrong."""

    def of(name: str) -> list[float]:
        return [float(node.info.get(name, 0)) for node in nodes]

    def failed(name: str) -> float:
        return float(sum(node.info.get(name, "ok") != "ok" for node in nodes))

    return {
        "nodes": len(nodes),
        **{name: max(of(name)) for name in _LARGEST},
        **{name: sum(of(name)) for name in _SUMS},
        "rdb_failed": failed("rdb_last_bgsave_status"),
        "aof_failed": failed("aof_last_write_status") + failed("aof_last_bgrewrite_status"),
        "stream_bytes_per_s": max(of("instantaneous_input_repl_kbps")) * 1024,
    }


def _set_everywhere(clients: Sequence[redis.Redis], parameter: Parameter, text: str) -> None:
    import redis

    name, value = parameter.name, native(parameter, to_server(parameter, text))
    done: list[tuple[redis.Redis, str]] = []
    for index, client in enumerate(clients):
        try:
            before: Any = client.config_get(name)
            if name not in before:
                raise redis.ResponseError("it does not know it")
            client.config_set(name, value)
        except redis.RedisError as error:
            for other, former in done:
                # One that is gone by now keeps what its configuration file says.
                with contextlib.suppress(redis.RedisError, OSError):
                    other.config_set(name, former)
            if isinstance(error, redis.ResponseError):
                why = redact(str(error).rpartition(" - ")[2])
                raise DevstackError(f"{node_name(index)} refuses {name}={text}: {why}") from None
            why = redact(str(error).partition("\n")[0])
            raise UnreachableError(f"{node_name(index)} does not take {name}: {why}") from None
        done.append((client, str(before[name])))


def _await_aof(clients: Sequence[redis.Redis]) -> list[str]:
    """Begin the AOF anew on every node and wait until it is whole: before, a node that crashes
    comes back with its last snapshot."""
    import redis

    until = time.monotonic() + REWRITE_S
    for client in clients:
        # Refused when one is on its way already.
        with contextlib.suppress(redis.ResponseError):
            client.bgrewriteaof()
    late = []
    for index, client in enumerate(clients):
        while _rewriting(client):
            if time.monotonic() > until:
                late.append(f"{node_name(index)} is still writing its first AOF")
                break
            time.sleep(0.02)
    return late


def _rewriting(client: redis.Redis) -> bool:
    info: Any = client.info("persistence")
    return bool(info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])


TUNABLES: Tunables = RedisTunables()
