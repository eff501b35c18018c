"""The parameters of a technology as data: `configs/parameters/<technology>.toml`.

`[parameters.<name>]` holds the fields of a `Parameter`, `[defaults]` those that all of them share.
Limits of sizes and durations are written with their unit. `flavour`, `since` and `until` (the first
version without it) say where a parameter exists. Each `when` table replaces fields where its own
conditions hold, a later one after an earlier one; `absent` takes the parameter out.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from devstack_tui.contracts.model import Installation, version_numbers
from devstack_tui.contracts.tunable import Apply, Kind, Parameter, ServerSyntax
from devstack_tui.core import units
from devstack_tui.core.config import convert, fault, read_toml
from devstack_tui.core.errors import UsageError
from devstack_tui.core.paths import resource
from devstack_tui.core.units import Value
from devstack_tui.state.parameter_values import to_server

FOLDER = "configs/parameters"
_LIMITS = ("minimum", "maximum", "step", "relaxed_above", "relaxed_below")
_CONDITIONS = ("flavour", "since", "until", "absent", "when")
_UNLIMITED = 1e18
_provided: dict[str, Path] = {}
_Version = Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)*$")]
_Limit = float | str | None
_Texts = tuple[str, ...] | None


class _Fields(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A parameter's entry in a table; None: it has none."""

    flavour: str | None = None
    since: _Version | None = None
    until: _Version | None = None
    absent: bool | None = None
    kind: Kind | None = None
    help: str | None = None
    apply: Apply | None = None
    default: str | None = None
    minimum: _Limit = None
    maximum: _Limit = None
    step: _Limit = None
    open_files: int | None = None
    limits_from: str | None = None
    choices: _Texts = None
    special: dict[str, str] | None = None
    spellings: dict[str, str] | None = None
    kilo: int | None = None
    follows: str | None = None
    durability: str | None = None
    relaxed: _Texts = None
    relaxed_with: dict[str, str] | None = None
    relaxed_above: _Limit = None
    relaxed_below: _Limit = None
    reader: str | None = None
    candidates: _Texts = None
    server: ServerSyntax | None = None

    def holds(self, installation: Installation) -> bool:
        """Whether the conditions of this table are those of the installation."""
        return installation.within(self.flavour, self.since, self.until)


class _Entry(_Fields):
    when: tuple[_Fields, ...] = ()

    def fitting(self, installation: Installation) -> list[_Fields]:
        """The tables that hold, in the order in which they replace each other; none where the
        installation does not have the parameter."""
        if not self.holds(installation):
            return []
        tables = [self, *(one for one in self.when if one.holds(installation))]
        return [] if any(one.absent for one in tables) else tables


class _File(msgspec.Struct, forbid_unknown_fields=True):
    parameters: dict[str, _Entry]
    defaults: _Entry = msgspec.field(default_factory=_Entry)


@functools.cache
def parameters(service: str, installation: Installation) -> tuple[Parameter, ...]:
    """The parameters of `service` for this flavour and version, in the order of the editor.

    Raises `ConfigError` with the file, its line and the key for a bad file.
    """
    path = _path(service)
    file = _read(path)
    shared = file.defaults.fitting(installation)
    return tuple(
        _parameter(path, service, name, [*shared, *tables], installation)
        for name, entry in file.parameters.items()
        if (tables := entry.fitting(installation))
    )


@functools.cache
def kinds(service: str) -> dict[str, Kind]:
    """The kind of every parameter that any version of `service` has."""
    file = _read(_path(service))
    return {name: entry.kind for name, entry in file.parameters.items() if entry.kind}


def provide(service: str, path: Path) -> None:
    """Use `path` for a service from another package, whose file is not among ours."""
    _provided[service] = path


def _path(service: str) -> Path:
    found = resource(f"{FOLDER}/{service}.toml")
    return found if found.exists() else _provided.get(service, found)


@functools.cache
def _read(path: Path) -> _File:
    return convert(read_toml(path), _File, path)


def with_fields(
    parameters: Iterable[Parameter], fields: Mapping[str, Mapping[str, object]]
) -> tuple[Parameter, ...]:
    """The parameters with other values of the fields that are given by parameter."""
    return tuple(msgspec.structs.replace(p, **fields.get(p.name, {})) for p in parameters)


def reported(
    parameter: Parameter,
    limits_from: str,
    *,
    apply: Apply,
    default: str | None,
    limits: tuple[str | None, str | None],
    unit: float = 1,
    step: float | None = None,
    choices: Iterable[str] | None = None,
) -> Parameter:
    """`parameter` with what a running server reports of it; None: it does not report that.
    `limits` are its least and largest value, in units of `unit`."""
    found = msgspec.structs.replace(
        parameter,
        apply=apply,
        default=parameter.default if default is None else default,
        limits_from=limits_from,
    )
    if parameter.choices:
        # Not those that we leave out on purpose: second names, and those for its developers.
        known = set(parameter.choices if choices is None else choices)
        return msgspec.structs.replace(
            found,
            choices=tuple(n for n in parameter.choices if n in known) or parameter.choices,
            candidates=tuple(n for n in parameter.candidates if n in known),
        )
    return msgspec.structs.replace(
        found,
        minimum=_limit(limits[0], unit, parameter.minimum),
        maximum=_limit(limits[1], unit, parameter.maximum),
        step=step or parameter.step,
    )


def _limit(text: str | None, unit: float, ours: float | None) -> float | None:
    # -1 stands for "automatic", which `default` is for; huge numbers are no limit.
    if text is None or text.startswith("-"):
        return ours
    value = float(text) * unit
    return value if value < _UNLIMITED else ours


def _parameter(
    path: Path, service: str, name: str, tables: list[_Fields], installation: Installation
) -> Parameter:
    at = f"parameters.{name}"
    fields: dict[str, Any] = {"service": service, "name": name}
    for table in tables:
        given = msgspec.structs.asdict(table).items()
        fields |= {k: text for k, text in given if text is not None and k not in _CONDITIONS}
    for limit in _LIMITS:
        if isinstance(text := fields.get(limit), str):
            try:
                fields[limit] = units.parse(fields.get("kind", ""), text)
            except (KeyError, ValueError) as error:
                raise fault(path, f"{at}.{limit}", str(error)) from None
    major, minor, *_ = (*version_numbers(installation.version), 0, 0)
    fields["limits_from"] = fields.get("limits_from", "").format(
        flavour=installation.flavour, major=major, minor=minor
    )
    return convert(fields, Parameter, path, at)


def configured(
    service: str, installation: Installation, tuning: Mapping[str, str]
) -> list[tuple[Parameter, Value]]:
    """The parameters that `tuning` (canonical texts by name) sets, with the server's own values.

    Raises `UsageError` for what this version does not have or does not accept.
    """
    if not tuning:
        return []
    known = {parameter.name: parameter for parameter in parameters(service, installation)}
    found = []
    for name, text in tuning.items():
        undo = f"undo it: `devstack-tui tune set {service} {name}=default`"
        if name not in known:
            program = f"{installation.flavour} {installation.version}"
            raise UsageError(f"{program} has no parameter {name!r} that can be tuned", undo)
        try:
            found.append((known[name], to_server(known[name], text)))
        except ValueError as error:
            raise UsageError(f"{service}.{name}: {error}", undo) from None
    return found
