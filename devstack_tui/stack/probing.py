"""One probe, made safe: whatever a driver raises becomes one sentence without secrets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from devstack_tui.contracts.model import Observation, Target
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError, SaturatedError, UnreachableError
from devstack_tui.core.redact import brief, redact

if TYPE_CHECKING:
    from devstack_tui.contracts.service_files import ServiceFiles

_CLOCK_S = 1.0
"""How far the time of a file may be behind ours."""


def probe_once(
    service: Service, target: Target, timeout: float, files: ServiceFiles | None = None
) -> Observation:
    """Do the service's work once; with its `files` also see that it was recorded where the service
    records its requests. Raises `UnreachableError` alone, with the reason; `SaturatedError` is one.
    """
    began = time.time()
    if target.ca.is_fifo():  # a driver would wait for its writer
        raise UnreachableError(
            f"{target.ca} is a pipe", f"remove it, then `devstack-tui up {service.name}`"
        )
    try:
        seen = service.probe()(target, timeout)
    except SaturatedError:
        raise
    except Exception as error:
        target.require_accounts()
        if isinstance(error, UnreachableError):
            raise UnreachableError(error.message, error.remedy) from None
        if isinstance(error, DevstackError):  # it answered, by a refusal
            why = filter(None, [error.message, _unrecorded(service, files, began)])
            raise UnreachableError("; ".join(why), error.remedy) from None
        raise UnreachableError(_reason(error, target)) from None
    if lost := _unrecorded(service, files, began):
        return msgspec.structs.replace(seen, problems=(*seen.problems, lost))
    return seen


def _unrecorded(service: Service, files: ServiceFiles | None, began: float) -> str:
    """Why a request that was made since `began` (Unix time) is not recorded, if it is not."""
    if files is None or not service.records:
        return ""
    try:
        found = files.stat(service.records)
    except OSError as error:
        return f"its {service.records} cannot be read: {error.strerror}"
    if found is None or found.is_directory:
        gone = "gone" if found is None else "a directory"
        return f"its {service.records} is {gone}: what it is asked is not recorded"
    # A link leads where we do not look.
    late = not found.is_link and found.mtime_ns / 1e9 < began - _CLOCK_S
    return f"what it is asked does not get into its {service.records}" if late else ""


def _reason(error: Exception, target: Target) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return brief(redact(text, target.passwords))
