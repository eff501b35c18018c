"""The sixteen steps of the failover drill, each judged from what was seen and recorded. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from devstack_tui.contracts.drill import Marker, Shard, Thresholds
from devstack_tui.core.check import Result, Status
from devstack_tui.services.redis.client import node_name
from devstack_tui.services.redis.drills.preconditions import ClusterSnapshot

PREFIX = "redis.failover"
TITLES = {
    "01": "every node reports the cluster whole",
    "02": "the masters and replicas are those of stack.toml, all linked",
    "03": "all nodes agree on all 16384 slots, none on the move",
    "04": "acknowledged writes on every shard",
    "05": "each value is read back from its owner",
    "06": "a replica takes the slots over within the threshold",
    "07": "the other shards never pause",
    "08": "every error has a class that a failover explains",
    "09": "the node rejoins as a replica and catches up",
    "10": "every node is healthy again",
    "11": "the masters and replicas are complete again, all linked",
    "12": "every acknowledged write is there",
    "13": "the next node: its slots are taken over within the threshold",
    "14": "the next node rejoins as a replica and catches up",
    "15": "the cluster is whole at the end",
    "16": "no key of the drill is left",
}
EXPLAINED = {
    "refused": "nobody listened on the node's port",
    "closed": "the node's connections broke",
    "unreachable": "no way to the node",
    "timeout": "the node was silent",
    "full": "the node was silent for so long that nothing more was sent to it",
    "MOVED": "another node owned the slot by then",
    "CLUSTERDOWN": "no living node owned the slot",
    "MASTERDOWN": "a replica without its master",
    "LOADING": "the node was reading its data",
    "READONLY": "the node had become a replica",
    "UNBLOCKED": "the node had become a replica",
    "TRYAGAIN": "the slot was on the move",
}
PLANNED = "planned"
GRACEFUL = ("sigterm", PLANNED)
NO_REPLICA = "no replica could take over: the cluster has none for this shard"
NO_REPLICA_REMEDY = (
    "a cluster with replicas survives it: `devstack-tui --stack replicated up --topology 3+3`"
)
_TIMINGS = {
    "suspected": "detect",
    "promoted": "promote",
    "agreed": "agree",
    "covered": "cover",
    "rejoined": "rejoin",
    "resynced": "resync",
    "healed": "recover",
}


@dataclass(kw_only=True)
class Outcome:
    """What one fault brought. `shard` is the victim's, empty when it owned no slot; `replicas`
    how many could have taken over; `failure` why it could not be started again."""

    thresholds: Thresholds
    fault: str
    victim: int
    before: ClusterSnapshot
    after: ClusterSnapshot | None = None
    shard: str = ""
    replicas: int = 0
    shards: tuple[Shard, ...] = ()
    markers: tuple[Marker, ...] = ()
    missing: str = ""
    lost_s: float = 0.0
    other_pause_s: float = 0.0
    failure: str = ""
    void: str = ""
    waited_s: float = 0.0
    split_brain: int = 0
    unread: str = ""
    kept: tuple[int, int] = (0, 0)
    """Of the values of step 4: how many are there at the end, of how many."""
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return node_name(self.victim)

    @property
    def limit(self) -> float:
        """The longest write window that is allowed, seconds."""
        limits = self.thresholds
        return limits.planned_window_s if self.fault == PLANNED else limits.window_s

    def marker(self, kind: str, node: str = "") -> Marker | None:
        """The first of its kind, of any node or of one."""
        return next((m for m in self.markers if m.kind == kind and node in ("", m.node)), None)

    def own(self) -> Shard | None:
        """The victim's shard."""
        return next((shard for shard in self.shards if shard.name == self.shard), None)


def decide(number: str, status: Status, evidence: str, remedy: str = "") -> Result:
    """The result of one step."""
    return Result(f"{PREFIX}.{number}", TITLES[number], status, evidence, remedy)


def pass_or_problems(number: str, problems: Sequence[str], well: str) -> Result:
    """PASS with `well`, or FAIL with the problems."""
    if not problems:
        return decide(number, Status.PASS, well)
    more = f" and {len(problems) - 4} more" if len(problems) > 4 else ""
    return decide(number, Status.FAIL, "; ".join(problems[:4]) + more)


def replica_took_over(outcome: Outcome, number: str = "06") -> Result:
    """Steps 6 and 13: the epoch rose, a replica owns the slots, the window was short enough."""
    own, promoted = outcome.own(), outcome.marker("promoted")
    if own is None:
        return decide(number, Status.PASS, f"{outcome.name} is a replica: it owned no slot")
    window = f"writes paused for {own.write_window_s:.3f} s, reads for {own.read_window_s:.3f} s"
    if not outcome.replicas:
        evidence = f"{NO_REPLICA}; {window}, until {outcome.name} was back"
        return decide(number, Status.FAIL, evidence, NO_REPLICA_REMEDY)
    if promoted is None:
        return decide(
            number,
            Status.FAIL,
            f"no replica of {outcome.name} was promoted within {outcome.waited_s:.0f} s; {window}",
            "look at `devstack-tui logs redis`: which node voted, and why not",
        )
    # What a void measurement cannot say is how long it took; that it happened is certain.
    if outcome.void:
        return decide(number, Status.INCONCLUSIVE, f"{promoted.node} took over; {outcome.void}")
    return _window(outcome, number, own, promoted, window)


