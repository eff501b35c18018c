"""One stack by its name, for looking: who it is, what it consists of, what needs healing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from devstack_tui import engines
from devstack_tui.contracts.registry import names, service, services
from devstack_tui.core.errors import ConfigError, DevstackError, UsageError
from devstack_tui.core.paths import DEFAULT_STACK, StackPaths
from devstack_tui.state import instance as instances
from devstack_tui.state import settings
from devstack_tui.state.instance import Instance

if TYPE_CHECKING:
    from devstack_tui.contracts.engine import Readable
    from devstack_tui.contracts.model import Repair
    from devstack_tui.contracts.service import Service


def available(chosen: Iterable[Service]) -> tuple[Service, ...]:
    """`chosen`. Raises `ConfigError` for one whose package cannot be used."""
    found = tuple(chosen)
    for one in found:
        if one.unavailable:
            raise ConfigError(f"{one.name} cannot be started: {one.unavailable}", one.hint.text)
    return found


class StackView:
    """One stack. `overrides` are service settings from the command line, for a new stack only.
    `ending`: nothing is to be started, so that the user's settings need not be valid."""

    def __init__(
        self,
        name: str = DEFAULT_STACK,
        *,
        overrides: dict[str, dict[str, Any]] | None = None,
        port_offset: int | None = None,
        ending: bool = False,
    ) -> None:
        self.paths = StackPaths.of(name)
        self.name = name
        self._overrides = overrides or {}
        self._offset = port_offset
        self._ending = ending
        self.unusable_settings = ""
        """Why the user's settings are not used, if they are not."""
        self.settings = self._load(self._overrides)
        if port_offset is not None:
            for known in services():
                self.settings.of(known.name, port_offset)

    def instance(self) -> Instance | None:
        """The stack's identity, or None when it was never started."""
        return instances.read(self.paths)

    def engine(self) -> Readable:
        """The engine, for looking: a stack that was never started is shown where it would be."""
        instance = self.instance() or self._placeholder()
        return engines.view(self.paths, instance, self._settings_of(instance))

    def selected(self) -> tuple[str, ...]:
        """The services that this stack consists of, in the order of the registry."""
        found = self.instance()
        wanted = found.selected if found else self.settings.profile(self.settings.default_profile)
        return tuple(name for name in names() if name in wanted)

    def services(self) -> tuple[Service, ...]:
        """All of the registry, and those of which something runs although stack.toml does not
        name their package any more."""
        try:
            found = self.instance()
        except DevstackError:
            found = None
        unnamed = set(found.selected).difference(names()) if found else None
        if found is None or not unnamed:
            return services()
        from devstack_tui.contracts.outside import unavailable

        why = f"{self.settings.path} does not name its package any more"
        engine = self.engine()
        left = (unavailable(name, why) for name in sorted(unnamed))
        return (*services(), *(one for one in left if engine.units(one)))

    def needs_healing(self) -> tuple[Repair, ...]:
        """What killed verbs left undone, with the command that heals it. Changes nothing.

        Raises `DevstackError` for a damaged stack.
        """
        paths = self.paths
        if not self.instance():
            return ()
        needed: tuple[Repair, ...] = ()
        if paths.journal.exists() or paths.bench_journal.exists():
            from devstack_tui.stack import recovery

            needed = recovery.needed(paths, self.engine)
        if instances.damaged(paths):
            from devstack_tui.contracts.model import Repair

            what = f"{paths.instance}, which is damaged or gone"
            remedy = " ".join(["devstack-tui", "--stack", self.name, "up", *self.selected()])
            needed += (Repair("instance", what, remedy),)
        return needed

    def resolve(self, given: Sequence[str], profile: str | None = None) -> tuple[Service, ...]:
        """What `up` of these names or this profile starts: they and what they require.

        Raises `UsageError` for an unknown, switched-off or unavailable service and an unknown
        profile.
        """
        if given:
            wanted = {service(name).name for name in given}
            for name in wanted:
                if not self.settings.services[name].enabled:
                    raise UsageError(
                        f"{name} is switched off in {self.settings.path}",
                        f"set services.{name}.enabled = true",
                    )
        else:
            wanted = set(self.settings.profile(profile or self.settings.default_profile))
        for found in services():
            if found.name in wanted:
                wanted |= set(found.requires)
        return available(found for found in services() if found.name in wanted)

    def resolve_running(self, names: Sequence[str]) -> tuple[Service, ...]:
        """The named services, or all that the stack consists of."""
        wanted = {service(name).name for name in names} or set(self.selected())
        return tuple(found for found in services() if found.name in wanted)

    def _placeholder(self) -> Instance:
        offset = self.settings.port_offset if self._offset is None else self._offset
        return Instance(f"none-{self.name}", self.name, engines.DEFAULT, offset, 0.0)

    def _settings_of(self, instance: Instance) -> settings.StackSettings:
        return self._load(instance.overrides) if instance.overrides else self.settings

    def _load(self, overrides: dict[str, dict[str, Any]]) -> settings.StackSettings:
        try:
            return settings.load(overrides)
        except UsageError as error:
            if not self._ending:
                raise
            self.unusable_settings = error.message
            return settings.as_shipped()
