"""Redis' probe: every node asked at once, the cluster judged, a value written and read back."""

from __future__ import annotations

import binascii
import functools
import itertools
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from devstack_tui.contracts.model import NodeObservation, Observation, State, Target
from devstack_tui.core.errors import SaturatedError, UnreachableError
from devstack_tui.core.redact import redact
from devstack_tui.services.redis import topology
from devstack_tui.services.redis.client import FULL, is_full, node_count, node_name
from devstack_tui.services.redis.node import Node, RefusedError
from devstack_tui.services.redis.topology import View

RELAXABLE = ("save", "appendonly", "appendfsync", "no-appendfsync-on-rewrite", "rdbchecksum")
"""Settings that can be relaxed: see configs/parameters."""
_WORDS = {"yes": "on", "no": "off"}
KEY = "devstack-tui:probe"
KEPT_S = 30
LISTED = 4
"""How many runs of slots are named, and tried."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """One node: its view and the latency of a PING in ms, or why there is none."""

    client: Node | None = None
    view: View | None = None
    latency_ms: float | None = None
    error: str = ""
    full: bool = False
    """Whether it runs and takes no more clients."""
    settings: Mapping[str, str] = field(default_factory=dict)


def probe(target: Target, timeout: float) -> Observation:
    """Look at every node, then SET and GET a key on the master that owns it.

    The latency is of the SET and the GET. Raises `UnreachableError` when no majority of the
    masters answers: nothing is certain then, and no failover can happen.
    """
    total = node_count(target)
    # At once, because a node that hangs costs the whole timeout.
    with ExitStack() as stack, ThreadPoolExecutor(total, "redis-probe") as pool:
        answers = dict(
            enumerate(pool.map(lambda index: _ask(target, index, timeout), range(total)))
        )
        for answer in answers.values():
            if answer.client is not None:
                stack.callback(answer.client.close)
        views = {i: answer.view for i, answer in answers.items() if answer.view is not None}
        best = _judge(views, answers)
        busy = _busy(best, views, answers)
        unserved = topology.unassigned(views.values()).difference(*map(_slots, busy))
        alive = {view.me.id for view in views.values()} | {node.id for node in busy}
        dead = [node for node in _owners(best) if node.id not in alive]
        problems = [
            *_unserved(unserved, dead, views, answers),
            *_problems(best, dead, views, answers, target.options),
        ]
        latency, refused = _work(views, answers)
        tls = next(a.client.tls_version for a in answers.values() if a.client and a.view)
    served = min(best.slots("ok"), topology.SLOTS - len(unserved))
    replicas = sum(not view.me.master for view in views.values())
    lag = [_lag(view, views) for view in views.values()]
    facts = {
        "slots": f"{served} of {topology.SLOTS} served",
        "nodes": f"{len(views)} of {total} answer",
        "epoch": best.info.get("cluster_current_epoch", "?"),
    }
    if replicas:
        facts["replication lag"] = f"{max((n for n in lag if n is not None), default=0)} B"
    return Observation(
        latency_ms=latency,
        version=str(best.server.get("redis_version", "")),
        role=f"cluster {len(_owners(best))}+{replicas}",
        tls=tls,
        problems=tuple(problems + refused),
        nodes=tuple(_node(target, index, best, views, answers[index]) for index in range(total)),
        facts=facts,
        settings={
            name: tuple(
                dict.fromkeys(a.settings[name] for a in answers.values() if name in a.settings)
            )
            for name in RELAXABLE
        },
    )


def _ask(target: Target, index: int, timeout: float) -> _Answer:
    client: Node | None = None
    try:
        client = Node(target, index, timeout)
        started = time.perf_counter()
        client.ask(("PING",))
        latency = (time.perf_counter() - started) * 1000
        view = client.look(index)
        return _Answer(client, view, latency, settings=_settings(client, target))
    except Exception as error:  # the driver has many; all mean that the node does not serve
        if client is None and isinstance(error, (RefusedError, OSError)) and is_full(target, index):
            return _Answer(error=FULL, full=True)
        return _Answer(client, error=_plain(error, timeout))


def _settings(client: Node, target: Target) -> Mapping[str, str]:
    """What can be relaxed, as the node has it; nothing where it refuses our own account."""
    ours, its = target.admin, target.credentials
    asked = [("CONFIG", "GET", name) for name in RELAXABLE]
    try:
        found = client.ask(
            ("AUTH", ours.user, ours.password), *asked, ("AUTH", its.user, its.password)
        )
    except RefusedError:
        return {}
    pairs = [reply for reply in found if isinstance(reply, list) and len(reply) == 2]
    values = {str(name): str(value) for name, value in pairs}
    words = {
        name: text if name == "appendfsync" else _WORDS.get(text, text)
        for name, text in values.items()
    }
    return {**words, "save": " ".join(values.get("save", "").split()) or "off"}


def _plain(error: Exception, timeout: float) -> str:
    """Why a node does not answer, without the driver's wording."""
    text = redact(str(error).partition("\n")[0]) or type(error).__name__
    if "refused" in text.lower():
        return "the connection is refused"
    return f"no answer within {timeout:g} s" if "time" in text.lower() else text


