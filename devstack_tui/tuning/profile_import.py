"""A configuration file that somebody has already becomes a profile: a postgresql.conf, my.cnf,
mongod.conf or redis.conf, or a `.env` with names such as POSTGRES_SHARED_BUFFERS.

What the file is, its settings say: it is read as each kind, and is the one of which most settings
are parameters. Whatever does not get into the profile is reported with its line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.registry import service as service_named
from devstack_tui.contracts.tunable import Kind, Parameter, Setting
from devstack_tui.core import files
from devstack_tui.core.errors import UsageError
from devstack_tui.core.machine import Machine
from devstack_tui.state import parameter_catalogue
from devstack_tui.state.parameter_values import folded, reading, understood
from devstack_tui.tuning import profiles
from devstack_tui.tuning.catalogue import known, tunable, tunable_services
from devstack_tui.tuning.events import TAKEN, ImportedLine, ImportedProfile

LARGEST = 1 << 20
"""Bytes of a file that may be a configuration file."""
REFUSED, UNKNOWN, IRRELEVANT = "refused", "unknown", "irrelevant"
_ENV = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)")
_MANY, _LONG = 2000, 60
"""Settings of a file, and letters of a name, for which close names are looked for."""
_LISTED = 10
"""Reasons in the one sentence of a file of which nothing was taken."""
_LEAST_PART = 8
"""Letters that a part of a parameter's name must have to stand for it in a `.env`."""


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """The parameters of one service: those of the version that is installed, by every name that a
    file may use, and the names that other versions have."""

    service: str
    installed: str
    by_name: Mapping[str, Parameter]
    elsewhere: frozenset[str]

    @classmethod
    def of(cls, engine: Engine, service: str) -> _Catalogue:
        parameters = known(engine, service)
        by_name: dict[str, Parameter] = {}
        for found in parameters.values():
            for name in (found.server.name, found.server.key, found.name):
                if name:
                    by_name[folded(name)] = found
        others = frozenset(map(folded, parameter_catalogue.kinds(service)))
        program = ""
        if parameters:
            located = engine.locate(service_named(service))
            program = f"{located.flavour} {located.version}"
        return cls(service, program, by_name, others - by_name.keys())

    def knows(self, name: str) -> bool:
        """Whether any version has this parameter."""
        return folded(name) in self.by_name or folded(name) in self.elsewhere

    def part(self, name: str) -> str:
        """The parameter whose name begins or ends with `name`, as a `.env` shortens it."""
        plain = folded(name).replace("_", "")
        own = {folded(found.name) for found in self.by_name.values()}
        names = {one.replace("_", ""): one for one in own | self.elsewhere}
        if plain in names:
            return names[plain]
        found = [
            whole
            for one, whole in names.items()
            if plain in (one[: len(plain)], one[-len(plain) :])
        ]
        return found[0] if len(found) == 1 and len(plain) >= _LEAST_PART else name


_Read = Sequence[tuple[_Catalogue, Setting]]


def import_profile(
    engine: Engine, path: Path, name: str = "", *, service: str = "", replace: bool = False
) -> ImportedProfile:
    """Make the profile `name` of the file; by default it is called as the file. Blocks.

    Raises `UsageError` when the file cannot be read, is none of these, or sets nothing that can be
    tuned, when the name is that of a profile that we ship, and when there is such a profile
    already, unless `replace`.
    """
    name = name or _name_of(path)
    profiles.require_name(name, taken=profiles.SHIPPED)
    if name in profiles.names() and not replace:
        raise UsageError(
            f"there is a profile {name!r} already",
            "choose another name with --as, or overwrite it with --replace",
        )
    lines = tuple(_judged(_recognised(engine, path, service)))
    values: dict[str, dict[str, str]] = {}
    for found in lines:
        if found.status == TAKEN:
            values.setdefault(found.service, {})[found.name] = found.value
    if not values:
        refusals = [f"{path}:{one.sentence}" for one in lines if one.status != UNKNOWN]
        more = f"; and {len(refusals) - _LISTED} more" if len(refusals) > _LISTED else ""
        reasons = "; ".join(refusals[:_LISTED]) + more
        raise UsageError(
            f"{path} sets nothing that can be tuned here" + (f": {reasons}" if reasons else ""),
            "`devstack-tui tune list` names the parameters",
        )
    written = profiles.save(engine, name, values, f"imported from {path.name}", fresh=True)
    code = int(any(found.status == REFUSED for found in lines))
    return ImportedProfile(
        profile=name, path=str(written), file=str(path), values=values, lines=lines, exit_code=code
    )


