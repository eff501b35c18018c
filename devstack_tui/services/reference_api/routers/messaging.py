"""RabbitMQ: publishing with the broker's confirmation, and looking at a queue."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Query
from starlette.responses import Response

from devstack_tui.core import codec
from devstack_tui.services.reference_api.backends.base import RefusedError
from devstack_tui.services.reference_api.backends.rabbitmq import RabbitMq
from devstack_tui.services.reference_api.replies import reply
from devstack_tui.services.reference_api.routers import Name, Stack

NAME = r"^[a-zA-Z0-9_.-]{1,100}$"
Queue = Annotated[str | None, Query(pattern=NAME)]
Document = Annotated[dict[str, Any], Body()]
router = APIRouter(prefix="/examples/messaging", tags=["messaging"])


@router.post("/publish")
async def publish(stack: Stack, body: Document, queue_name: Queue = None) -> Response:
    """Publish `{"queue": …, "message": {…}}`, or any object with `queue_name` in the query.

    The answer comes when the broker has confirmed the message. The queue is made if there is none.
    """
    queue, message = queue_name, body
    if queue is None:
        queue, message = _unpack(body)
    if not message:
        raise RefusedError(422, "the message is empty")
    broker = stack.of(RabbitMq)
    await broker.ask(broker.publish(queue, msgspec.json.encode(message)))
    return reply({"queue": queue, "message": message, "action": "published"})


@router.get("/queue/{name}/info")
async def queue_info(name: Name, stack: Stack) -> Response:
    """How many messages wait in the queue, and how many consumers for them."""
    broker = stack.of(RabbitMq)
    found = await broker.ask(broker.queue(name))
    counts = dataclasses.asdict(found) if found else {"messages": None, "consumers": None}
    return reply(
        {
            "queue": name,
            "exists": found is not None,
            "message_count": counts["messages"],
            "consumer_count": counts["consumers"],
        }
    )


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    queue: Annotated[str, msgspec.Meta(pattern=NAME)]
    message: Any


def _unpack(body: dict[str, Any]) -> tuple[str, Any]:
    try:
        found = codec.convert(body, _Envelope)
    except msgspec.ValidationError as error:
        raise RefusedError(422, f"expected queue and message: {error}") from None
    return found.queue, found.message
