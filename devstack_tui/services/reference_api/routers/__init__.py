"""The routes, one module per concern. None holds state: that is in `app.state.backends`."""

from typing import Annotated

from fastapi import Depends, Path, Request

from devstack_tui.services.reference_api.backends import Backends


async def _backends(request: Request) -> Backends:
    """Asynchronous, because FastAPI sends a plain function to a thread for each request."""
    found: Backends = request.app.state.backends
    return found


Stack = Annotated[Backends, Depends(_backends)]
Name = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[a-zA-Z0-9_.-]+$")]
