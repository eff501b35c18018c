"""The state of the Redis cluster, as its nodes report it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from devstack_tui.services.redis.topology import SLOTS, ClusterNode, Range, count
from devstack_tui.services.reference_api.backends.redis import RedisCache
from devstack_tui.services.reference_api.replies import reply
from devstack_tui.services.reference_api.routers import Name, Stack

router = APIRouter(prefix="/redis", tags=["redis"])


@router.get("/cluster/nodes")
async def nodes(stack: Stack) -> Response:
    """Every node: role, flags, master, link and slots."""
    cache = stack.of(RedisCache)
    found = await cache.ask(cache.nodes())
    return reply(
        {
            "status": "success",
            "total_nodes": len(found),
            "nodes": [
                {
                    **_address(cache, node),
                    "role": _role(node),
                    "flags": sorted(node.flags),
                    "master_id": node.master_id or None,
                    "config_epoch": node.config_epoch,
                    "link_state": "connected" if node.connected else "disconnected",
                    "slots_count": node.slot_count,
                    "slot_ranges": [_range(one) for one in node.slots],
                }
                for node in found
            ],
        }
    )


@router.get("/cluster/slots")
async def slots(stack: Stack) -> Response:
    """Which master serves which slots, and its replicas."""
    cache = stack.of(RedisCache)
    found = await cache.ask(cache.nodes())
    masters = sorted((n for n in found if n.master and n.slots), key=lambda n: n.slots)
    total = sum(node.slot_count for node in masters)
    return reply(
        {
            "status": "success",
            "total_slots": total,
            "max_slots": SLOTS,
            "coverage_percentage": round(total / SLOTS * 100, 2),
            "slot_distribution": [
                {
                    "start_slot": one[0],
                    "end_slot": one[1],
                    "slots_count": count([one]),
                    "master": _address(cache, node),
                    "replicas": [_address(cache, n) for n in found if n.master_id == node.id],
                }
                for node in masters
                for one in node.slots
            ],
        }
    )


@router.get("/cluster/info")
async def info(stack: Stack) -> Response:
    """CLUSTER INFO, numbers as numbers."""
    cache = stack.of(RedisCache)
    found = await cache.ask(cache.info())
    return reply(
        {
            "status": "success",
            "cluster_info": {k: int(v) if v.isdigit() else v for k, v in found.items()},
        }
    )


@router.get("/nodes/{name}/info")
async def node(name: Name, stack: Stack) -> Response:
    """INFO of one node: `redis-1` is the first."""
    cache = stack.of(RedisCache)
    found = await cache.ask(cache.node_info(name))
    return reply({"status": "success", "node": name, "info": found})


def _address(cache: RedisCache, node: ClusterNode) -> dict[str, Any]:
    return {
        "name": cache.name_of(node.port),
        "node_id": node.id,
        "host": node.host,
        "port": node.port,
    }


def _role(node: ClusterNode) -> str:
    return "master" if node.master else "replica" if node.master_id else "unknown"


def _range(slots: Range) -> dict[str, int]:
    return {"start": slots[0], "end": slots[1]}
