"""RabbitMQ."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings, own_name
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """`[services.rabbitmq]`: ports `main` (AMQP), `tls` (AMQPS), `dist` and `epmd`, which are
    Erlang's own and answer nobody but the node and its tools."""


def connect(endpoint: Endpoint, credentials: Credentials, ca: Path) -> str:
    """The AMQPS address as RabbitMQ's clients read it, without the password."""
    return (
        f"amqps://{quote(credentials.user, safe='')}@{endpoint.host}:"
        f"{endpoint.tls_port or endpoint.port}/{quote(credentials.database, safe='')}"
        f"?cacertfile={quote(str(ca))}&verify=verify_peer"
        f"&server_name_indication={own_name('rabbitmq')}"
    )


SERVICE = Service(
    name="rabbitmq",
    title="RabbitMQ",
    scheme="amqp",
    settings=Settings,
    hint=Hint(apt=("rabbitmq-server",)),
    account="rabbitmq",
    credentials=Credentials(user="devstack", database="devstack"),
    connect=connect,
)
