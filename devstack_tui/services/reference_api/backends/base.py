"""What the backends share: a time limit, errors as reasons, credentials from Vault."""

from __future__ import annotations

import asyncio
import logging
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar, Protocol, TypeVar

from devstack_tui.contracts.model import Credentials
from devstack_tui.core.redact import redact
from devstack_tui.services.reference_api.config import Peer
from devstack_tui.services.reference_api.metrics import METRICS

T = TypeVar("T")
LIMIT_S = 5.0
"""For a whole request to a backend, waiting for a free connection included."""
CONNECT_S = 2.0
LOG = logging.getLogger(__name__)


class UnavailableError(Exception):
    """A backend did not do its work; `reason` is one sentence without secrets."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service}: {reason}")
        self.service = service
        self.reason = reason


class AbsentError(Exception):
    """The stack has no such service."""

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} is not part of this stack")
        self.service = service


class RefusedError(Exception):
    """The backend works and refuses the request. `status` is for HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Reporter:
    """Says on the log when a backend goes and when it comes back, not at every request."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._reason = ""

    def note(self, reason: str) -> None:
        """`reason` is empty when the backend answered."""
        METRICS.backend(self._name, not reason)
        if bool(reason) != bool(self._reason):
            LOG.info("%s: %s", self._name, reason or "answers again")
        self._reason = reason


async def limited(
    name: str,
    work: Awaitable[T],
    limit: float,
    hide: Callable[[], frozenset[str]],
    reporter: Reporter,
) -> T:
    """The result of `work` within `limit` seconds, or `UnavailableError` with the reason.

    A driver may take long to be cancelled: psycopg asks a server that hangs to cancel the query. It
    does so in the background.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    try:
        await asyncio.wait([task], timeout=limit)
        result = task.result()
    except (AbsentError, RefusedError):
        raise
    except UnavailableError as error:  # Vault, on the way to the backend's credentials
        reporter.note(str(error))
        raise UnavailableError(name, f"{error}") from None
    except (TimeoutError, asyncio.InvalidStateError):
        reason = f"no answer within {limit:g} s"
    except Exception as error:  # each driver has its own: all mean that the backend failed
        reason = explain(error, hide())
    else:
        reporter.note("")
        return result
    finally:
        task.cancel()
    reporter.note(reason)
    raise UnavailableError(name, reason) from None


def explain(error: BaseException, hide: frozenset[str] = frozenset()) -> str:
    """A driver's error as one line without secrets; drivers hide the cause in many ways."""
    text = " ".join(str(error).split())
    if "refused" in text.lower() or isinstance(error.__cause__, ConnectionRefusedError):
        return "the connection is refused"
    if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted"
    if "timed out" in text or "imeout" in text or "Timeout" in type(error).__name__:
        return "no answer in time"
    return redact(text, hide)[:300] or type(error).__name__


class CredentialSource(Protocol):
    """Where a backend's user and password come from: Vault."""

    async def credentials_of(self, name: str) -> Credentials:
        """The credentials of the service `name`, kept until they are forgotten."""

    def forget_secret(self, name: str) -> None:
        """Read them again when they are asked for the next time."""


class Backend(ABC):
    """One service that the API uses."""

    name: ClassVar[str]

    def __init__(self, peer: Peer, ca: str, vault: CredentialSource) -> None:
        self.peer = peer
        self.ca = ca
        self._vault = vault
        self._reporter = Reporter(self.name)
        self._hide: frozenset[str] = frozenset()

    async def credentials(self) -> Credentials:
        """Its secret in Vault, kept until `forget`."""
        found = await self._vault.credentials_of(self.name)
        self._hide = frozenset([found.password])
        return found

    def forget(self) -> None:
        """Read the secret again before the next connection: the password may be a new one."""
        self._vault.forget_secret(self.name)

    async def ask(self, work: Awaitable[T], limit: float = LIMIT_S) -> T:
        """Await `work`; raises `UnavailableError` when the backend fails or takes too long."""
        # The password is known only after the work has begun.
        return await limited(self.name, work, limit, lambda: self._hide, self._reporter)

    @abstractmethod
    async def check(self) -> dict[str, str]:
        """Do the smallest real work; returns what is worth knowing, `version` among it."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""
