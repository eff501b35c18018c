"""What is missing on this machine, and the exact command that brings it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.model import Requirement
from devstack_tui.contracts.registry import services
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.core.programs import Hint, NotRunnableError
from devstack_tui.stack.stack import Stack
from devstack_tui.state.directories import MINIMUM_FREE_BYTES


def examine(stack: Stack) -> Iterator[Requirement]:
    """Every finding, the machine's first; it changes nothing."""
    engine = stack.engine()
    yield from engine.examine()
    yield _space(stack)
    for service in services():
        yield _program(service, stack, engine)
    for service in services():
        if stack.settings.services[service.name].enabled and not service.unavailable:
            try:
                yield from engine.examine(service)
            except DevstackError as error:
                yield Requirement(service.name, "missing", error.message, error.remedy)


def missing(stack: Stack) -> list[Hint]:
    """The hints of what the selected services need, is not here, and a package manager brings:
    programs, and the shared libraries of programs that are here."""
    hints = []
    engine = stack.engine()
    for service in stack.resolve_running(()):
        try:
            engine.locate(service)
        except NotInstalledError:
            hints.append(service.hint)
        except NotRunnableError as error:
            hints.append(error.hint)
        except DevstackError:
            continue
    return [hint for hint in hints if hint.apt or hint.pip]


def _space(stack: Stack) -> Requirement:
    root = stack.paths.root
    while not root.exists():
        root = root.parent
    room = shutil.disk_usage(root).free
    detail = f"{room / 2**30:.1f} GiB free at {root}"
    if room < MINIMUM_FREE_BYTES:
        return Requirement("disk", "missing", detail, "free some space, or set XDG_STATE_HOME")
    if not os.access(root, os.W_OK):
        return Requirement(
            "disk", "missing", f"{root} cannot be written", "set XDG_STATE_HOME to another place"
        )
    return Requirement("disk", "ok", detail)


def _program(service: Service, stack: Stack, engine: Engine) -> Requirement:
    settings = stack.settings.services[service.name]
    if not settings.enabled:
        return Requirement(service.name, "optional", f"switched off in {stack.settings.path}")
    try:
        found = engine.locate(service)
    except NotInstalledError as error:
        status = "optional" if service.optional else "missing"
        return Requirement(service.name, status, error.message, error.remedy)
    except DevstackError as error:
        return Requirement(service.name, "missing", error.message, error.remedy)
    detail = f"{found.flavour} {found.version} at {found.program}"
    measured = settings.measured()
    if not measured:
        return Requirement(service.name, "ok", f"{detail}; this release was tested with none of it")
    if not f"{found.version}.".startswith(tuple(f"{series}." for series in measured)):
        return Requirement(
            service.name,
            "warning",
            f"{detail}; this release was measured with {' and '.join(measured)}",
        )
    return Requirement(service.name, "ok", detail)
