"""What a drill must know of the cluster before it breaks a part of it, and after it has healed."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from devstack_tui.contracts.client import Client, FindClient
from devstack_tui.contracts.drill import NodeView
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core.errors import (
    DevstackError,
    NotInstalledError,
    UnreachableError,
    UsageError,
    unknown_name,
)
from devstack_tui.core.redact import redact
from devstack_tui.services.redis import topology
from devstack_tui.services.redis.client import look, node_count, node_name, session
from devstack_tui.services.redis.topology import View

LOOK_S = 1.0
IN_SYNC_TIMES = 3
BETWEEN_S = 0.12
"""A replica counts as in sync when it was so this often, this far apart."""
CHECK_S = 20.0
READER = "devstack_cluster_check"
READER_MAY = ("+cluster|nodes", "+cluster|info", "+info", "+dbsize", "+ping", "+auth")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ORDINALS = ("first", "second", "third")


@dataclass(frozen=True)
class ClusterSnapshot:
    """Every node asked at once: what it sees, or why it gave no answer; slots on the move."""

    views: Mapping[int, View]
    silent: Mapping[int, str]
    moving: tuple[str, ...]

    @property
    def epoch(self) -> int:
        """The newest that any node knows."""
        return max(
            (int(v.info.get("cluster_current_epoch", 0)) for v in self.views.values()), default=0
        )

    def owners(self) -> list[int]:
        """The indexes of the masters with slots, the one with the lowest slot first."""
        found = [i for i, view in self.views.items() if view.me.master and view.me.slots]
        return sorted(found, key=lambda i: self.views[i].me.slots[0])

    def replicas(self, index: int) -> list[int]:
        """The indexes of the replicas of node `index`."""
        master = self.views[index].me.id
        return [i for i, view in self.views.items() if view.me.master_id == master]


class NotReadyError(UnreachableError):
    """The cluster is ours and answers, but is not whole: `seen` is what it looks like."""

    def __init__(self, seen: ClusterSnapshot, wrong: Sequence[str]) -> None:
        super().__init__(
            "the Redis cluster is not whole: " + "; ".join(wrong[:3]),
            "wait until it is, or run `devstack-tui up redis`",
        )
        self.seen = seen


def look_at(target: Target, timeout: float = LOOK_S) -> ClusterSnapshot:
    """Ask every node; one that is dead or frozen costs `timeout` seconds."""
    total = node_count(target)
    with ThreadPoolExecutor(total, "redis-look") as pool:
        found = list(pool.map(lambda index: _ask(target, index, timeout), range(total)))
    return ClusterSnapshot(
        views={i: one[0] for i, one in enumerate(found) if isinstance(one, tuple)},
        silent={i: one for i, one in enumerate(found) if isinstance(one, str)},
        moving=tuple(move for one in found if isinstance(one, tuple) for move in one[1]),
    )


def _ask(target: Target, index: int, timeout: float) -> tuple[View, tuple[str, ...]] | str:
    import redis

    try:
        with session(target, index, timeout) as client:
            view = look(client, index)
            # In two words, so that the reply is not parsed: what is on the move stands there only.
            command: Any = client.execute_command
            raw = command("CLUSTER", "NODES")
    except (OSError, redis.RedisError) as error:
        return redact(str(error).partition("\n")[0]) or type(error).__name__
    mine = next((line for line in str(raw).splitlines() if "myself" in line), "")
    moves = tuple(
        f"{node_name(index)} {part}"
        for part in mine.split()
        if part.startswith("[") and "-" in part
    )
    return view, moves


def state_problems(seen: ClusterSnapshot) -> list[str]:
    """Step 1: why the cluster is not well, as every node reports it."""
    found = [f"{node_name(i)} does not answer: {why}" for i, why in sorted(seen.silent.items())]
    for i, view in sorted(seen.views.items()):
        if not view.ok:
            found.append(f"{node_name(i)} says cluster_state:{view.info.get('cluster_state')}")
        if view.slots("ok") != topology.SLOTS:
            found.append(f"{node_name(i)} sees {view.slots('ok')} of {topology.SLOTS} slots ok")
        if view.slots("pfail") or view.slots("fail"):
            found.append(
                f"{node_name(i)} sees {view.slots('pfail')} slots pfail, {view.slots('fail')} fail"
            )
    return found


def shape_problems(seen: ClusterSnapshot, target: Target) -> list[str]:
    """Step 2: why these are not the masters and replicas of stack.toml, linked to each other."""
    masters, each = int(target.options["masters"]), int(target.options["replicas"])
    owners = seen.owners()
    found = [] if len(owners) == masters else [f"{len(owners)} masters own slots, not {masters}"]
    for i in owners:
        if len(seen.replicas(i)) != each:
            found.append(f"{node_name(i)} has {len(seen.replicas(i))} replicas, not {each}")
    for i, view in sorted(seen.views.items()):
        for node in view.nodes:
            if node.failed or node.suspected or not (node.connected or node.myself):
                state = "failed" if node.failed else "suspect" if node.suspected else "not linked"
                found.append(f"{node_name(i)} holds {_name(node.port, target)} for {state}")
        if not view.link_up:
            found.append(f"{node_name(i)} is not in sync with its master")
    return found


def slot_problems(seen: ClusterSnapshot) -> list[str]:
    """Step 3: why the nodes do not agree on every slot."""
    found = list(seen.moving)
    maps = {i: _owners_by_id(view) for i, view in seen.views.items()}
    known = dict(maps)
    for (i, one), (j, other) in pairwise(known.items()):
        if one != other:
            found.append(f"{node_name(i)} and {node_name(j)} disagree about who owns which slot")
    for i, owned in maps.items():
        count = topology.count(run for runs in owned.values() for run in runs)
        if count != topology.SLOTS:
            found.append(f"{node_name(i)} knows the owner of {count} of {topology.SLOTS} slots")
    return found


def _owners_by_id(view: View) -> dict[str, tuple[topology.Range, ...]]:
    return {node.id: tuple(sorted(node.slots)) for node in view.nodes if node.slots}


def _name(port: int, target: Target) -> str:
    index = port - target.ports["tls"]
    return node_name(index) if 0 <= index < node_count(target) else f"port {port}"


def nodes_of(seen: ClusterSnapshot, target: Target) -> tuple[NodeView, ...]:
    """The map of a cluster that is whole: each node as it sees itself."""
    names = {view.me.id: node_name(i) for i, view in seen.views.items()}
    host, port = target.endpoint.host, target.ports["main"]
    return tuple(
        NodeView(
            name=node_name(i),
            role="master" if view.me.master else "replica",
            state="up",
            slots=topology.describe(view.me.slots),
            master=names.get(view.me.master_id, ""),
            link="" if view.me.master else "up",
            epoch=view.me.config_epoch,
            endpoint=f"{host}:{port + i}",
        )
        for i, view in sorted(seen.views.items())
    )


def problems(seen: ClusterSnapshot, target: Target) -> list[str]:
    """All of them."""
    return [*state_problems(seen), *shape_problems(seen, target), *slot_problems(seen)]


def require_ready(target: Target, files: ServiceFiles, patience_s: float = 0.0) -> ClusterSnapshot:
    """The cluster, once it was whole and in sync three times in a row.

    Raises `NotReadyError` with what is missing, after `patience_s` seconds.
    """
    deadline = time.monotonic() + patience_s
    good = 0
    while good < IN_SYNC_TIMES:
        if good:
            time.sleep(BETWEEN_S)
        seen = look_at(target)
        wrong = problems(seen, target)
        if not wrong:
            good += 1
        elif time.monotonic() >= deadline:
            raise NotReadyError(seen, wrong)
        else:
            good = 0
            time.sleep(BETWEEN_S)
    _require_own_nodes(files, seen)
    return seen


def _require_own_nodes(files: ServiceFiles, seen: ClusterSnapshot) -> None:
    """The ids that answer are those that our nodes' own files hold."""
    for i, view in seen.views.items():
        name = f"{node_name(i)}/nodes.conf"
        try:
            lines = files.read(name).decode(errors="replace").splitlines()
        except OSError as error:
            raise DevstackError(
                f"{files.path(name)} cannot be read ({error.strerror}): the cluster is not proven "
                "to be of this stack, nothing was touched",
                "a drill runs only on a stack that devstack-tui started itself",
            ) from None
        recorded = next((line.split()[0] for line in lines if "myself" in line), "")
        if recorded != view.me.id:
            raise DevstackError(
                f"{node_name(i)} answers as node {view.me.id[:12]}, but this stack's is "
                f"{recorded[:12] or 'not recorded'}: nothing was touched",
                "something else listens on its port",
            )


