"""What is missing on this machine, and the exact command that brings it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

import msgspec

from devstack_tui.contracts.registry import services
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.core.hint import Hint
from devstack_tui.core.programs import NotRunnableError, find_program, remedy
from devstack_tui.engines.embedded import nftables
from devstack_tui.engines.embedded.ports import free, holder
from devstack_tui.stack.stack import Stack
from devstack_tui.state.directories import MINIMUM_FREE_BYTES


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `status` is `ok`, `missing`, `optional` or `warning`."""

    subject: str
    status: str
    detail: str
    remedy: str = ""


def examine(stack: Stack) -> Iterator[Finding]:
    """Every finding, the machine's first; it changes nothing."""
    yield _platform()
    yield _space(stack)
    for service in services():
        yield _program(service, stack)
    yield _packets()
    for service in services():
        if found := _ports(service, stack):
            yield found


def missing(stack: Stack) -> list[Hint]:
    """The hints of what the selected services need, is not here, and a package manager brings:
    programs, and the shared libraries of programs that are here."""
    hints = []
    for name in stack.selected():
        service = next(s for s in services() if s.name == name)
        try:
            service.launcher().locate()
        except NotInstalledError:
            hints.append(service.hint)
        except NotRunnableError as error:
            hints.append(error.hint)
        except DevstackError:
            continue
    return [hint for hint in hints if hint.apt or hint.pip]


def useful() -> list[Hint]:
    """The hints of what is not here and serves one purpose only, where it could be used."""
    return [nftables.HINT] if os.geteuid() == 0 and find_program("nft") is None else []


def install_command(stack: Stack) -> str:
    """One command line for all that is missing, or an empty string."""
    return " ".join(remedy(missing(stack)))


def _platform() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    who = (
        "root: servers that refuse root run as their own accounts"
        if os.geteuid() == 0
        else (f"user {os.geteuid()}")
    )
    if sys.platform != "linux":
        return Finding(
            "platform",
            "warning",
            f"{sys.platform}: the embedded engine needs Linux",
            "run devstack-tui on a Linux host, over SSH",
        )
    return Finding("platform", "ok", f"Linux, Python {version}, {who}")


def _space(stack: Stack) -> Finding:
    root = stack.paths.root
    while not root.exists():
        root = root.parent
    room = shutil.disk_usage(root).free
    detail = f"{room / 2**30:.1f} GiB free at {root}"
    if room < MINIMUM_FREE_BYTES:
        return Finding("disk", "missing", detail, "free some space, or set XDG_STATE_HOME")
    if not os.access(root, os.W_OK):
        return Finding(
            "disk", "missing", f"{root} cannot be written", "set XDG_STATE_HOME to another place"
        )
    return Finding("disk", "ok", detail)


def _program(service: Service, stack: Stack) -> Finding:
    settings = stack.settings.services[service.name]
    if not settings.enabled:
        return Finding(service.name, "optional", f"switched off in {stack.settings.path}")
    try:
        found = service.launcher().locate()
    except NotInstalledError as error:
        status = "optional" if service.optional else "missing"
        return Finding(service.name, status, error.message, error.remedy)
    except DevstackError as error:
        return Finding(service.name, "missing", error.message, error.remedy)
    detail = f"{found.flavour} {found.version} at {found.program}"
    measured = settings.measured()
    if measured and not f"{found.version}.".startswith(tuple(f"{series}." for series in measured)):
        return Finding(
            service.name,
            "warning",
            f"{detail}; this release was measured with {' and '.join(measured)}",
        )
    return Finding(service.name, "ok", detail)


def _packets() -> Finding:
    """Only root may filter packets: for anybody else the program would be of no use."""
    what = "for drills with a partition (`--fault partition`)"
    if os.geteuid() != 0:
        return Finding("nftables", "optional", f"{what}, which only root can run")
    if found := find_program("nft"):
        return Finding("nftables", "ok", f"{found}, {what}")
    return Finding("nftables", "optional", f"{what}: not here", " ".join(remedy([nftables.HINT])))


def _ports(service: Service, stack: Stack) -> Finding | None:
    """A port of a stopped service that somebody else holds."""
    engine = stack.engine()
    if not stack.settings.services[service.name].enabled or engine.units(service):
        return None
    instance = stack.instance()
    offset = instance.port_offset if instance else stack.settings.port_offset
    claims = service.server().claims(stack.settings.of(service.name, offset))
    for name, port in claims.items():
        if not free(port):
            return Finding(
                service.name,
                "warning",
                f"port {port} ({name}) is held by {holder(port)}",
                f"end that process, or set port_offset or services.{service.name}.ports "
                "in stack.toml",
            )
    return None
