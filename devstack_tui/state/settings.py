"""`stack.toml`, typed: which services, which ports, which profile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from devstack_tui.contracts import registry
from devstack_tui.contracts.model import ServiceSettings
from devstack_tui.contracts.service import Service
from devstack_tui.core import codec
from devstack_tui.core.config import (
    HIGHEST_PORT,
    convert,
    fault,
    line_of,
    merged,
    read_toml,
    require_ports,
)
from devstack_tui.core.errors import ConfigError, UsageError, unknown_name
from devstack_tui.core.paths import config_home, resource, shipped

Offset = Annotated[int, msgspec.Meta(ge=0, le=20000)]


class StackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is written."""

    port_offset: Offset
    default_profile: str
    profiles: dict[str, tuple[str, ...]]
    services: dict[str, dict[str, Any]]


class StackSettings(msgspec.Struct, frozen=True):
    """The contents of stack.toml, checked. Ports are without the offset: `of` adds it."""

    path: Path
    port_offset: int
    default_profile: str
    profiles: dict[str, tuple[str, ...]]
    services: dict[str, ServiceSettings]

    def of(self, name: str, offset: int) -> ServiceSettings:
        """The settings of service `name` with `offset` added to its ports."""
        # Of a service that stack.toml does not name any more nothing but its name is known.
        found = self.services.get(name) or ServiceSettings(ports={"main": 0})
        ports = {key: port + offset for key, port in found.ports.items()}
        high = [port for port in ports.values() if port > HIGHEST_PORT]
        if high:
            raise ConfigError(
                f"{self.path}: port_offset {offset} moves {name} to port {high[0]}, above 65535"
            )
        return msgspec.structs.replace(found, ports=ports)

    def profile(self, name: str) -> tuple[str, ...]:
        """The services of a profile that are enabled."""
        if name not in self.profiles:
            raise unknown_name("profile", name, self.profiles)
        return tuple(n for n in self.profiles[name] if self.services[n].enabled)


def load(overrides: dict[str, dict[str, Any]] | None = None) -> StackSettings:
    """Read stack.toml: ours, with the user's copy merged over it.

    `overrides` are service settings from the command line, by service. Raises `ConfigError`
    naming file, line and key.
    """
    base_path = shipped("configs/stack.toml")
    path = resource("configs/stack.toml")
    document = read_toml(base_path)
    if path != base_path:
        document = merged(document, read_toml(path))
    return _checked(path, document, overrides)


def as_shipped() -> StackSettings:
    """Without the user's own, for who must not depend on them."""
    path = shipped("configs/stack.toml")
    return _checked(path, read_toml(path), None)


def _checked(
    path: Path, document: dict[str, Any], overrides: dict[str, dict[str, Any]] | None
) -> StackSettings:
    written = convert(document, StackFile, path)
    names = registry.names()
    for name in written.services:
        if name not in names:
            error = unknown_name("service", name, names)
            raise fault(path, f"services.{name}", error.message, error.remedy)
    for profile, members in written.profiles.items():
        for member in members:
            if member not in names:
                error = unknown_name("service", member, names)
                raise fault(path, f"profiles.{profile}", error.message, error.remedy)
    if written.default_profile not in written.profiles:
        error = unknown_name("profile", written.default_profile, written.profiles)
        raise fault(path, "default_profile", error.message, error.remedy)
    known = [found for found in registry.services() if found.name in written.services]
    services = {
        found.name: _service(found, written.services[found.name], path, overrides or {})
        for found in known
    }
    _require_possible(services, path)
    profiles = dict(written.profiles)
    named = {member for members in profiles.values() for member in members}
    others = (found.name for found in known if found.outside)
    profiles[written.default_profile] += tuple(name for name in others if name not in named)
    return StackSettings(path, written.port_offset, written.default_profile, profiles, services)


def _require_possible(services: Mapping[str, ServiceSettings], path: Path) -> None:
    """Raise `ConfigError` where Vault is switched off, or two ports are the same."""
    if not services[registry.IDENTITY].enabled:
        what = f"{registry.IDENTITY} cannot be switched off: all others get their secrets from it"
        raise fault(path, f"services.{registry.IDENTITY}.enabled", what, "leave that line out")
    seen: dict[int, str] = {}
    for name, found in services.items():
        for key, port in found.ports.items() if found.enabled else ():
            place = f"services.{name}.ports.{key}"
            if port in seen:
                # The one that the file itself has, rather than one of ours below it.
                own = path.read_text(encoding="utf-8")
                one, other = place, seen[port]
                if (line_of(own, one) or 0) < (line_of(own, other) or 0):
                    one, other = other, one
                raise fault(path, one, f"port {port} is that of {other} too", "give it another one")
            seen[port] = place


def _service(
    known: Service, given: dict[str, Any], path: Path, overrides: Mapping[str, dict[str, Any]]
) -> ServiceSettings:
    if known.outside:
        from devstack_tui.contracts import outside

        return outside.settings_of(known, given, path)
    settings = convert(given, known.settings, path, f"services.{known.name}")
    if over := overrides.get(known.name):
        try:
            settings = codec.convert({**given, **over}, known.settings)
        except msgspec.ValidationError as error:
            raise UsageError(f"{known.name}: {error}".replace(" - at `$.", ": `")) from None
    names = read_toml(shipped("configs/stack.toml"))["services"][known.name]["ports"]
    require_ports(settings.ports, names, path, f"services.{known.name}.ports")
    return settings


def user_file() -> Path:
    """Where the user's own stack.toml goes."""
    return config_home() / "stack.toml"
