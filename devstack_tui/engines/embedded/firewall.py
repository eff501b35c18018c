"""A partition: one node cut off the others by a packet filter table of our own.

The table's name holds the stack's instance id, so it is never somebody else's.
"""

from __future__ import annotations

import os

from devstack_tui.contracts.drill import NodeTraffic
from devstack_tui.core.errors import UsageError
from devstack_tui.engines.embedded import nftables


def table_of(instance: str) -> str:
    """The name of the stack's own table."""
    return f"devstack_tui_{instance[:12]}"


def require(instance: str) -> None:
    """Raise `DevstackError` with the reason where no partition can be made here."""
    if os.geteuid() != 0:
        raise UsageError(
            "a partition needs the right to filter packets, which only root has",
            "run as root, or choose --fault sigstop: a frozen node is silent for the others too",
        )
    nftables.nft(f"table {nftables.FAMILY} {table_of(instance)}", check=True)


def rules(table: str, cut: NodeTraffic) -> str:
    """The table, as `nft -f` reads it; one that is there already is replaced."""
    own, peers = _set(cut.own), _set(cut.peers)
    return f"""\
table {nftables.FAMILY} {table}
delete table {nftables.FAMILY} {table}
table {nftables.FAMILY} {table} {{
  chain cut {{
    type filter hook output priority 0; policy accept;
    ip saddr {cut.source} tcp dport {peers} drop
    ip daddr {cut.source} tcp sport {peers} drop
    ip saddr {cut.network} ip saddr != {cut.source} tcp dport {own} drop
    ip daddr {cut.network} ip daddr != {cut.source} tcp sport {own} drop
  }}
}}
"""


def apply(table: str, cut: NodeTraffic) -> None:
    """Cut the node off, all rules at once. Raises `DevstackError`."""
    nftables.nft(rules(table, cut))


def present(table: str) -> bool:
    """Whether the partition is in force."""
    return table in nftables.nft("list tables")


def _set(ports: tuple[int, ...]) -> str:
    return "{ " + ", ".join(map(str, ports)) + " }"