def _window(outcome: Outcome, number: str, own: Shard, promoted: Marker, window: str) -> Result:
    epoch = outcome.after.epoch if outcome.after else outcome.before.epoch
    back = outcome.marker("back", f"{outcome.shard} write")
    first = f", first write at {back.ms / 1000:.3f} s" if back else ""
    evidence = (
        f"epoch {outcome.before.epoch} → {epoch}, {promoted.node} owns the slots after "
        f"{promoted.ms / 1000:.3f} s{first}; {window} (ours {outcome.limit:g} s, DevStack Core's "
        f"{outcome.thresholds.published_window_s:g} s)"
    )
    if epoch <= outcome.before.epoch:
        return decide(number, Status.FAIL, f"the epoch did not rise: {evidence}")
    if own.write_window_s > outcome.limit:
        remedy = (
            "a shorter `node_timeout_ms` in stack.toml fails over sooner: "
            "`devstack-tui drill sweep` measures it"
        )
        return decide(number, Status.FAIL, f"too long: {evidence}", remedy)
    return decide(number, Status.PASS, evidence)


def others_unharmed(outcome: Outcome) -> Result:
    """Step 7: what the configuration promises (`cluster-require-full-coverage no`)."""
    others = [shard for shard in outcome.shards if shard.name != outcome.shard]
    longest = max((max(s.write_window_s, s.read_window_s) for s in others), default=0.0)
    down = {s.name: s.errors["CLUSTERDOWN"] for s in others if s.errors.get("CLUSTERDOWN")}
    evidence = f"the longest pause of {len(others)} other shards is {longest:.3f} s"
    own = outcome.own()
    if own is not None and not outcome.replicas:
        return decide(
            "07", Status.FAIL,
            f"{evidence}, but {outcome.shard} was not available for {own.write_window_s:.3f} s: "
            f"{NO_REPLICA}",
            NO_REPLICA_REMEDY,
        )  # fmt: skip
    if down:
        return decide(
            "07", Status.FAIL, f"{evidence}; CLUSTERDOWN from shards that lost no node: {down}",
            "`cluster-require-full-coverage` must be no",
        )  # fmt: skip
    if outcome.void:
        return decide("07", Status.INCONCLUSIVE, outcome.void)
    status = Status.PASS if longest <= outcome.other_pause_s else Status.FAIL
    return decide("07", status, f"{evidence} (at most {outcome.other_pause_s:g} s)")


def classed(outcome: Outcome) -> Result:
    """Step 8: no error that a failover does not explain."""
    errors: dict[str, int] = {}
    for shard in outcome.shards:
        for kind, count in shard.errors.items():
            errors[kind] = errors.get(kind, 0) + count
    strange = {kind: count for kind, count in errors.items() if kind not in EXPLAINED}
    evidence = (
        ", ".join(f"{count} × {kind}" for kind, count in sorted(errors.items())) or "no error"
    )
    if strange:
        return decide("08", Status.FAIL, f"unexpected: {sorted(strange)} of {evidence}")
    if outcome.own() is not None and not outcome.replicas:
        return decide(
            "08", Status.FAIL, f"{evidence}, until the node itself was back: {NO_REPLICA}",
            NO_REPLICA_REMEDY,
        )  # fmt: skip
    why = "; ".join(f"{kind}: {EXPLAINED[kind]}" for kind in sorted(errors))
    return decide("08", Status.PASS, f"{evidence}" + (f" ({why})" if why else ""))


def rejoined(outcome: Outcome, number: str = "09") -> Result:
    """Steps 9 and 14: the node is a replica, its link is up, its offset has caught up."""
    if outcome.failure:
        return decide(
            number, Status.FAIL, f"{outcome.name} could not be started again: {outcome.failure}",
            f"look at `devstack-tui logs {outcome.name}`, then `devstack-tui up redis`",
        )  # fmt: skip
    back, synced = outcome.marker("rejoined"), outcome.marker("resynced")
    if back is None or synced is None:
        lacks = "did not rejoin" if back is None else "rejoined, but did not catch up"
        return decide(number, Status.FAIL, f"{outcome.name} {lacks}")
    evidence = (
        f"{outcome.name} rejoined {back.text} at {back.ms / 1000:.3f} s and caught up "
        f"{synced.text} at {synced.ms / 1000:.3f} s"
    )
    if outcome.own() is not None and not outcome.replicas:
        evidence += " (there is no other node to be a replica of)"
    elif "replica" not in back.text:
        return decide(number, Status.FAIL, f"{evidence}: not as a replica")
    return decide(number, Status.INCONCLUSIVE if outcome.void else Status.PASS, evidence)


