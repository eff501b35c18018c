"""Whether a result is true of the servers that run now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from devstack_tui.report.documents import AGELESS, RunDocument
from devstack_tui.report.model import Item
from devstack_tui.stack.basis import Basis, Restored, carried, changed

Services = frozenset[str]
ALL: Services = frozenset()


class Ages:
    """Says of each result why it is stale. `now` is what there is, `restored` the runs that changed
    servers and restored everything, `about` the services that a check says something about."""

    def __init__(
        self,
        now: Basis | None,
        restored: Iterable[tuple[float, Restored]] = (),
        about: Mapping[str, Services] = {},
    ) -> None:
        self._now = now
        self._restored = tuple(restored)
        self._about = about
        self._rests: dict[str, Basis | None] = {}
        self._found: dict[tuple[str, Services], str] = {}

    def aged(self, run: RunDocument, item: Item) -> Item:
        """The item, with why it is stale."""
        stale = self._stale(run, self._about.get(item.id) or self._named(item.service, item.id))
        return replace(item, stale=stale) if stale else item

    def of(self, run: RunDocument) -> str:
        """Why the whole run is stale; empty while it is not, and for what compares settings."""
        return self._stale(run, self._named(run.subject))

    def _named(self, *names: str) -> Services:
        """The service that a name begins with; all, if none does."""
        known = self._now.services if self._now else {}
        first = (name.partition(".")[0].partition(" ")[0] for name in names)
        return next((frozenset({name}) for name in first if name in known), ALL)

    def _stale(self, run: RunDocument, services: Services) -> str:
        if run.kind in AGELESS:
            return ""
        key = (run.id, services)
        if key not in self._found:
            self._found[key] = "; ".join(changed(self._basis(run), self._now, services))
        return self._found[key]

    def _basis(self, run: RunDocument) -> Basis | None:
        if run.id not in self._rests:
            rests = run.basis
            self._rests[run.id] = rests and carried(rests, self._restored, run.at)
        return self._rests[run.id]