# -- victims ---------------------------------------------------------------------------------


def victim_names(target: Target) -> tuple[str, ...]:
    """Each name that stands for one node: by its place among the masters, or its own."""
    masters = int(target.options["masters"])
    return (
        *ORDINALS[:masters],
        *(f"master-{number}" for number in range(1, masters + 1)),
        *(node_name(index) for index in range(node_count(target))),
    )


def sequence(target: Target, victim: str) -> tuple[str, ...]:
    """The single victims of a list, or of `all`. Raises `UsageError` for an unknown one."""
    if victim == "all":
        return tuple(f"master-{n}" for n in range(1, int(target.options["masters"]) + 1))
    known = victim_names(target)
    parts = tuple(part.strip() for part in victim.split(","))
    for part in parts:
        if part not in known:
            raise unknown_name("victim", part, (*known, "all"))
    return parts


def resolve(seen: ClusterSnapshot, victim: str) -> int:
    """The index of the node that `victim` stands for now. Raises `UsageError`."""
    kind, _, number = victim.partition("-")
    if kind == "redis":
        return int(number) - 1
    place = ORDINALS.index(victim) if victim in ORDINALS else int(number) - 1
    owners = seen.owners()
    if place >= len(owners):
        raise UsageError(f"there is no {victim}: {len(owners)} masters own slots")
    return owners[place]


