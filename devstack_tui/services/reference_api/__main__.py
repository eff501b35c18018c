"""The process: HTTP and HTTPS in one event loop, sharing the application and its connections."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from devstack_tui.services.reference_api.app import create_app
from devstack_tui.services.reference_api.backends import Backends
from devstack_tui.services.reference_api.config import ApiConfig, load
from devstack_tui.services.reference_api.guard import Guard

GRACE_S = 2
BACKLOG = 2048
LOG = logging.getLogger(__name__)


class _Listener(uvicorn.Server):
    """A server that leaves the signals to `serve`: two of them would take them from each other."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listener(app: Any, config: ApiConfig, secure: bool) -> _Listener:
    files: dict[str, Any] = {}
    if secure:
        files = {"ssl_certfile": config.cert, "ssl_keyfile": config.key}
    return _Listener(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_S,
            **files,
        )
    )


def _bind(host: str, port: int) -> socket.socket:
    # With its protocol named: asyncio sets TCP_NODELAY on no other, and each answer waits 40 ms.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((host, port))
    found.listen(BACKLOG)
    return found


async def serve(config: ApiConfig) -> None:
    """Serve until SIGTERM or SIGINT, then end within about 3 seconds."""
    backends = Backends(config)
    app = Guard(create_app(backends), config.host)
    ports = {False: config.http_port, True: config.https_port}
    # Bound before anything is served: a port that is taken ends the process with its reason.
    sockets = {secure: _bind(config.host, port) for secure, port in ports.items()}
    listeners = {secure: _listener(app, config, secure) for secure in ports}

    def end() -> None:
        for listener in listeners.values():
            listener.should_exit = True

    LOG.info("http://%s:%s", config.host, config.http_port)
    LOG.info("https://%s:%s", config.host, config.https_port)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    try:
        async with asyncio.TaskGroup() as group:
            for secure, listener in listeners.items():
                group.create_task(listener.serve([sockets[secure]]))
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await backends.close()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: with httptools it halves the CPU of a small request."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop]
    factory = importlib.import_module("uvloop").new_event_loop
    return factory


def main() -> None:
    """`python -m devstack_tui.services.reference_api CONFIG`."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    # Theirs is a line for each request or reconnection, with addresses that we print anyway.
    for name in ("uvicorn", "httpx", "httpcore", "pika", "pymongo"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    config = load(Path(sys.argv[1]))
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(config))
    except OSError as error:
        sys.exit(f"the reference API cannot listen: {error}")
    logging.shutdown()
    # A thread that waits for a dead backend must not hold up the end of the process.
    os._exit(0)


if __name__ == "__main__":
    main()
