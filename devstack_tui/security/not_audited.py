"""What a green audit says nothing about: `configs/not_audited.toml`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from devstack_tui.contracts.registry import service
from devstack_tui.core.config import convert, read_toml
from devstack_tui.core.paths import shipped

FILE = "configs/not_audited.toml"
EVERYWHERE = "everywhere"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    everywhere: tuple[str, ...]
    services: dict[str, tuple[str, ...]]


def gaps(services: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """By the service's title, and first what holds everywhere. A service of another package that
    has none of its own says so."""
    found = convert(read_toml(shipped(FILE)), _File, shipped(FILE))
    own = {
        service(name).title: found.services.get(name, ("nobody has written down what",))
        for name in services
    }
    return {EVERYWHERE: found.everywhere, **own}
