"""The reference API's acknowledged writes: entries of its cache, which it keeps in Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import msgspec

from devstack_tui.contracts.acks import Acks, Allowance, Indeterminate, NotWritten, checked
from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.http_connection import Reply
from devstack_tui.loadgen.http_acks import HttpsSession
from devstack_tui.services.reference_api import token
from devstack_tui.services.reference_api.probe import connect

TIMEOUT_S = 10.0
_UNAVAILABLE = frozenset({502, 503, 504})
KEPT_S = 900
"""What nobody removes, because we were killed, ends by itself after this."""


def _path(run: str, number: int) -> str:
    return f"/examples/cache/devstack-tui:acks:api:{checked(run)}:{number}"


def _body(number: int) -> bytes:
    return msgspec.json.encode({"value": str(number), "ttl": KEPT_S})


class ApiWriter:
    """See `devstack_tui.contracts.acks.Writer`. One keep-alive connection over TLS."""

    def __init__(
        self, target: Target, run: str, timeout: float, sent: Callable[[str, int], None]
    ) -> None:
        self._run = run
        self._sent = sent
        self._session = HttpsSession(
            target, target.ports["tls"], timeout, token.headers(target.secrets)
        )

    def write(self, number: int) -> None:
        """One PUT; it is acknowledged when the API reports that Redis has it."""
        self._sent(self._run, number)
        judge(self._session.put(_path(self._run, number), _body(number)))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def judge(status: int) -> None:
    """Return for an acknowledgement; raise what another answer means."""
    if status >= 500:
        # Redis may have it although the API had no answer from there. A 500 is a fault of its own.
        raise Indeterminate("unavailable" if status in _UNAVAILABLE else f"error-{status}")
    if status != 200:
        raise NotWritten(f"error-{status}")


class ApiAcks:
    """See `devstack_tui.contracts.acks.Acks`.

    The API cannot list what it keeps: the highest number is remembered here, for `cleanup`.
    """

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}
        self._lock = threading.Lock()

    def remember(self, run: str, number: int) -> None:
        """Remember that `number` may be there."""
        with self._lock:
            self._highest[run] = max(number, self._highest.get(run, 0))

    def prepare(self, target: Target, run: str) -> None:
        """See that it can keep something. Raises `UnreachableError` when not."""
        headers = token.headers(target.secrets)
        with connect(target, TIMEOUT_S) as client:
            answer = client.request("PUT", _path(run, 0), _body(0), headers)
        if answer.status != 200:
            raise UnreachableError(
                "the reference API keeps nothing: its cache needs Redis", "`devstack-tui up redis`"
            )

    def writer(self, target: Target, run: str, timeout: float) -> ApiWriter:
        """A connection of its own."""
        return ApiWriter(target, run, timeout, self.remember)

    def present(self, target: Target, run: str, asked: Iterable[int]) -> set[int]:
        """The entries that the API gives back."""
        found: set[int] = set()
        with connect(target, TIMEOUT_S) as client:
            for number in asked:
                answer = _done(client.get(_path(run, number)))
                if answer.json()["value"] == str(number):
                    found.add(number)
        return found

    def cleanup(self, target: Target, run: str) -> None:
        """Remove every entry that this process sent."""
        with self._lock:
            highest = self._highest.get(run, 0)
        headers = token.headers(target.secrets)
        with connect(target, TIMEOUT_S) as client:
            for number in range(highest + 1):
                _done(client.request("DELETE", _path(run, number), None, headers))
        with self._lock:
            self._highest.pop(run, None)

    def allowance(self, target: Target) -> Allowance:  # noqa: ARG002
        """The API keeps nothing itself: its end loses nothing."""
        return Allowance()


def _done(reply: Reply) -> Reply:
    if reply.status != 200:
        raise UnreachableError(f"the reference API answered {reply.status}")
    return reply


ACKS: Acks = ApiAcks()
