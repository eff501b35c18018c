"""The sixteen steps of the failover drill, each judged from what was seen and recorded. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from devstack_tui.contracts.drill import Marker, PlannedStep, Shard
from devstack_tui.core.check import Result, Status
from devstack_tui.core.units import measured
from devstack_tui.services.redis.client import node_name
from devstack_tui.services.redis.drills.limits import Limits, judged_window
from devstack_tui.services.redis.drills.preconditions import ClusterSnapshot

PREFIX = "redis.failover"
TITLES = {
    "01": "every node reports the cluster whole",
    "02": "the masters and replicas are those of stack.toml, all linked",
    "03": "all nodes agree on all 16384 slots, none on the move",
    "04": "acknowledged writes on every shard",
    "05": "each value is read back from its owner",
    "06": "a replica takes the slots over within {window}{median}",
    "07": "the other shards never pause for longer than {pause}",
    "08": "every error has one of the {classes} classes that a failover explains",
    "09": "the node rejoins as a replica and catches up",
    "10": "every node is healthy again, and when",
    "11": "the masters and replicas are complete again, all linked",
    "12": "{lost}",
    "13": "the next node: its slots are taken over within {window}",
    "14": "the next node rejoins as a replica and catches up",
    "15": "the cluster is whole at the end, and redis-cli finds the same",
    "16": "no key of the drill is left",
}
NOT_BEGUN = "not begun"
NEXT_NODE = ("13", "14", "15", "16")
NO_LIMITS = Limits()
"""For the steps that have none."""
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
    how many could have taken over; `failure` why it could not be started again; `late_s` by how
    much our own clock was late, and `starved` why a time that is too long proves nothing."""

    limits: Limits
    fault: str
    victim: int
    before: ClusterSnapshot
    after: ClusterSnapshot | None = None
    shard: str = ""
    replicas: int = 0
    shards: tuple[Shard, ...] = ()
    markers: tuple[Marker, ...] = ()
    failure: str = ""
    void: str = ""
    late_s: float = 0.0
    starved: str = ""
    waited_s: float = 0.0
    split_brain: int | None = 0
    unread: str = ""
    kept: tuple[int, int] = (0, 0)
    """Of the values of step 4: how many are there at the end, of how many."""
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return node_name(self.victim)

    def judged(self, window_s: float, limit_s: float) -> tuple[Status, str]:
        """A window against its limit, seconds; and why it decides nothing, if so."""
        status, why = judged_window(window_s, limit_s, self.late_s), ""
        if status is Status.FAIL and self.starved:
            return Status.INCONCLUSIVE, f"; {self.starved}"
        if status is Status.INCONCLUSIVE:
            why = f"; our own clock was late by {self.late_s:.3f} s"
        return status, why

    def decide(self, number: str, status: Status, evidence: str, remedy: str = "") -> Result:
        """The result of one step, with the limits of this fault in its title."""
        return decide(number, status, evidence, remedy, self.limits)

    def marker(self, kind: str, node: str = "") -> Marker | None:
        """The first of its kind, of any node or of one."""
        return next((m for m in self.markers if m.kind == kind and node in ("", m.node)), None)

    def own(self) -> Shard | None:
        """The victim's shard."""
        return next((shard for shard in self.shards if shard.name == self.shard), None)


def title(number: str, limits: Limits) -> str:
    """What a step asserts, with its limits."""
    return TITLES[number].format(classes=len(EXPLAINED), **limits.title)


def titles(limits: Limits, turn: int) -> dict[str, str]:
    """What a turn asserts, by the step's number; a later one only about the next node and the
    end."""
    return {number: title(number, limits) for number in (TITLES if turn == 1 else NEXT_NODE)}


def planned_steps(limits: Limits) -> tuple[PlannedStep, ...]:
    """What a run will assert, and where the limits come from."""
    details = {
        "06": limits.window_why,
        "07": "a busy machine's hiccup: nothing that waits for a node timeout",
        "08": "; ".join(f"{kind}: {why}" for kind, why in EXPLAINED.items()),
        "12": f"{limits.lost_formula}: {limits.lost_why}; on every other shard 0; "
        "out of order or there twice 0; "
        f"acknowledged by a node that was replaced {limits.split_brain}: "
        f"{limits.split_brain_why}",
        "13": limits.window_why,
    }
    return tuple(
        PlannedStep(f"{PREFIX}.{number}", title(number, limits), details.get(number, ""))
        for number in TITLES
    )


