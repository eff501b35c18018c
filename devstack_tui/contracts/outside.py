"""Services of other packages: found by entry point, and only where stack.toml names them.

`[services.NAME]` with `package = "DISTRIBUTION"` names one. A package that is missing, broken or
made for another version becomes a service that says so and cannot be started: what it left in a
stack can still be looked at, ended and removed.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from devstack_tui.contracts.model import ADMIN_SUFFIX, ServiceSettings
from devstack_tui.contracts.service import CONTRACT, Service
from devstack_tui.core.config import convert, require_ports
from devstack_tui.core.errors import ConfigError
from devstack_tui.core.programs import Hint

GROUP = "devstack_tui.services"
NAME = re.compile(r"[a-z][a-z0-9_]{1,23}")
RESERVED = frozenset({"admin"})
"""The AppRole of the stack itself."""


class AnySettings(ServiceSettings, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The table of a service that cannot be loaded: nobody knows its fields."""

    ports: dict[str, int] = msgspec.field(default_factory=lambda: {"main": 0})


class _Unusable(Exception):
    """Why a package's service cannot be used, as a clause."""


@functools.lru_cache(maxsize=8)
def load_all(path: Path, text: bytes, built_in: tuple[str, ...]) -> Mapping[str, Service]:
    """Every service that the tables of `path`, whose `text` this is, name a package for. Raises
    nothing: a file that is no TOML is reported where the settings are read."""
    try:
        tables = tomllib.loads(text.decode()).get("services", {})
    except ValueError:
        return {}
    if not isinstance(tables, dict):
        return {}
    found = {}
    for name, table in tables.items():
        package = table.get("package") if isinstance(table, dict) else None
        if name in built_in or not isinstance(package, str) or not NAME.fullmatch(name):
            continue
        try:
            loaded = _load(name, package, built_in)
            settings_of(loaded, table, path)
        except _Unusable as error:
            remedy = f"install {package}, or take [services.{name}] out of {path}"
            found[name] = unavailable(name, f"the package {package} {error}", remedy)
        except ConfigError as error:
            found[name] = unavailable(name, error.message, error.remedy)
        else:
            found[name] = loaded
    return found


def unavailable(name: str, reason: str, remedy: str = "") -> Service:
    """What stands for the service `name` that cannot be loaded, for this `reason`."""
    hint = Hint(text=remedy)
    return Service(
        name=name, title=name, scheme="", settings=AnySettings, hint=hint, unavailable=reason
    )


def settings_of(known: Service, table: dict[str, Any], path: Path) -> ServiceSettings:
    """The settings in a table of the file at `path`, laid over the service's own defaults.

    Raises `ConfigError` naming file, line and key.
    """
    at = f"services.{known.name}"
    given = {key: value for key, value in table.items() if key != "package"}
    defaults = known.settings().ports
    if isinstance(given.get("ports"), dict):
        given["ports"] = {**defaults, **given["ports"]}
    found = convert(given, known.settings, path, at)
    if not known.unavailable:
        require_ports(found.ports, defaults, path, f"{at}.ports")
    return found


def _load(name: str, package: str, built_in: tuple[str, ...]) -> Service:
    from importlib import metadata

    try:
        distribution = metadata.distribution(package)
    except (metadata.PackageNotFoundError, ValueError):
        raise _Unusable("is not installed") from None
    entries = distribution.entry_points.select(group=GROUP, name=name)
    if not entries:
        raise _Unusable(f"has no service {name!r} (entry points of the group {GROUP})")
    (entry, *_) = entries
    release = f"{distribution.version} cannot be loaded"
    try:
        found = entry.load()
    except (Exception, SystemExit) as error:
        raise _Unusable(f"{release}: {type(error).__name__}: {error}") from None
    if type(found) is not Service or found.name != name:
        raise _Unusable(f"{release}: {entry.value} is not the service {name!r}")
    if found.contract != CONTRACT:
        raise _Unusable(
            f"{distribution.version} is made for version {found.contract} of the service contract; "
            f"this release has version {CONTRACT}"
        )
    others = {other.replace("_", "-") for other in built_in} | RESERVED
    taken = any(found.secret.startswith(f"{other}-") for other in others)
    if taken or name in RESERVED or found.secret.endswith(ADMIN_SUFFIX):
        raise _Unusable(f"{release}: the name {name!r} is reserved")
    if {sans.partition(".")[0] for sans in found.sans} & others:
        raise _Unusable(f"{release}: it asks for a certificate with the name of another service")
    return dataclasses.replace(found, package=entry.module)
