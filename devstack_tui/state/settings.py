"""`stack.toml`, typed: which services, which ports, which profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from devstack_tui.contracts.model import ServiceSettings
from devstack_tui.contracts.registry import NAMES, service
from devstack_tui.contracts.service import Service
from devstack_tui.core import codec
from devstack_tui.core.config import convert, fault, read_toml
from devstack_tui.core.errors import ConfigError, UsageError, unknown_name
from devstack_tui.core.paths import config_home, resource

Offset = Annotated[int, msgspec.Meta(ge=0, le=20000)]
HIGHEST_PORT = 65535


class StackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is written."""

    port_offset: Offset
    default_profile: str
    profiles: dict[str, tuple[str, ...]]
    services: dict[str, dict[str, Any]]


class StackSettings(msgspec.Struct, frozen=True):
    """What stack.toml says, checked. Ports are without the offset: `of` adds it."""

    path: Path
    port_offset: int
    default_profile: str
    profiles: dict[str, tuple[str, ...]]
    services: dict[str, ServiceSettings]

    def of(self, name: str, offset: int) -> ServiceSettings:
        """The settings of service `name` with `offset` added to its ports."""
        found = self.services[name]
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
    from devstack_tui.core.paths import shipped

    base_path = shipped("configs/stack.toml")
    path = resource("configs/stack.toml")
    document = read_toml(base_path)
    if path != base_path:
        document = _merge(document, read_toml(path))
    written = convert(document, StackFile, path)
    for name in written.services:
        if name not in NAMES:
            error = unknown_name("service", name, NAMES)
            raise fault(path, f"services.{name}", error.message, error.remedy)
    for profile, members in written.profiles.items():
        for member in members:
            if member not in NAMES:
                error = unknown_name("service", member, NAMES)
                raise fault(path, f"profiles.{profile}", error.message, error.remedy)
    if written.default_profile not in written.profiles:
        error = unknown_name("profile", written.default_profile, written.profiles)
        raise fault(path, "default_profile", error.message, error.remedy)
    services = {
        name: _service(service(name), written.services[name], path, (overrides or {}).get(name))
        for name in NAMES
    }
    return StackSettings(
        path, written.port_offset, written.default_profile, written.profiles, services
    )


def _service(
    known: Service, given: dict[str, Any], path: Path, over: dict[str, Any] | None
) -> ServiceSettings:
    from devstack_tui.core.paths import shipped

    settings = convert(given, known.settings, path, f"services.{known.name}")
    if over:
        try:
            settings = codec.convert({**given, **over}, known.settings)
        except msgspec.ValidationError as error:
            raise UsageError(f"{known.name}: {error}".replace(" - at `$.", ": `")) from None
    names = read_toml(shipped("configs/stack.toml"))["services"][known.name]["ports"]
    for port_name, port in settings.ports.items():
        key = f"services.{known.name}.ports.{port_name}"
        if port_name not in names:
            raise fault(path, key, "no such port", f"known: {', '.join(names)}")
        if not 1024 <= port <= HIGHEST_PORT:
            raise fault(path, key, f"expected a port from 1024 to 65535, got {port}")
    return settings


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, table by table."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def user_file() -> Path:
    """Where the user's own stack.toml goes."""
    return config_home() / "stack.toml"