def decide(
    number: str, status: Status, evidence: str, remedy: str = "", limits: Limits = NO_LIMITS
) -> Result:
    """The result of one step."""
    return Result(f"{PREFIX}.{number}", title(number, limits), status, evidence, remedy)


def pass_or_problems(number: str, problems: Sequence[str], well: str, remedy: str = "") -> Result:
    """PASS with `well`, or FAIL with the problems."""
    if not problems:
        return decide(number, Status.PASS, well)
    more = f" and {len(problems) - 4} more" if len(problems) > 4 else ""
    return decide(number, Status.FAIL, "; ".join(problems[:4]) + more, remedy)


def skipped(made: Sequence[Result], limits: Limits, turn: int = 1) -> list[Result]:
    """The steps that are not decided yet: nothing was broken, because of those that failed. A later
    turn has only those of the next node, and of the end."""
    numbers = {one.id.rpartition(".")[2]: one.status for one in made}
    failed = [number for number, status in numbers.items() if status is not Status.PASS]
    why = f"{NOT_BEGUN}: {', '.join(failed)} failed, so nothing was broken on purpose"
    left = [number for number in titles(limits, turn) if number not in numbers]
    return [decide(number, Status.SKIPPED, why, "", limits) for number in left]


def replica_took_over(outcome: Outcome, number: str = "06") -> Result:
    """Steps 6 and 13: the epoch rose, a replica owns the slots, the window was short enough."""
    if not outcome.shard:
        why = f"{outcome.name} is a replica: it owned no slot, so there was nothing to take over"
        return outcome.decide(number, Status.SKIPPED, why)
    own, promoted = outcome.own(), outcome.marker("promoted")
    if own is None:
        return outcome.decide(number, Status.ERROR, f"no window was measured: {outcome.unread}")
    reads = measured(own.read_window_s)
    window = f"writes paused for {measured(own.write_window_s)}, reads {reads}"
    if not outcome.replicas:
        evidence = f"{NO_REPLICA}; {window}, until {outcome.name} was back"
        return outcome.decide(number, Status.FAIL, evidence, NO_REPLICA_REMEDY)
    if promoted is None:
        return outcome.decide(
            number,
            Status.FAIL,
            f"no replica of {outcome.name} was promoted within {outcome.waited_s:.0f} s; {window}",
            "look at `devstack-tui logs redis`: which node voted, and why not",
        )
    # What a void measurement cannot say is how long it took; that it happened is certain.
    if outcome.void:
        evidence = f"{promoted.node} took over; {outcome.void}"
        return outcome.decide(number, Status.INCONCLUSIVE, evidence)
    return _window(outcome, number, own, promoted, window)


def _window(outcome: Outcome, number: str, own: Shard, promoted: Marker, window: str) -> Result:
    epoch = outcome.after.epoch if outcome.after else outcome.before.epoch
    back = outcome.marker("back", f"{outcome.shard} write")
    first = f", first write at {back.ms / 1000:.3f} s" if back else ""
    limit = outcome.limits.window_s
    evidence = (
        f"epoch {outcome.before.epoch} → {epoch}, {promoted.node} owns the slots after "
        f"{promoted.ms / 1000:.3f} s{first}; {window} (at most {limit:g} s; "
        f"DevStack Core's {outcome.limits.published_s:g} s)"
    )
    if epoch <= outcome.before.epoch:
        return outcome.decide(number, Status.FAIL, f"the epoch did not rise: {evidence}")
    status, why = outcome.judged(own.write_window_s, limit)
    if status is Status.FAIL:
        remedy = (
            "a shorter `node_timeout_ms` in stack.toml fails over sooner: "
            "`devstack-tui drill sweep` measures it"
        )
        return outcome.decide(number, Status.FAIL, f"too long: {evidence}", remedy)
    return outcome.decide(number, status, evidence + why)


