"""What stands before the application: who may ask, how much, and what is counted."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

from devstack_tui.services.reference_api.metrics import METRICS
from devstack_tui.services.reference_api.replies import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 1_000_000  # bytes
SAFE = ("GET", "HEAD", "OPTIONS")
LOG = logging.getLogger(__name__)


class Guard:
    """The API has no login, so a web page in the user's browser must not be able to use it.

    A foreign `Host` (DNS rebinding) and a writing request from a foreign `Origin` are refused.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._names = {host, "localhost", "reference-api", "reference-api.dev-services.local"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY:
                raise HTTPException(413, f"the body is over {MAX_BODY} bytes")
            return message

        try:
            headers = dict(scope["headers"])
            if why := self.refusal(scope["method"], headers):
                await problem(403, why)(scope, receive, counted)
            elif int(headers.get(b"content-length", b"0")) > MAX_BODY:
                await problem(413, f"the body is over {MAX_BODY} bytes")(scope, receive, counted)
            else:
                await self._app(scope, limited, counted)
        except Exception as error:
            # The answer has been sent by the application; the message may hold data: not logged.
            LOG.error("%s %s: %s", scope["method"], scope["path"], _where(error))  # noqa: TRY400
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            METRICS.count(scope["method"], route, status, time.perf_counter() - started)

    def refusal(self, method: str, headers: dict[bytes, bytes]) -> str:
        """Why a request is refused, or an empty string."""
        host = _name(f"//{headers.get(b'host', b'').decode('latin-1')}")
        if host not in self._names:
            return "unknown Host"
        origin = headers.get(b"origin")
        if origin is not None and method not in SAFE:
            name = _name(origin.decode("latin-1"))
            if name not in self._names:
                return "requests of other sites are refused"
        return ""


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _where(error: BaseException) -> str:
    """The class of an error and the line that raised it."""
    trace: Any = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + place
