"""Whether a result is true of the servers that run now."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from devstack_tui.report.documents import AGELESS, RunDocument
from devstack_tui.report.model import Item
from devstack_tui.stack.basis import Currency

Services = frozenset[str]
ALL: Services = frozenset()


class Ages:
    """Ages the results of runs. `about` are the services that a check says something about."""

    def __init__(self, currency: Currency, about: Mapping[str, Services] = {}) -> None:
        self._currency = currency
        self._about = about

    def aged(self, run: RunDocument, item: Item) -> Item:
        """The item, with why it is stale."""
        stale = self._stale(run, self._about.get(item.id) or self._named(item.service, item.id))
        return replace(item, stale=stale) if stale else item

    def of(self, run: RunDocument) -> str:
        """Why the whole run is stale; empty while it is not, and for what compares settings."""
        return self._stale(run, self._named(run.subject))

    def _named(self, *names: str) -> Services:
        """The service that a name begins with; all, if none does."""
        known = self._currency.now.services if self._currency.now else {}
        first = (name.partition(".")[0].partition(" ")[0] for name in names)
        return next((frozenset({name}) for name in first if name in known), ALL)

    def _stale(self, run: RunDocument, services: Services) -> str:
        if run.kind in AGELESS:
            return ""
        return self._currency.stale(run.id, run.basis, run.at, services)
