"""The form of a request's target: a path, and no address of another server."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from typing import Any


def origin_form() -> type[asyncio.Protocol] | str:
    """What parses HTTP for uvicorn. httptools drops the host of `GET http://other/path`, of which
    we would see the path alone; h11 leaves it there, and no route has such a path."""
    if importlib.util.find_spec("httptools") is None:
        return "h11"
    base: Any = importlib.import_module("uvicorn.protocols.http.httptools_impl").HttpToolsProtocol

    class OriginForm(base):  # type: ignore[misc]
        """Refuses (400) a target that does not begin with a slash."""

        def on_headers_complete(self) -> None:
            if not self.url.startswith(b"/"):
                raise ValueError("the target of a request is a path")
            super().on_headers_complete()

    return OriginForm
