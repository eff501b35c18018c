"""What is declared of Vault in `configs/vault/surface.toml`: lists of names, and settings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from devstack_tui.contracts.audit import Audit, Check, Finding, Severity
from devstack_tui.core.config import convert, read_toml
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.paths import shipped
from devstack_tui.services.vault.audit.kit import (
    admin_answer,
    check,
    exactly,
    filled_in,
    judged,
    passed,
)
from devstack_tui.services.vault.matrix import secrets

FILE = "configs/vault/surface.toml"
SUITE = "vault"


class Stray(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object that a proof adds."""

    path: str
    body: dict[str, Any] = {}


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row; see the file."""

    path: str
    title: str
    stake: str
    severity: str = ""
    remedy: str = ""
    names: tuple[str, ...] = ()
    stray: Stray | None = None
    fields: dict[str, Any] = {}
    changes: dict[str, Any] = {}

    @property
    def provable(self) -> bool:
        return bool(self.stray or self.changes)


class _Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: dict[str, Row]
    severity: str
    remedy: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    lists: _Group
    documents: _Group


@functools.cache
def rows() -> _File:
    """The file."""
    return convert(read_toml(shipped(FILE)), _File, shipped(FILE))


def checks() -> tuple[Check, ...]:
    """One for each row."""
    found = rows()
    return (*_of(found.lists, "listed", _listed), *_of(found.documents, "setting", _document))


def _of(group: _Group, kind: str, run: Callable[[Row, Audit], Finding]) -> Iterable[Check]:
    for name, row in group.rows.items():
        yield check(
            name,
            row.title,
            partial(run, row),
            f"vault.surface.{name}" if row.provable else "",
            filled_in({"path": row.path}, row.remedy or group.remedy),
            severity=Severity(row.severity or group.severity),
            stake=row.stake,
            group="surface",
            kind=kind,
            suite=SUITE,
        )


def _listed(row: Row, audit: Audit) -> Finding:
    answer = admin_answer(audit, "list", row.path)
    wanted = secrets() if row.names == ("{secrets}",) else row.names
    return exactly(answer.names, wanted)


def _document(row: Row, audit: Audit) -> Finding:
    answer = admin_answer(audit, "get", row.path)
    if not answer.ok:
        return passed(f"{row.path}: this version of Vault has none ({answer})")
    return as_declared(row.path, answer.data, row.fields)


def as_declared(what: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Finding:
    """Whether the fields have the declared values; what is not reported is passed over, but not all
    of it. Empty values are equal."""
    seen = {name: found[name] for name in wanted if name in found}
    if not seen:
        raise DevstackError(f"{what} reports none of {', '.join(wanted)}")
    wrong = {name: value for name, value in seen.items() if not _equal(value, wanted[name])}
    words = "; ".join(f"{n} = {v!r}, declared {wanted[n]!r}" for n, v in wrong.items())
    right = ", ".join(f"{name} = {value!r}" for name, value in seen.items())
    return judged(not wrong, f"{what}: {words or right}"[:600])


def _equal(one: object, other: object) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return bool(one) == bool(other)
    return one == other or (not one and not other)