def _judge(views: Mapping[int, View], answers: Mapping[int, _Answer]) -> View:
    """The view to believe: of the newest epoch, from a node that the majority is with."""
    if not views and any(answer.full for answer in answers.values()):
        raise SaturatedError("redis", FULL)
    if not views:
        raise UnreachableError(f"no Redis node answers: {answers[0].error}")
    best = max(
        views.values(),
        key=lambda v: (v.ok, int(v.info.get("cluster_current_epoch", 0)), v.slots("ok"), -v.index),
    )
    alive = {view.me.id for view in views.values()}
    owners = _owners(best)
    # One that takes no more clients serves those that it has.
    there = sum(node.id in alive for node in owners) + sum(a.full for a in answers.values())
    if owners and there * 2 <= len(owners):
        raise UnreachableError(
            f"only {there} of {len(owners)} Redis masters answer: no majority, no failover"
        )
    return best


def _owners(view: View) -> list[topology.ClusterNode]:
    return [node for node in view.nodes if node.master and node.slots]


def _busy(
    best: View, views: Mapping[int, View], answers: Mapping[int, _Answer]
) -> list[topology.ClusterNode]:
    """The masters that the others reach, and that may be the ones that take no more clients."""
    if not any(answer.full for answer in answers.values()):
        return []
    alive = {view.me.id for view in views.values()}
    silent = [node for node in _owners(best) if node.id not in alive]
    return [node for node in silent if not (node.failed or node.suspected)]


def _slots(node: topology.ClusterNode) -> Iterator[int]:
    return itertools.chain.from_iterable(range(first, last + 1) for first, last in node.slots)


def _problems(
    best: View,
    dead: Sequence[topology.ClusterNode],
    views: Mapping[int, View],
    answers: Mapping[int, _Answer],
    options: Mapping[str, int | str | bool],
) -> list[str]:
    problems = [f"{node_name(i)}: {a.error}" for i, a in answers.items() if a.view is None]
    lost = sum(node.slot_count for node in dead)
    if lost:
        problems.insert(0, f"{lost} slots have no master")
    unserved = best.slots("pfail") + best.slots("fail")
    if unserved and not lost:
        problems.append(f"{unserved} slots are held for unreachable")
    for i, view in views.items():
        if not view.ok:
            problems.append(f"{node_name(i)}: cluster_state is {view.info.get('cluster_state')}")
        if not view.link_up:
            problems.append(f"{node_name(i)}: not in sync with its master")
        if view.me.master and not view.me.slots and len(_owners(best)) >= int(options["masters"]):
            problems.append(f"{node_name(i)}: a master without slots")
    if int(options["replicas"]) and len(views) == len(answers):
        # All are there, and yet a shard would not survive the next fault.
        problems += [
            f"{node_name(i)}: no replica" for i, n in topology.replicas_of(views).items() if not n
        ]
    return problems


def _unserved(
    unserved: frozenset[int],
    dead: Sequence[topology.ClusterNode],
    views: Mapping[int, View],
    answers: Mapping[int, _Answer],
) -> list[str]:
    """The slots that are refused: those that no node claims for itself, whatever the others believe
    of it, and those of which a node knows no owner. A dead master's are counted elsewhere."""
    gone = unserved.difference(*map(_slots, dead))
    masters = [i for i, view in views.items() if view.me.master]
    problems = [_refused(topology.runs(gone), masters, answers, "nobody serves")]
    for i in masters:
        lacking = topology.unknown(views[i]) - unserved
        problems.append(_refused(topology.runs(lacking), [i], answers, f"{node_name(i)} refuses"))
    return [problem for problem in problems if problem]