def _name_of(path: Path) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip(".-_")[:40]


def _recognised(engine: Engine, path: Path, service: str) -> _Read:
    """The settings of the file, read as what it is."""
    text = files.read_text(path, LARGEST)
    chosen = [tunable(service)] if service else list(tunable_services())
    catalogues = {one.name: _Catalogue.of(engine, one.name) for one in chosen}
    kinds: dict[str, _Read] = {".env": _of_env(text, catalogues)}
    for one in chosen:
        if reader := one.config_reader():
            kinds[one.title] = [(catalogues[one.name], setting) for setting in reader(text)]
    counts = {kind: sum(c.knows(s.name) for c, s in read) for kind, read in kinds.items()}
    most = max(counts.values())
    best = [kind for kind, count in counts.items() if count == most]
    if not most:
        what = f"of {service}" if service else f"of {', '.join(kinds)}"
        raise UsageError(
            f"{path} sets no parameter {what} that can be tuned",
            "`devstack-tui tune list` names the parameters",
        )
    if len(best) > 1:
        raise UsageError(f"{path} can be a file of {' or '.join(best)}", "say which with --service")
    return kinds[best[0]]


def _of_env(text: str, catalogues: Mapping[str, _Catalogue]) -> _Read:
    """The lines of a `.env` whose names begin with that of a service; the others are irrelevant.
    Their values are not kept: they may be passwords."""
    found: list[tuple[_Catalogue, Setting]] = []
    nobody = _Catalogue("", "", {}, frozenset())
    for number, line in enumerate(text.splitlines(), 1):
        if not (assigned := _ENV.fullmatch(line)):
            continue
        name, value = assigned[1], re.split(r"(?<!\s)\s+#", assigned[2], maxsplit=1)[0].strip()
        prefix = next((one for one in catalogues if name.startswith(f"{one.upper()}_")), "")
        mine = catalogues.get(prefix, nobody)
        own = mine.part(name.removeprefix(f"{prefix.upper()}_"))
        if mine.knows(own):
            found.append((mine, Setting(own, value, number)))
        else:
            found.append((nobody, Setting(name, "", number, "no parameter of a service")))
    return found


def _judged(read: _Read) -> Iterable[ImportedLine]:
    """What becomes of every setting, in the order of the file."""
    last = {(c.service, folded(s.name)): s.line for c, s in read if not s.reason}
    for mine, setting in read:
        later = last.get((mine.service, folded(setting.name)), setting.line)
        found = _line(mine, setting, later)
        if found.status == UNKNOWN and len(read) <= _MANY:
            close = difflib.get_close_matches(setting.name[:_LONG], mine.by_name, cutoff=0.85)
            hint = f": did you mean {mine.by_name[close[0]].name}?" if close else ""
            found = msgspec.structs.replace(found, reason=found.reason + hint)
        yield found


def _line(mine: _Catalogue, setting: Setting, last: int) -> ImportedLine:
    found = mine.by_name.get(folded(setting.name))

    def line(status: str, reason: str) -> ImportedLine:
        return ImportedLine(
            line=setting.line,
            name=found.name if found else setting.name,
            status=status,
            service=mine.service,
            reason=reason,
        )

    if setting.reason:
        return line(IRRELEVANT, setting.reason)
    if found is None:
        if folded(setting.name) in mine.elsewhere:
            there = mine.installed or f"this machine, without {mine.service},"
            return line(IRRELEVANT, f"{there} has no such parameter")
        return line(UNKNOWN, "not among the parameters that can be tuned")
    if last != setting.line:
        return line(IRRELEVANT, f"line {last} sets it again")
    try:
        value = _checked(found, setting.value)
    except UsageError as error:
        reason = error.message.removeprefix(f"{found.key}: ")
        return line(REFUSED, " → ".join(filter(None, (reason, error.remedy))))
    taken = line(TAKEN, "")
    return msgspec.structs.replace(taken, value=value, understood=reading(setting.value, value))


def _checked(found: Parameter, written: str) -> str:
    """The canonical text. Raises `UsageError`, of a text too: numbers and choices are judged by
    their limits, texts by the rules of their technology."""
    value = understood(found, written).text
    part = service_named(found.service).tunables()
    if found.kind is Kind.TEXT and part is not None:
        for problem in part.problems({found.name: value}, Machine(0, 0), {}):
            if problem.fatal and problem.parameter == found.name:
                raise UsageError(problem.message)
    return value