def others_unharmed(outcome: Outcome) -> Result:
    """Step 7: what the configuration promises (`cluster-require-full-coverage no`)."""
    others = [shard for shard in outcome.shards if shard.name != outcome.shard]
    limits = outcome.limits
    if not outcome.shards:
        return outcome.decide("07", Status.ERROR, f"no pause was measured: {outcome.unread}")
    longest = max((max(s.write_window_s, s.read_window_s or 0.0) for s in others), default=0.0)
    down = {s.name: s.errors["CLUSTERDOWN"] for s in others if s.errors.get("CLUSTERDOWN")}
    evidence = f"the longest pause of {len(others)} other shards is {longest:.3f} s"
    own = outcome.own()
    if own is not None and not outcome.replicas:
        return outcome.decide(
            "07", Status.FAIL,
            f"{evidence}, but {outcome.shard} was not available for {own.write_window_s:.3f} s: "
            f"{NO_REPLICA}",
            NO_REPLICA_REMEDY,
        )  # fmt: skip
    if down:
        return outcome.decide(
            "07", Status.FAIL, f"{evidence}; CLUSTERDOWN from shards that lost no node: {down}",
            "`cluster-require-full-coverage` must be no",
        )  # fmt: skip
    if outcome.void:
        return outcome.decide("07", Status.INCONCLUSIVE, outcome.void)
    status, why = outcome.judged(longest, limits.other_pause_s)
    return outcome.decide("07", status, f"{evidence} (at most {limits.other_pause_s:g} s){why}")


def classed(outcome: Outcome) -> Result:
    """Step 8: no error that a failover does not explain."""
    if not outcome.shards:
        return outcome.decide("08", Status.ERROR, f"no error was counted: {outcome.unread}")
    errors: dict[str, int] = {}
    for shard in outcome.shards:
        for kind, count in shard.errors.items():
            errors[kind] = errors.get(kind, 0) + count
    strange = {kind: count for kind, count in errors.items() if kind not in EXPLAINED}
    evidence = (
        ", ".join(f"{count} × {kind}" for kind, count in sorted(errors.items())) or "no error"
    )
    if strange:
        return outcome.decide("08", Status.FAIL, f"unexpected: {sorted(strange)} of {evidence}")
    if outcome.own() is not None and not outcome.replicas:
        return outcome.decide(
            "08", Status.FAIL, f"{evidence}, until the node itself was back: {NO_REPLICA}",
            NO_REPLICA_REMEDY,
        )  # fmt: skip
    why = "; ".join(f"{kind}: {EXPLAINED[kind]}" for kind in sorted(errors))
    return outcome.decide("08", Status.PASS, f"{evidence}" + (f" ({why})" if why else ""))


def rejoined(outcome: Outcome, number: str = "09") -> Result:
    """Steps 9 and 14: the node is a replica, its link is up, its offset has caught up."""
    if outcome.failure:
        return outcome.decide(
            number, Status.FAIL, f"{outcome.name} could not be started again: {outcome.failure}",
            f"look at `devstack-tui logs {outcome.name}`, then `devstack-tui up redis`",
        )  # fmt: skip
    back, synced = outcome.marker("rejoined"), outcome.marker("resynced")
    if back is None or synced is None:
        lacks = "did not rejoin" if back is None else "rejoined, but did not catch up"
        return outcome.decide(number, Status.FAIL, f"{outcome.name} {lacks}")
    evidence = (
        f"{outcome.name} rejoined {back.text} at {back.ms / 1000:.3f} s and caught up "
        f"{synced.text} at {synced.ms / 1000:.3f} s"
    )
    if outcome.shard and not outcome.replicas:
        return outcome.decide(
            number, Status.FAIL,
            f"{evidence}; it has its slots back, but as no replica: {NO_REPLICA}",
            NO_REPLICA_REMEDY,
        )  # fmt: skip
    if "replica" not in back.text:
        return outcome.decide(number, Status.FAIL, f"{evidence}: not as a replica")
    return outcome.decide(number, Status.INCONCLUSIVE if outcome.void else Status.PASS, evidence)


