"""What stands before the application: who may ask, how much, and what is counted."""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from devstack_tui.services.reference_api import TOKEN_FILE, token
from devstack_tui.services.reference_api.metrics import METRICS
from devstack_tui.services.reference_api.replies import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 1_000_000  # bytes
SAFE = ("GET", "HEAD", "OPTIONS")
METHODS = (*SAFE, "POST", "PUT", "PATCH", "DELETE")
DEFAULT_PORTS = {"http": 80, "https": 443}
LOG = logging.getLogger(__name__)
_ODD_PATH = re.compile(rb"//|(?:^|/)\.{1,2}(?:/|$)|\\|%(?:2e|2f|5c|25|00)|[^\x21-\x7e]", re.I)
"""What no path of ours has: an empty, `.` or `..` part, or a slash, dot or percent sign encoded."""

Headers = dict[bytes, list[bytes]]


class Guard:
    """A web page in the user's browser must not be able to use the API, and nobody may write who
    has neither the stack's token nor was given a page by the API itself.

    Every request names the listener that it asks, name and port, as its only `Host` (a foreign one
    is DNS rebinding); what a browser says of where it comes from (`Origin`, `Sec-Fetch-Site`) is
    that listener too. A write is `application/json`, and has the token, or that origin.
    `token_digest` is of `token.digest`; `writes` says whether a request reaches a route that
    writes: where none does, the application answers 404 or 405.
    """

    def __init__(
        self, app: ASGIApp, host: str, token_digest: str, writes: Callable[[Scope], bool]
    ) -> None:
        self._app = app
        self._names = (host, "localhost", "reference-api", "reference-api.dev-services.local")
        self._digest = token_digest
        self._writes = writes

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
            if refused := self.refusal(scope):
                await refused(scope, receive, counted)
            else:
                await self._app(scope, limited, counted)
        except Exception as error:
            # The answer has been sent by the application; the message may hold data: not logged.
            LOG.error("%s %s: %s", scope["method"], scope["path"], _where(error))  # noqa: TRY400
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            METRICS.count(scope["method"], route, status, time.perf_counter() - started)

    def refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that the application must not see."""
        headers: Headers = defaultdict(list)
        for name, value in scope["headers"]:
            headers[name].append(value)
        own = self._own(scope, headers)
        if own is None:
            return problem(403, "unknown Host: ask by the name and the port of this API")
        if why := _foreign(scope["method"], headers, own):
            return problem(403, why)
        if unfit := _unfit(scope, headers):
            return unfit
        if scope["method"] in SAFE or not self._writes(scope):
            return None
        return self._unauthorized(headers)

    def _own(self, scope: Scope, headers: Headers) -> bytes | None:
        """The `Host` of the request, if it is the listener's that was asked."""
        _, port = scope["server"]
        known = {f"{name}:{port}".encode() for name in self._names}
        if DEFAULT_PORTS.get(scope["scheme"]) == port:
            known |= {name.encode() for name in self._names}
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or hosts[0].lower() not in known:
            return None
        return f"{scope['scheme']}://".encode() + hosts[0].lower()

    def _unauthorized(self, headers: Headers) -> Response | None:
        kinds = headers.get(b"content-type", [])
        if len(kinds) != 1 or kinds[0].partition(b";")[0].strip().lower() != b"application/json":
            return problem(415, "a write needs Content-Type: application/json")
        given = headers.get(b"authorization", [])
        if given and not (len(given) == 1 and token.matches(given[0], self._digest)):
            return _login("this is not the token of this stack")
        # A foreign origin was refused before.
        if given or b"origin" in headers:
            return None
        return _login(
            "a write needs the token of the stack: Authorization: Bearer, and what is in its "
            f"secrets/{TOKEN_FILE}"
        )


def _unfit(scope: Scope, headers: Headers) -> Response | None:
    """What is wrong with the request whoever makes it."""
    if scope["method"] not in METHODS:
        return problem(405, "this method is not known here")
    if _ODD_PATH.search(scope.get("raw_path") or scope["path"].encode()):
        return problem(404, "there is no such path")
    if int(headers.get(b"content-length", [b"0"])[0]) > MAX_BODY:
        return problem(413, f"the body is over {MAX_BODY} bytes")
    return None


def _foreign(method: str, headers: Headers, own: bytes) -> str:
    """Why what a browser says of where a request comes from is refused, or an empty string."""
    if any(origin.lower() != own for origin in headers.get(b"origin", [])):
        return "requests of other sites are refused"
    sites = headers.get(b"sec-fetch-site", [])
    # A link that the user follows from elsewhere is no use of the API by the other page.
    followed = method in SAFE and headers.get(b"sec-fetch-mode") == [b"navigate"]
    if any(site not in (b"same-origin", b"none") for site in sites) and not followed:
        return "requests of other sites are refused"
    return ""


def _login(why: str) -> Response:
    answer = problem(401, why)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _where(error: BaseException) -> str:
    """The class of an error and the line that raised it."""
    trace: Any = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + place