def healthy_again(outcome: Outcome, problems: Sequence[str]) -> Result:
    """Step 10."""
    healed = outcome.marker("healed")
    if problems or outcome.failure:
        return pass_or_problems("10", problems or [outcome.failure], "")
    when = f"after {healed.ms / 1000:.3f} s" if healed else "(not timed)"
    return decide("10", Status.PASS, f"every node answers, nothing is flagged {when}")


def all_there(outcome: Outcome) -> Result:
    """Step 12: the acknowledged journal against what the current owners have."""
    if outcome.unread:
        return decide("12", Status.ERROR, f"it could not be read back: {outcome.unread}")
    shards = outcome.shards
    lost, back = sum(s.lost for s in shards), sum(s.resurrected for s in shards)
    broken = {
        "out of order": sum(s.out_of_order for s in shards),
        "duplicated": sum(s.duplicated for s in shards),
    }
    lost_s = max((s.lost_s for s in shards), default=0.0)
    evidence = f"{lost} of {sum(s.acknowledged for s in shards)} acknowledged writes lost"
    evidence += f" ({lost_s:.3f} s of one shard)" if lost_s else ""
    evidence += f", {back} resurrected" + "".join(f", {n} {what}" for what, n in broken.items())
    evidence += f", {sum(s.indeterminate for s in shards)} indeterminate"
    evidence += f", {outcome.split_brain} acknowledged by a node that was replaced by then"
    evidence += (
        f"; {outcome.kept[0]} of {outcome.kept[1]} values of step 4" if outcome.kept[1] else ""
    )
    good = outcome.kept[0] == outcome.kept[1] and not any(broken.values())
    if outcome.fault in GRACEFUL:
        allowed = outcome.thresholds.lost
        evidence += f"; threshold {allowed} lost or resurrected: the node was asked, not killed"
        good = good and lost + back <= allowed and not outcome.split_brain
    else:
        # A removal that is lost brings its number back: it is the same loss.
        evidence += f"; threshold {outcome.lost_s:g} s of writing: {_may_lose(outcome)}"
        good = good and lost_s <= outcome.lost_s
    return decide("12", Status.PASS if good else Status.FAIL, evidence)


def _may_lose(outcome: Outcome) -> str:
    """Why a node that was not asked may cost acknowledged writes."""
    if outcome.own() is None:
        return "the node owned no slot, so it acknowledged nothing"
    if not outcome.replicas:
        return "no replica had a copy of what was not on the disk"
    return (
        f"replication is asynchronous, so {outcome.fault} may cost what the replica had not "
        "received"
    )


def next_node(outcome: Outcome) -> Result:
    """Step 13: as 6, 7 and 8 for the next node; the worst of them speaks."""
    results = [replica_took_over(outcome), others_unharmed(outcome), classed(outcome)]
    order = (Status.FAIL, Status.INCONCLUSIVE, Status.PASS)
    worst = min(results, key=lambda one: order.index(one.status))
    evidence = worst.evidence if worst.status is not Status.PASS else results[0].evidence
    return decide("13", worst.status, f"{outcome.name}: {evidence}", worst.remedy)


def timings(outcome: Outcome) -> Mapping[str, float]:
    """Seconds after the fault, of what was seen."""
    seen = {
        name: mark.ms / 1000
        for kind, name in _TIMINGS.items()
        if (mark := outcome.marker(kind)) is not None
    }
    if (back := outcome.marker("back", f"{outcome.shard} write")) is not None:
        seen["first_write"] = back.ms / 1000
    return {name: round(seconds, 3) for name, seconds in seen.items()}


def theory(
    fault: str, node_timeout_ms: int, replicas: int, master: bool = True
) -> tuple[tuple[float, float] | None, str]:
    """The write window to expect (low, high) in seconds, and how it comes about in words."""
    if fault == PLANNED:
        return (0.0, 0.1), (
            "planned: the master stops writing until its replica has the last byte and is elected"
        )
    if not master:
        return (0.0, 0.0), "a replica owns no slot: nothing waits for it"
    if not replicas:
        return None, "without a replica nothing takes over: it lasts until the node is back"
    timeout = node_timeout_ms / 1000
    low, high = timeout + 0.5, timeout * 1.5 + 1.5
    evidence = (
        f"node timeout {timeout:g} s + gossip until a majority agrees (0 to {timeout / 2:g} s) "
        f"+ 0.5 s + U(0, 0.5) s before the replica asks for votes + the nodes' clocks of 0.1 s "
        f"(0 to 0.5 s)"
    )
    if fault == "sigterm":
        high += 1.0
        evidence += " + the wait of the ending master for its replicas (0 to 1 s)"
    if fault == "partition":
        low, high = max(0.0, low - 1.5 * timeout), high - timeout
        evidence += f" - what the master goes on to serve until it notices ({timeout:g} s or more)"
    return (low, high), f"{evidence} = {low:g} to {high:g} s"
