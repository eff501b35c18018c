"""What the processes of a service can be reached by, as an engine sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Bound:
    """A socket of a process of `unit`, by which it can be reached, or with a `remote` one that went
    to that address, beyond this machine.

    `kind` is `tcp`, `udp` or `unix`; `host` is `0.0.0.0` or `::` for every address, and the path of
    a Unix socket, `@` before an abstract name. `exposed`: other accounts may connect to the path.
    """

    unit: str
    kind: str
    host: str
    port: int
    remote: str = ""
    exposed: bool = False

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind} {host}:{self.port}" + (f" to {self.remote}" if self.remote else "")


@dataclass(frozen=True)
class Bindings:
    """The ports that a service is declared to have, by name and at the address `host`, the sockets
    that its processes have, and who else listens at a declared port, in words. `further` are the
    addresses, with port, that it cannot do without."""

    host: str
    declared: Mapping[str, int]
    sockets: tuple[Bound, ...]
    foreign: Mapping[int, str] = field(default_factory=dict)
    further: frozenset[tuple[str, int]] = frozenset()
