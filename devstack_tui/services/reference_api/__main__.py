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
import ssl
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from devstack_tui.services.reference_api.app import create_app, reaches_write
from devstack_tui.services.reference_api.backends import Backends
from devstack_tui.services.reference_api.config import ApiConfig, load
from devstack_tui.services.reference_api.guard import Guard
from devstack_tui.services.reference_api.request_target import origin_form

GRACE_S = 2
BACKLOG = 2048
LOG = logging.getLogger(__name__)


class _Listener(uvicorn.Server):
    """A server that leaves the signals to `serve`: two of them would take them from each other."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listener(app: Any, **files: Any) -> _Listener:
    return _Listener(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            # Nobody stands before us: what a client says of itself is not to be believed.
            proxy_headers=False,
            http=origin_form(),
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


class RenewableContext(ssl.SSLContext):
    """A server's context that hands every new connection to `current`.

    The certificate of one context cannot be taken away: OpenSSL keeps one for each kind of key, and
    would go on to serve an old one beside the new.
    """

    current: ssl.SSLContext

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """As the event loop asks for it."""
        return self.current.wrap_bio(*args, **options)


def context_of(config: ApiConfig) -> ssl.SSLContext:
    """A server's context with the certificate, the key and the settings of `config`. Raises
    `OSError` (`ssl.SSLError` is one) or `ValueError` for what cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # First: they set how strong a certificate has to be.
    context.set_ciphers(config.tls_ciphers)
    context.minimum_version = _version(config.tls_minimum)
    context.maximum_version = _version(config.tls_maximum)
    context.load_cert_chain(config.cert, config.key)
    return context


def _version(name: str) -> ssl.TLSVersion:
    known = {version.name.replace("_", "."): version for version in ssl.TLSVersion}
    try:
        return known[name]
    except KeyError:
        raise ValueError(f"{name!r} is no version of TLS") from None


def _renew(path: Path, context: RenewableContext) -> None:
    try:
        config = load(path)
        context.current = context_of(config)
    except (OSError, ValueError) as error:
        LOG.warning("the certificate is not taken: %s", error)
    else:
        LOG.info("serving the certificate of %s", config.cert)


async def serve(path: Path) -> None:
    """Serve what the configuration file says until SIGTERM or SIGINT, then end within about 3
    seconds. SIGHUP: certificate, key and the settings of TLS are read again."""
    config = load(path)
    backends = Backends(config)
    inner = create_app(backends)
    app = Guard(inner, config.host, config.token_digest, partial(reaches_write, inner))
    # Bound before anything is served: a port that is taken ends the process with its reason.
    sockets = [_bind(config.host, port) for port in (config.http_port, config.https_port)]
    encrypted = _listener(app, ssl_certfile=config.cert, ssl_keyfile=config.key)
    listeners = [_listener(app), encrypted]
    encrypted.config.load()
    context = RenewableContext(ssl.PROTOCOL_TLS_SERVER)
    context.current = context_of(config)
    encrypted.config.ssl = context

    def end() -> None:
        for listener in listeners:
            listener.should_exit = True

    LOG.info("http://%s:%s", config.host, config.http_port)
    LOG.info("https://%s:%s", config.host, config.https_port)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, _renew, path, context)
    try:
        async with asyncio.TaskGroup() as group:
            for listener, bound in zip(listeners, sockets, strict=True):
                group.create_task(listener.serve([bound]))
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
    for name in ("uvicorn", "httpx", "httpcore", "psycopg", "pika", "pymongo"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(Path(sys.argv[1])))
    except OSError as error:
        sys.exit(f"the reference API cannot listen: {error}")
    logging.shutdown()
    # A thread that waits for a dead backend must not hold up the end of the process.
    os._exit(0)


if __name__ == "__main__":
    main()
