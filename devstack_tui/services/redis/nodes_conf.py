"""Each node's own file of the cluster, nodes.conf: made anew, where it is spoilt, by what the other
nodes wrote of the node.

Redis does not start with a file that is cut short, and without one it is a stranger to the others.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Mapping

from devstack_tui.contracts.server_home import ServerHome
from devstack_tui.services.redis.client import node_count, node_name
from devstack_tui.services.redis.topology import ClusterNode, parse_nodes

CONNECT_S = 1.0
_NODE = re.compile(r"[0-9a-f]{40} \S+ \S+ (?:-|[0-9a-f]{40}) \d+ \d+ \d+ \S+(?: \S+)*")
_VARS = re.compile(r"vars currentEpoch (\d+) lastVoteEpoch \d+\s*\n\s*")


def mend(home: ServerHome) -> None:
    """Give each node that does not run, and whose file is spoilt or gone, the one that it had."""
    found = {index: _read(home, index) for index in range(node_count(home.target))}
    sound = {index: text for index, text in found.items() if _epoch(text) >= 0}
    for index, text in found.items():
        if index in sound or not sound or _runs(home, index):
            continue
        name = node_name(index)
        if known := _as_others_know(sound, index):
            what = "damaged" if text else "gone"
            home.say(f"{name}'s nodes.conf is {what}: made anew, as the other nodes know it")
            home.files.write(f"{name}/nodes.conf", known)
        elif text:
            home.say(f"{name}'s nodes.conf is damaged, and no other node knows it: it joins anew")
            home.files.rename(f"{name}/nodes.conf", f"{name}/nodes.conf.damaged")


def _read(home: ServerHome, index: int) -> str:
    with contextlib.suppress(FileNotFoundError):
        return home.files.read(f"{node_name(index)}/nodes.conf").decode(errors="replace")
    return ""


def _epoch(text: str) -> int:
    """The cluster's epoch in a file that is whole; -1 for any other."""
    *lines, last = text.rstrip().splitlines() or [""]
    ended = _VARS.fullmatch(text[text.rfind("vars ") :])
    if ended is None or not last.startswith("vars ") or not all(map(_NODE.fullmatch, lines)):
        return -1
    return int(ended[1]) if sum(node.myself for node in _nodes(text)) == 1 else -1


def _nodes(text: str) -> tuple[ClusterNode, ...]:
    return parse_nodes("\n".join(line for line in text.splitlines() if _NODE.fullmatch(line)))


def _runs(home: ServerHome, index: int) -> bool:
    """Whether something answers at the node's port: what it keeps in its file is its own then."""
    where = (home.target.endpoint.host, home.port("main") + index)
    try:
        socket.create_connection(where, CONNECT_S).close()
    except OSError:
        return False
    return True


def _as_others_know(sound: Mapping[int, str], index: int) -> str:
    """The file of node `index` made of another one's, the newest that knows it; or nothing."""
    for other, text in sorted(sound.items(), key=lambda one: _epoch(one[1]), reverse=True):
        nodes = _nodes(text)
        # By its place beside the other: the ports may be others by now.
        port = next(node.port for node in nodes if node.myself) + index - other
        for node in nodes:
            if node.port == port and not node.joining and not node.myself:
                return _seen_from(text, node.id)
    return ""


def _seen_from(text: str, own: str) -> str:
    """A file as the node `own` would have written it. That it may have voted is not known: it does
    not vote again in this epoch."""
    lines = []
    for line in text.splitlines():
        name, address, flags, *rest = [*line.split(" "), "", ""]
        kept = [one for one in flags.split(",") if one not in ("myself", "fail", "fail?")]
        if _NODE.fullmatch(line) and "handshake" not in kept:
            mine = ["myself", *kept] if name == own else kept
            lines.append(" ".join([name, address, ",".join(mine) or "noflags", *rest]).rstrip())
    epoch = _epoch(text)
    return "\n".join([*lines, f"vars currentEpoch {epoch} lastVoteEpoch {epoch}", ""])
