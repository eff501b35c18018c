"""Profiles: named sets of values, as TOML files. The user's own win over those that we ship.

A profile is whole for every service that it names: what it does not say there goes back to the
server's default when it is applied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.registry import service as service_named
from devstack_tui.contracts.tunable import Parameter
from devstack_tui.core import files
from devstack_tui.core.config import convert, fault, read_toml
from devstack_tui.core.errors import ConfigError, DevstackError, UsageError, unknown_name
from devstack_tui.core.paths import config_home, resource, resources
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_store
from devstack_tui.state.parameter_values import understood
from devstack_tui.tuning.catalogue import known, named, tunable_services

CURRENT, PENDING = "current", "pending"
SHIPPED = BASELINE, OPTIMIZED, DURABLE = "baseline", "optimized", "durable"
"""The profiles that every installation has, and that printed commands name."""
RESERVED = (CURRENT, PENDING, "before", "a", "b")
"""Names that mean something else on the command line."""
FOLDER = "configs/tuning"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")
Table = Mapping[str, Mapping[str, str]]


class Profile(msgspec.Struct, frozen=True):
    """`values` are canonical texts, or `default`, by service and parameter; `written` the texts of
    the file. `versions` says what server they were made for, as `PostgreSQL 15`; a service that is
    not in it takes any."""

    name: str
    title: str
    values: dict[str, dict[str, str]]
    versions: dict[str, str] = {}
    written: dict[str, dict[str, str]] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str = ""
    versions: dict[str, str] = {}
    values: dict[str, dict[str, Any]] = {}


def names() -> tuple[str, ...]:
    """Every profile: those that we ship first, then the user's own."""
    found = [path.stem for path in resources(FOLDER, ".toml")]
    ours = [name for name in SHIPPED if name in found]
    return (*ours, *(name for name in found if name not in ours))


def load(engine: Engine, name: str) -> Profile:
    """The profile `name`. Raises `UsageError` for an unknown one, and `ConfigError` with file,
    line and key for a value that cannot be meant."""
    if name not in names():
        raise unknown_name("profile", name, names())
    path = resource(f"{FOLDER}/{name}.toml")
    written = convert(read_toml(path), _File, path)
    services = [service.name for service in tunable_services()]
    values: dict[str, dict[str, str]] = {}
    texts: dict[str, dict[str, str]] = {}
    for service, given in written.values.items():
        if service not in services:
            error = unknown_name("service that can be tuned", service, services)
            raise fault(path, f"values.{service}", error.message, error.remedy)
        parameters = known(engine, service)
        mine, raw = values.setdefault(service, {}), texts.setdefault(service, {})
        for key, value in given.items():
            found = named(parameters, key)
            own = found.name if found else key
            if own in mine:
                raise fault(path, f"values.{service}.{key}", f"{own} is given twice")
            mine[own] = _canonical(path, service, key, value, found)
            raw[own] = _text(value)
    return Profile(name, written.title, values, written.versions, texts)


def load_all(engine: Engine) -> tuple[list[Profile], dict[str, str]]:
    """Every profile that can be read, and of the others why not."""
    loaded: list[Profile] = []
    broken: dict[str, str] = {}
    for name in names():
        try:
            loaded.append(load(engine, name))
        except DevstackError as error:
            broken[name] = error.message
    return loaded, broken


def load_for(stack: Stack, name: str) -> Profile:
    """The profile `name` for this stack: of the services that it consists of.

    `current` is what the stack sets, `pending` that with what is pending. Both name every service
    that either knows, so that they are whole beside each other. Raises as `load` does.
    """
    if name not in (CURRENT, PENDING):
        found = load(stack.engine(), name)
        members = stack.selected()
        values = {service: v for service, v in found.values.items() if service in members}
        texts = {service: v for service, v in found.written.items() if service in members}
        return msgspec.structs.replace(found, values=values, written=texts)
    store = parameter_store.read(stack.paths)
    values = {
        service.name: dict(store.values.get(service.name, {}))
        for service in tunable_services()
        if service.name in store.values or service.name in store.pending
    }
    if name == PENDING:
        for service_name, more in store.pending.items():
            values.setdefault(service_name, {}).update(more)
    title = "what the stack sets now" if name == CURRENT else "with what is pending"
    return Profile(name, title, values)


def require_versions(engine: Engine, profile: Profile, services: Mapping[str, object]) -> None:
    """Raise `UsageError` when the profile was made for other servers than those of `services`."""
    for name, made in profile.versions.items():
        if name in services:
            here = _server_version(engine, name)
            if made != here:
                raise UsageError(
                    f"the profile {profile.name!r} was made for {made}, this machine has {here}",
                    f"look at its values of {name}, then set [versions] {name} = {here!r} in it",
                )


def require_name(name: str, taken: tuple[str, ...] = ()) -> None:
    """Raise `UsageError` for what cannot name a profile, and for a name in `taken`."""
    refused = RESERVED + taken
    if not _NAME.fullmatch(name) or name in refused:
        raise UsageError(
            f"{name!r} is no name for a profile of your own",
            f"use a-z, 0-9, -, _ and ., but not {', '.join(refused)}",
        )


def save(engine: Engine, name: str, values: Table, title: str = "", *, fresh: bool = False) -> Path:
    """Write the profile `name` in the user's configuration directory; returns the file.

    One that exists keeps its comments, and the order of its values, unless `fresh`. Raises
    `UsageError` for a name that cannot be one.
    """
    import tomlkit

    require_name(name)
    path = config_home() / FOLDER.removeprefix("configs/") / f"{name}.toml"
    source = resource(f"{FOLDER}/{name}.toml")
    try:
        kept = source.exists() and not fresh
        document = tomlkit.parse(source.read_text(encoding="utf-8") if kept else "")
        if title or "title" not in document:
            document["title"] = title or name
        versions = document.setdefault("versions", tomlkit.table())
        table = document.setdefault("values", tomlkit.table())
        _merge(versions, {one: _server_version(engine, one) for one in values})
        for gone in [one for one in table if one not in values]:
            del table[gone]
        for service, wanted in values.items():
            _merge(table.setdefault(service, tomlkit.table()), wanted)
        files.make_dir(path.parent)
        files.write_private(path, tomlkit.dumps(document), mode=0o644)
    except OSError as error:
        raise files.explain(error, f"saving the profile {name!r}") from None
    except tomlkit.exceptions.ParseError as error:
        raise ConfigError(f"{source}: {error}", "correct the TOML at that line") from None
    return path


def _merge(table: Any, wanted: Mapping[str, str]) -> None:
    """Make a TOML table hold exactly `wanted`; what stays the same is not touched."""
    for gone in [name for name in table if name not in wanted]:
        del table[gone]
    for name, text in wanted.items():
        if name not in table or _text(table[name]) != text:
            table[name] = text


def _server_version(engine: Engine, service: str) -> str:
    found = engine.locate(service_named(service))
    return f"{found.flavour} {found.series}"


def _text(value: Any) -> str:
    """A TOML value as a user would write it on the command line."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _canonical(path: Path, service: str, name: str, value: Any, found: Parameter | None) -> str:
    """The value in its one form; as it is where the stack's server does not know the
    parameter, which is for an apply to refuse."""
    if not isinstance(value, str | int | float):
        raise fault(path, f"values.{service}.{name}", "expected a text, a number or a boolean")
    text = _text(value)
    if found is None:
        return text
    try:
        return understood(found, text).text
    except DevstackError as error:
        raise fault(path, f"values.{service}.{name}", error.message, error.remedy) from None
