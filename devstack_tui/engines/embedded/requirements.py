"""What the embedded engine needs of this machine beside the servers' programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from devstack_tui.contracts.model import Requirement
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint, find_program, remedy
from devstack_tui.engines.embedded import accounts, nftables, ports


def platform() -> Requirement:
    """The operating system, and who we are."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.platform != "linux":
        return Requirement(
            "platform",
            "warning",
            f"{sys.platform}: the embedded engine needs Linux",
            "run devstack-tui on a Linux host, over SSH",
        )
    who = (
        "root: each server runs as an account of its own"
        if os.geteuid() == 0
        else f"user {os.geteuid()}"
    )
    return Requirement("platform", "ok", f"Linux, Python {version}, {who}")


def account(service: Service) -> Iterator[Requirement]:
    """The account that the server of a service which is here would run as; for root alone."""
    if os.geteuid() != 0:
        return
    found = accounts.account_of(service)
    if found is not None:
        detail = f"{service.title} runs as {found.name} (uid {found.uid})"
        yield Requirement("account", "ok", detail)
    else:
        yield Requirement(
            "account",
            "missing",
            f"{service.title} would run as {accounts.own_name(service)}, which is not there",
            "`devstack-tui doctor --install`, or the next `devstack-tui up`, makes it",
        )


def packet_filter() -> Requirement:
    """Only root may filter packets: for anybody else the program would be of no use."""
    what = "for drills with a partition (`--fault partition`)"
    if os.geteuid() != 0:
        return Requirement("nftables", "optional", f"{what}, which only root can run")
    if found := find_program("nft"):
        return Requirement("nftables", "ok", f"{found}, {what}")
    return Requirement("nftables", "optional", f"{what}: not here", " ".join(remedy(hints())))


def hints() -> list[Hint]:
    """How to get what serves one purpose only, is not here, and could be used."""
    return [nftables.HINT] if os.geteuid() == 0 and find_program("nft") is None else []


def occupied_port(service: str, claims: Mapping[str, int]) -> Requirement | None:
    """The first port of a stopped service that somebody else holds."""
    for name, port in claims.items():
        if not ports.free(port):
            return Requirement(
                service,
                "warning",
                f"port {port} ({name}) is held by {ports.holder(port)}",
                f"end that process, or set port_offset or services.{service}.ports in stack.toml",
            )
    return None
