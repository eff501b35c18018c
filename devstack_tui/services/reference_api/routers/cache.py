"""Redis as a cache."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from devstack_tui.services.reference_api.backends.base import RefusedError
from devstack_tui.services.reference_api.backends.redis import RedisCache
from devstack_tui.services.reference_api.replies import reply
from devstack_tui.services.reference_api.routers import Stack

DAY_S = 86400
Key = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[a-zA-Z0-9_:.-]+$")]
Value = Annotated[str | None, Query(max_length=10_000)]
Ttl = Annotated[int | None, Query(ge=1, le=DAY_S, description="seconds")]
router = APIRouter(prefix="/examples/cache", tags=["cache"])


class Entry(BaseModel):
    """A value of up to 100,000 characters; `ttl` in seconds, absent: for ever."""

    value: str = Field(max_length=100_000)
    ttl: int | None = Field(default=None, ge=1, le=DAY_S)


@router.get("/{key}")
async def get_value(key: Key, stack: Stack) -> Response:
    """The value, whether there is one, and its time to live in seconds."""
    cache = stack.of(RedisCache)
    value, ttl = await cache.ask(cache.value(key))
    lasts = None if value is None else ttl if ttl >= 0 else "no expiration"
    return reply({"key": key, "value": value, "exists": value is not None, "ttl": lasts})


@router.post("/{key}")
@router.put("/{key}")
async def set_value(
    key: Key, stack: Stack, entry: Entry | None = None, value: Value = None, ttl: Ttl = None
) -> Response:
    """Set it: a JSON body with `value` and `ttl`, or the same as query parameters."""
    if entry is None:
        if value is None:
            raise RefusedError(422, "`value` is missing: as JSON body or as query parameter")
        entry = Entry(value=value, ttl=ttl)
    cache = stack.of(RedisCache)
    await cache.ask(cache.put(key, entry.value, entry.ttl))
    return reply({"key": key, "value": entry.value, "ttl": entry.ttl, "action": "set"})


@router.delete("/{key}")
async def delete_value(key: Key, stack: Stack) -> Response:
    """Remove it."""
    cache = stack.of(RedisCache)
    deleted = await cache.ask(cache.delete(key))
    return reply({"key": key, "deleted": deleted, "action": "delete"})