def _refused(
    ranges: Sequence[topology.Range],
    indexes: Sequence[int],
    answers: Mapping[int, _Answer],
    who: str,
) -> str:
    """One sentence for those of `ranges` of which a key is refused by each of these nodes."""
    found: list[topology.Range] = []
    why = ""
    for one in ranges[:LISTED]:
        refusals = [_get(answers[i].client, key_in(one[0])) for i in indexes]
        if all(refusals):
            found.append(one)
            why = next(
                (text for text in refusals if "CLUSTERDOWN" in text), next(iter(refusals), "")
            )
    if not found:
        return ""
    found += ranges[LISTED:]
    more = f" and {len(found) - LISTED} more ranges" if len(found) > LISTED else ""
    named = topology.describe(found[:LISTED]).replace(" ", ", ")
    count = topology.count(found)
    return f"{who} {count} slot{'s' * (count > 1)}: {named}{more}" + (f" ({why})" if why else "")


def _get(client: Node | None, key: str) -> str:
    """Why a node does not answer for a key itself; empty when it does."""
    if client is None:
        return "it does not answer"
    try:
        client.ask(("GET", key))
    except (RefusedError, OSError) as error:
        return redact(str(error))
    return ""


def _work(views: Mapping[int, View], answers: Mapping[int, _Answer]) -> tuple[float, list[str]]:
    """SET and GET on every master: latency in ms of the one that owns the key, and what went
    wrong."""
    slot = _slot(KEY)
    latency: float | None = None
    refused: list[str] = []
    for i, view in views.items():
        if not view.me.master or not view.me.slots:
            continue
        mine = any(first <= slot <= last for first, last in view.me.slots)
        # One that serves nothing now is among the problems already.
        if mine or view.ok:
            took, why = _write(answers[i].client, KEY if mine else key_in(view.me.slots[0][0]))
            latency = took if mine else latency
            refused += [f"{node_name(i)}{why}"] if why else []
    if latency is None:
        # Its shard is down, which is among the problems: the latency of the others is left.
        latency = min(a.latency_ms for a in answers.values() if a.latency_ms is not None)
    return latency, refused


def _write(client: Node | None, key: str) -> tuple[float, str]:
    """The latency of a SET and a GET in ms, and what went wrong."""
    if client is None:
        return 0.0, " does not answer"
    # Probes of other consoles write too: what is read may be newer than ours, never older.
    token = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    started = time.perf_counter()
    why = ""
    try:
        _, seen = client.ask(("SET", key, token, "EX", str(KEPT_S)), ("GET", key))
    except (RefusedError, OSError) as error:
        why = f" refused a write: {redact(str(error))}"
    else:
        if not isinstance(seen, str) or seen < token:
            why = ": a written value could not be read back"
    return (time.perf_counter() - started) * 1000, why


def _slot(key: str) -> int:
    # Redis' CRC16 is the one of XMODEM.
    return binascii.crc_hqx(key.encode(), 0) % topology.SLOTS


@functools.lru_cache(maxsize=64)
def key_in(slot: int) -> str:
    """A key of ours in that slot."""
    return next(key for n in itertools.count() if _slot(key := f"{KEY}:{n}") == slot)


def _lag(view: View, views: Mapping[int, View]) -> int | None:
    """How many bytes a replica is behind its master; None for a master or an orphan."""
    if view.me.master:
        return None
    master = next((v for v in views.values() if v.me.id == view.me.master_id), None)
    return max(0, master.offset - view.offset) if master else None


def _node(
    target: Target, index: int, best: View, views: Mapping[int, View], answer: _Answer
) -> NodeObservation:
    port = target.ports["tls"] + index
    known = next((node for node in best.nodes if node.port == port), None)
    names = {node.id: node_name(node.port - target.ports["tls"]) for node in best.nodes}
    view = answer.view
    me = view.me if view else known
    state = State.HEALTHY if view and view.ok and view.link_up else State.DEGRADED
    detail = ""
    if me is not None and me.master:
        detail = f"slots {topology.describe(me.slots)}" if me.slots else "no slots"
        if view:
            detail += f" · offset {view.offset}"
    elif me is not None:
        detail = f"of {names.get(me.master_id, 'an unknown master')}"
        if view and (lag := _lag(view, views)) is not None:
            detail += f" · {lag} B behind"
        if view and not view.link_up:
            detail += " · link down"
    if view is None:
        state = State.DOWN
        detail = " · ".join(filter(None, [answer.error, detail]))
    return NodeObservation(
        name=node_name(index),
        state=state,
        role="" if me is None else "master" if me.master else "replica",
        endpoint=f"{target.endpoint.host}:{port}",
        detail=detail,
        latency_ms=answer.latency_ms,
    )
