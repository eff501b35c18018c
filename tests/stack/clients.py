"""Clients of the tests' own: independent of the product's, so that they can contradict it."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest

from devstack_tui.core.paths import StackPaths
from devstack_tui.state import instance as instances
from devstack_tui.state.settings import load
from tests.conftest import Cli


def secret(cli: Cli, service: str) -> dict[str, str]:
    """User, password and database, as the stack keeps them for its clients."""
    raw = (cli.root / "secrets" / "credentials" / f"{service}.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, str])


def secrets(cli: Cli) -> dict[str, str]:
    """Every secret of the stack by what it is: these are the canaries."""
    found = {}
    for path in (cli.root / "secrets" / "credentials").glob("*.json"):
        if password := secret(cli, path.stem)["password"]:
            found[f"password of {path.stem}"] = password
    for path in (cli.root / "secrets" / "approles").glob("*/secret-id"):
        found[f"secret_id of {path.parent.name}"] = path.read_text()
    keys = msgspec.json.decode((cli.root / "secrets" / "vault-keys.json").read_bytes())
    found["unseal key"] = keys["unseal_key"]
    if (token := cli.root / "secrets" / "reference-api-token").exists():
        found["token of the reference API"] = token.read_text().strip()
    for path in cli.root.glob("data/*/tls/server.key"):
        found[f"private key of {path.parent.parent.name}"] = path.read_text().splitlines()[1]
    return found


def leaks(cli: Cli, text: str) -> list[str]:
    """Which secrets of the stack are in `text`."""
    return [name for name, value in secrets(cli).items() if value in text]


def ports(cli: Cli, service: str) -> dict[str, int]:
    """The ports of a service in this stack."""
    found = instances.read(StackPaths(cli.stack, cli.root))
    assert found is not None
    with pytest.MonkeyPatch.context() as patch:
        cli.enter(patch)
        return load(found.overrides).of(service, found.port_offset).ports


def ca(cli: Cli) -> str:
    """The root certificate."""
    return str(cli.root / "ca.crt")


def trusting(cli: Cli) -> ssl.SSLContext:
    """A TLS context that trusts the stack's root alone."""
    return ssl.create_default_context(cafile=ca(cli))


@contextlib.contextmanager
def postgres(
    cli: Cli, sslmode: str = "verify-full", account: str = "postgres"
) -> Iterator[psycopg.Connection[Any]]:
    """An autocommit connection to PostgreSQL's database for applications; `postgres-admin` is the
    account that administrates it."""
    found = {**secret(cli, account), "database": secret(cli, "postgres")["database"]}
    with psycopg.connect(
        host="127.0.0.1",
        port=ports(cli, "postgres")["main"],
        user=found["user"],
        password=found["password"],
        dbname=found["database"],
        sslmode=sslmode,
        sslrootcert=ca(cli) if sslmode.startswith("verify") else None,
        autocommit=True,
    ) as connection:
        yield connection


def acks_tables(cli: Cli) -> list[str]:
    """What runs of acknowledged writes have left in PostgreSQL."""
    with postgres(cli) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return [name for (name,) in rows if "acks" in name]


def vault(cli: Cli, token: str = "") -> Any:
    """A Vault client that trusts the stack's root."""
    import hvac

    return hvac.Client(
        url=f"https://127.0.0.1:{ports(cli, 'vault')['main']}", verify=ca(cli), token=token
    )


def approle_token(cli: Cli, name: str) -> str:
    """Log in by the AppRole of `name` with the files that the stack keeps."""
    folder = cli.root / "secrets" / "approles" / name
    answer = vault(cli).auth.approle.login(
        role_id=(folder / "role-id").read_text(), secret_id=(folder / "secret-id").read_text()
    )
    return str(answer["auth"]["client_token"])


@contextlib.contextmanager
def mysql(cli: Cli, account: str = "mysql", database: str | None = None) -> Iterator[Any]:
    """A cursor of MySQL or MariaDB; `mysql-admin` is the account that administrates it."""
    import pymysql

    found = secret(cli, account)
    with (
        contextlib.closing(
            pymysql.connect(
                host="127.0.0.1",
                port=ports(cli, "mysql")["main"],
                user=found["user"],
                password=found["password"],
                database=database,
                ssl=trusting(cli),
                autocommit=True,
            )
        ) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


@contextlib.contextmanager
def redis_node(cli: Cli, index: int, user: str = "", password: str = "") -> Iterator[Any]:
    """A client of one Redis node, by our own account or another."""
    import redis

    found = secret(cli, "redis-admin")
    with contextlib.closing(
        redis.Redis(
            host="127.0.0.1",
            port=ports(cli, "redis")["tls"] + index,
            username=user or found["user"],
            password=password or found["password"],
            ssl=True,
            ssl_ca_certs=ca(cli),
            decode_responses=True,
        )
    ) as client:
        yield client


@contextlib.contextmanager
def mongodb(cli: Cli, account: str = "mongodb") -> Iterator[Any]:
    """A client of MongoDB; `mongodb-admin` is the account that administrates it."""
    import pymongo

    found = secret(cli, account)
    with pymongo.MongoClient(
        "127.0.0.1",
        ports(cli, "mongodb")["main"],
        username=found["user"],
        password=found["password"],
        tls=True,
        tlsCAFile=ca(cli),
        tlsDisableOCSPEndpointCheck=True,
        serverSelectionTimeoutMS=5000,
    ) as client:
        yield client
