"""Where one service of one stack lives, and what its server part may do there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from devstack_tui.contracts.model import LOOPBACK, Credentials, ServiceSettings, Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Journal

HOST = LOOPBACK


class Cancelled(DevstackError):
    """The verb was interrupted while this service was on its way."""

    exit_code = 130


class ServerHome(Protocol):
    """One service's place: its files, ports, credentials, and helper programs that run there."""

    @property
    def stack(self) -> str:
        """The stack's name."""

    @property
    def settings(self) -> ServiceSettings:
        """The service's table in stack.toml, with the port offset added."""

    @property
    def files(self) -> ServiceFiles:
        """The service's own files, its certificate among them."""

    @property
    def credentials(self) -> Credentials:
        """The service's secret in Vault."""

    @property
    def target(self) -> Target:
        """How clients reach the service."""

    @property
    def journal(self) -> Journal:
        """The stack's journal."""

    @property
    def peers(self) -> Mapping[str, Target]:
        """The services that this one talks to, without their passwords."""

    @property
    def tuning(self) -> Mapping[str, str]:
        """The parameters that the stack sets, as canonical texts by name (`contracts.tunable`)."""

    def port(self, name: str) -> int:
        """The port called `name`, with the offset added."""

    def build(self, name: str, make: Callable[[str], None]) -> str:
        """A directory that is there whole or not at all: `make` fills a staging directory, whose
        path it is given. Returns the directory's path."""

    def run(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, timeout: float = 120.0
    ) -> str:
        """Run a helper program as the server's account and return its output; `timeout` in seconds.

        Raises `DevstackError` with the last lines when it fails. Secrets go through files or
        the environment, never argv."""

    def wait_for(self, what: str, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        """Wait until `condition` holds; it may raise while the server is not there.

        Raises `DevstackError` with the last error after `timeout` seconds, and at once when the
        server has ended, or by `SaturatedError` takes no more connections."""

    def trust(self, root: bytes) -> None:
        """Give the stack's clients a root certificate (PEM) to trust in place of what they had."""

    def say(self, text: str, /) -> None:
        """Report to the user what is being waited for."""

    def reload(self, unit: str, /) -> None:
        """Have one of this service's units read its files again."""

    def stop(self) -> object:
        """End this service's units, for a repair of its data that needs them gone."""
