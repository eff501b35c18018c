"""What the sabotages of Vault share: a change by its API, and its undo."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cache, partial
from typing import Any

from devstack_tui.contracts.audit import Sabotage, SabotageStack, VaultClient
from devstack_tui.core.config import read_toml
from devstack_tui.core.paths import shipped
from devstack_tui.services.vault.audit.kit import VAULT, filled_in, qualified

Change = Callable[[VaultClient], None]
Apply = Callable[[SabotageStack], AbstractContextManager[None]]
FILE = "configs/vault/sabotages.toml"
QUICK_S = 0.2


def sabotages(
    applies: Mapping[str, Apply], expects: Iterable[str] = (), **fields: object
) -> list[Sabotage]:
    """Those of `configs/vault/sabotages.toml` with these ids, and what each changes. `fields` are
    filled in; `expects`: further checks that they turn red, without the suite's name."""
    text = partial(filled_in, fields)
    found = []
    for id, apply in applies.items():
        row = _rows()[id]
        ids = (qualified(text(name)) for name in (*row.get("expects", ()), *expects))
        seconds = row.get("seconds", QUICK_S)
        title = text(row["title"])
        found.append(Sabotage(f"vault.{text(id)}", title, VAULT, apply, seconds, tuple(ids)))
    return found


@cache
def _rows() -> dict[str, Any]:
    return read_toml(shipped(FILE))


@contextlib.contextmanager
def changed(stack: SabotageStack, make: Change, undo: Change) -> Iterator[None]:
    """`make` and `undo`, each with a root token that is revoked at once."""
    with stack.root() as vault:
        try:
            make(vault)
        except BaseException:
            undo(vault)
            raise
    try:
        yield
    finally:
        with stack.root() as vault:
            undo(vault)


@contextlib.contextmanager
def rewritten(
    stack: SabotageStack,
    paths: Iterable[str],
    change: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    whole: bool = False,
) -> Iterator[None]:
    """Objects of Vault with some settings changed, restored at the end. `whole`: what is not
    written again would fall back to its default."""
    paths = tuple(paths)
    before: dict[str, dict[str, Any]] = {}

    def make(vault: VaultClient) -> None:
        for path in paths:
            found = vault.call("get", path)["data"]
            wanted = change(found)
            before[path] = found if whole else {name: found[name] for name in wanted}
            vault.call("post", path, **{**before[path], **wanted})

    def undo(vault: VaultClient) -> None:
        for path, data in before.items():
            vault.call("post", path, **data)

    with changed(stack, make, undo):
        yield


def added(path: str, **body: Any) -> Apply:
    """Something new, deleted at the end."""
    return lambda stack: changed(
        stack,
        lambda vault: _write(vault, path, body),
        lambda vault: _delete(vault, path),
    )


def _write(vault: VaultClient, path: str, body: dict[str, Any]) -> None:
    vault.call("post", path, **body)


def _delete(vault: VaultClient, path: str) -> None:
    vault.call("delete", path)
