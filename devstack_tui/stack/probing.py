"""One probe, made safe: whatever a driver raises becomes one sentence without secrets; and what of
the settings that it saw is for development only."""

from __future__ import annotations

import functools
import re
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from devstack_tui.contracts.model import Installation, Observation, RelaxedSetting, Target
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError, SaturatedError, UnreachableError
from devstack_tui.core.paths import resource
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
    if seen.settings:
        found = Installation(Path(), seen.version, seen.facts.get("flavour", ""), "")
        relaxed = development_only(service.name, seen.settings, found)
        seen = msgspec.structs.replace(seen, development_only=relaxed)
    if lost := _unrecorded(service, files, began):
        return msgspec.structs.replace(seen, problems=(*seen.problems, lost))
    return seen


def development_only(
    service: str, settings: Mapping[str, tuple[str, ...]], installation: Installation
) -> tuple[RelaxedSetting, ...]:
    """Which of the settings in force are relaxed, by what `configs/parameters` declares."""
    found = []
    for name, tables in _declared(service).items():
        fields: dict[str, Any] = {}
        for table in tables:
            if installation.within(*map(table.get, ("flavour", "since", "until"))):
                fields |= table
        if not fields.get("durability") or fields.get("absent"):
            continue
        for value in settings.get(name, ()):
            needs: dict[str, str] = fields.get("relaxed_with", {})
            matters = all(text in settings.get(other, text) for other, text in needs.items())
            if matters and _relaxed(fields, value):
                safe = _for_production(fields)
                found.append(RelaxedSetting(service, name, value, safe, fields["durability"]))
    return tuple(found)


@functools.cache
def _declared(service: str) -> dict[str, tuple[dict[str, Any], ...]]:
    """The tables of every parameter of the service that can be relaxed, the general one first.

    They alone are parsed: whoever looks has no time for the whole catalogue of
    `state/parameter_catalogue.py`.
    """
    path = resource(f"configs/parameters/{service}.toml")
    if not path.exists():
        return {}
    entries = re.split(r"^(?=\[parameters\.)", path.read_text(encoding="utf-8"), flags=re.M)
    text = "".join(entry for entry in entries if re.search(r"^durability =", entry, re.M))
    tables = tomllib.loads(text).get("parameters", {})
    return {name: (entry, *entry.get("when", ())) for name, entry in tables.items()}


def _relaxed(fields: Mapping[str, Any], value: str) -> bool:
    """As `parameter_values.relaxed`, of the fields as they are written."""
    if value in fields.get("relaxed", ()):
        return True
    limits = {name: fields[name] for name in ("relaxed_above", "relaxed_below") if name in fields}
    if not limits or value == fields["default"]:
        return False
    from devstack_tui.core import units

    number = float(units.parse(fields["kind"], value))
    above, below = (
        float(units.parse(fields["kind"], str(limits[name]))) if name in limits else number
        for name in ("relaxed_above", "relaxed_below")
    )
    return number > above or number < below


def _for_production(fields: Mapping[str, Any]) -> str:
    """The server's own default, or the first value that is safe where that is not."""
    values = (fields["default"], *fields.get("candidates", ()), *fields.get("choices", ()))
    return next((str(one) for one in values if not _relaxed(fields, one)), "another value")


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
