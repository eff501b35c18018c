"""A second opinion on an outage: a plain client that writes one key again and again.

It is a process of its own and shares nothing with the instrument: redis-py, one write after the
other, on the nodes in turn until one takes it. It reads where to write from standard input (JSON,
one line), says `ready` after its first success, and when its input ends writes its longest pause.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PACE_S = 0.004


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    told = json.loads(sys.stdin.readline())
    nodes = itertools.cycle(
        redis.Redis(
            host=told["host"],
            port=port,
            username=told["user"],
            password=told["password"],
            socket_timeout=0.2,
            socket_connect_timeout=0.2,
            retry=Retry(NoBackoff(), 0),
        )
        for port in told["ports"]
    )
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    node = next(nodes)
    longest = last = 0.0
    while not over.wait(PACE_S):
        try:
            node.set(told["key"], "x")
        except (redis.RedisError, OSError):
            node = next(nodes)
            continue
        now = time.monotonic()
        if last:
            longest = max(longest, now - last)
        else:
            tell("ready")
        last = now
    with contextlib.suppress(BrokenPipeError):
        tell(json.dumps({"longest": longest}))


if __name__ == "__main__":
    main()