# -- redis-cli -------------------------------------------------------------------------------


def cluster_check(target: Target, find: FindClient, folder: Path) -> tuple[bool | None, str]:
    """The verdict of `redis-cli --cluster check`; None without a redis-cli. Blocks.

    It verifies no server's name, so it gets an account of its own, which is good for nothing else
    and gone afterwards.
    """
    try:
        client = find("redis-cli", "valkey-cli")
        with _reader(target) as password:
            return _cluster_check(target, client, password, folder)
    except NotInstalledError:
        return None, "redis-cli is not on this machine"
    except DevstackError as error:
        return False, error.message


@contextlib.contextmanager
def _reader(target: Target) -> Iterator[str]:
    """An account of every node that may read what the cluster is, and its password."""
    password = secrets.token_hex(24)
    digest = hashlib.sha256(password.encode()).hexdigest()
    nodes = range(node_count(target))
    try:
        for index in nodes:
            _acl(target, index, "SETUSER", READER, "reset", "on", f"#{digest}", *READER_MAY)
        yield password
    finally:
        for index in nodes:
            with contextlib.suppress(DevstackError):  # it did not answer before either
                _acl(target, index, "DELUSER", READER)


def _acl(target: Target, index: int, *words: str) -> None:
    import redis

    try:
        with session(target.as_admin(), index, CHECK_S) as client:
            send: Any = client.execute_command
            send("ACL", *words)
    except (redis.RedisError, OSError) as error:
        why = redact(str(error)) or type(error).__name__
        raise DevstackError(
            f"{node_name(index)} could not be checked by redis-cli: {why}"
        ) from None


def _cluster_check(target: Target, client: Client, password: str, folder: Path) -> tuple[bool, str]:
    arguments = [
        *("--tls", "--cacert", str(target.ca), "--user", READER),
        *("--cluster", "check", f"{target.endpoint.host}:{target.ports['tls']}"),
    ]
    env = {"REDISCLI_AUTH": password}
    try:
        with client.start(arguments, env, folder) as check:
            try:
                output, _ = check.communicate(timeout=CHECK_S)
            finally:
                check.kill()
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, f"redis-cli --cluster check did not end: {type(error).__name__}"
    lines = _COLOUR.sub("", output).splitlines()
    verdicts = [line.strip() for line in lines if line.startswith(("[ERR]", "[OK]"))]
    wrong = [line for line in verdicts if line.startswith("[ERR]")]
    last = (wrong or verdicts or [line for line in lines if line] or ["it printed nothing"])[-1]
    return check.returncode == 0, f"redis-cli --cluster check: {redact(last)}"