def healthy_again(outcome: Outcome, problems: Sequence[str]) -> Result:
    """Step 10."""
    healed = outcome.marker("healed")
    if problems or outcome.failure:
        return pass_or_problems("10", problems or [outcome.failure], "")
    well = "every node answers, nothing is flagged"
    if healed is None:
        return outcome.decide("10", Status.INCONCLUSIVE, f"{well}, but since when was not seen")
    return outcome.decide("10", Status.PASS, f"{well} after {healed.ms / 1000:.3f} s")


def all_there(outcome: Outcome) -> Result:
    """Step 12: the acknowledged journal against what the current owners have."""
    if outcome.unread:
        return outcome.decide("12", Status.ERROR, f"it could not be read back: {outcome.unread}")
    limits, own = outcome.limits, outcome.own()
    gone = _gone(own) if own else 0
    elsewhere = sum(_gone(shard) for shard in outcome.shards) - gone
    broken = _sum(n for s in outcome.shards for n in (s.out_of_order, s.duplicated))
    split = outcome.split_brain or 0
    missing = outcome.kept[1] - outcome.kept[0]
    found = (
        (gone > limits.lost, f"{gone} lost or came back, above {limits.lost}"),
        (elsewhere > 0, f"{elsewhere} lost or came back on shards that lost no node"),
        (broken > 0, f"{broken} out of order or there twice"),
        (
            split > limits.split_brain,
            f"{split} acknowledged by a node that was replaced, above {limits.split_brain}",
        ),
        (missing > 0, f"{missing} values of step 4 are gone"),
    )
    evidence = _counts(outcome)
    if over := [text for wrong, text in found if wrong]:
        return outcome.decide("12", Status.FAIL, f"{'; '.join(over)}: {evidence}")
    if gone or split:
        return outcome.decide("12", Status.WARN, f"within the limit, but not none: {evidence}")
    return outcome.decide("12", Status.PASS, evidence)


def _counts(outcome: Outcome) -> str:
    limits, shards = outcome.limits, outcome.shards
    lost_s = max((s.lost_s for s in shards), default=0.0)
    found = [
        f"{_sum(s.lost for s in shards)} of {_sum(s.acknowledged for s in shards)} acknowledged "
        "writes lost" + (f" ({lost_s:.3f} s of one shard)" if lost_s else ""),
        f"{_sum(s.resurrected for s in shards)} came back",
        f"{_sum(s.out_of_order for s in shards)} out of order",
        f"{_sum(s.duplicated for s in shards)} there twice",
        f"{outcome.split_brain or 0} acknowledged by a node that was replaced by then (at most "
        f"{limits.split_brain})",
        f"{_sum(s.indeterminate for s in shards)} indeterminate",
    ]
    if outcome.kept[1]:
        found.append(f"{outcome.kept[0]} of {outcome.kept[1]} values of step 4 are there")
    return f"{', '.join(found)}; at most {limits.lost} lost or come back: {limits.lost_formula}"


def _gone(shard: Shard) -> int:
    return (shard.lost or 0) + (shard.resurrected or 0)


def _sum(counts: Iterable[int | None]) -> int:
    return sum(count or 0 for count in counts)


def whole_at_the_end(
    outcome: Outcome, problems: Sequence[str], cli: bool | None, said: str
) -> Result:
    """Step 15: what the nodes say, and what `redis-cli --cluster check` says. Without one (None)
    half of the check is not made: it decides nothing but a failure."""
    wrong = [*problems, *([said] if cli is False else [])]
    if wrong:
        return pass_or_problems("15", wrong, "")
    if cli is None:
        evidence = f"its nodes report it whole, but half of the check was not made: {said}"
        return outcome.decide("15", Status.INCONCLUSIVE, evidence, "install redis-tools")
    return outcome.decide("15", Status.PASS, f"as at the beginning; {said}")


def next_node(outcome: Outcome) -> Result:
    """Step 13: as 6, 7 and 8 for the next node; the worst of them speaks. A replica has nothing
    that could be taken over, but must harm no shard either."""
    results = [replica_took_over(outcome), others_unharmed(outcome), classed(outcome)]
    order = (Status.FAIL, Status.ERROR, Status.INCONCLUSIVE, Status.SKIPPED, Status.PASS)
    worst = min(results, key=lambda one: order.index(one.status))
    return outcome.decide("13", worst.status, f"{outcome.name}: {worst.evidence}", worst.remedy)


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
