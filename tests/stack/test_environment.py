"""A healthy stack is healthy whatever the user's environment and dot files say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.stack.conftest import take_down

WRONG = "/nonexistent/file"
FAMILIES = {
    "postgres": {
        "PGSERVICE": "elsewhere",
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGPASSWORD": "wrong",
        "PGDATABASE": "elsewhere",
        "PGTARGETSESSIONATTRS": "standby",
        "PGGSSENCMODE": "require",
        "PGREQUIREAUTH": "none",
        "PGCHANNELBINDING": "require",
        "PGSSLMODE": "disable",
        "PGSSLNEGOTIATION": "direct",
        "PGSSLCERT": WRONG,
        "PGSSLROOTCERT": WRONG,
        "PGSSLMINPROTOCOLVERSION": "TLSv1.3",
        "PGSSLMAXPROTOCOLVERSION": "TLSv1",
        "PGLOADBALANCEHOSTS": "wrong",
        "PGCLIENTENCODING": "wrong",
        "PGOPTIONS": "-c transaction_read_only=on",
        "PGTZ": "wrong",
        "PGDATESTYLE": "wrong",
    },
    "others": {
        "MYSQL_HOST": "192.0.2.1",
        "MYSQL_HOME": "HOME",
        "MYSQL_TCP_PORT": "1",
        "LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN": "1",
        "REDISCLI_AUTH": "wrong",
        "REDISCLI_RCFILE": WRONG,
        "VAULT_ADDR": "https://192.0.2.1",
        "VAULT_TOKEN": "wrong",
        "VAULT_CACERT": WRONG,
        "BAO_ADDR": "https://192.0.2.1",
        "RABBITMQ_NODENAME": "wrong@nowhere",
        "RABBITMQ_CONF_ENV_FILE": WRONG,
        "ERL_FLAGS": "-wrong",
        "ERL_AFLAGS": "-wrong",
        "ERL_LIBS": WRONG,
        "GIT_DIR": WRONG,
        "GODEBUG": "x509ignoreCN=0,netdns=wrong",
    },
    "network": {
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://192.0.2.1:1"),
        **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "socks5://192.0.2.1:1"),
        "NO_PROXY": "nothing.example",
        "SSL_CERT_FILE": WRONG,
        "SSL_CERT_DIR": WRONG,
        "SSLKEYLOGFILE": WRONG,
        "REQUESTS_CA_BUNDLE": WRONG,
        "CURL_CA_BUNDLE": WRONG,
        "OPENSSL_CONF": "HOME/openssl.cnf",
        "KRB5CCNAME": WRONG,
        "TZ": "Pacific/Chatham",
        "LC_ALL": "tr_TR.UTF-8",
    },
}
DOT_FILES = {
    ".pg_service.conf": "[elsewhere]\nhost=192.0.2.1\n",
    ".pgpass": "*:*:*:*:wrong\n",
    ".postgresql/postgresql.crt": "wrong",
    ".postgresql/postgresql.key": "wrong",
    ".postgresql/root.crt": "wrong",
    ".postgresql/root.crl": "wrong",
    ".psqlrc": "wrong\n",
    ".my.cnf": "wrong\n[client]\nhost=192.0.2.1\n[mysqld]\nport=1\n",
    ".mylogin.cnf": "wrong",
    ".redisclirc": "wrong\n",
    ".vault-token": "wrong",
    ".vault": "wrong",
    ".mongorc.js": "wrong(",
    ".erlang": "wrong(",
    ".erlang.cookie": "wrong",
    ".gitconfig": "wrong",
    ".netrc": "machine 127.0.0.1 login wrong password wrong\n",
    "openssl.cnf": (
        "openssl_conf = default\n[default]\nssl_conf = ssl\n[ssl]\nsystem_default = none\n"
        "[none]\nMaxProtocol = TLSv1\nCipherString = wrong\n"
    ),
}


def hostile(live: Cli, home: Path, *families: str) -> Cli:
    """The command line of a user who has set all of that."""
    for name, text in DOT_FILES.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(text)
    env = {"HOME": str(home)}
    for family in families:
        for name, value in FAMILIES[family].items():
            env[name] = value.replace("HOME", str(home))
    return dataclasses.replace(live, env=env)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_healthy_stack_stays_healthy_under_each_family(
    live: Cli, tmp_path: Path, family: str
) -> None:
    rows = hostile(live, tmp_path, family).status().values()
    assert {row["name"]: row["reason"] for row in rows if row["state"] != "healthy"} == {
        row["name"]: row["reason"] for row in live.status().values() if row["state"] != "healthy"
    }


def test_under_all_at_once_it_is_found_healthy_and_measured(live: Cli, tmp_path: Path) -> None:
    cli = hostile(live, tmp_path, *FAMILIES)
    pids = {name: row["units"] for name, row in live.status().items()}
    up = cli.run("up")
    assert up.returncode == 0, up.stderr
    assert {n: [u["pid"] for u in row["units"]] for n, row in cli.status().items()} == {
        name: [unit["pid"] for unit in units] for name, units in pids.items()
    }
    tpcb = cli.run("bench", "run", "--size", "smoke", "--runs", "1", "postgres.tpcb", "redis.get")
    assert tpcb.returncode == 0, tpcb.stderr


def test_a_stack_lives_in_a_directory_with_an_odd_name(state_home: Path) -> None:
    odd = state_home / "ü #1 %s $HOME &;|(x)"
    odd.mkdir(mode=0o711)
    env = {"XDG_CONFIG_HOME": str(state_home / "config")}
    cli = Cli(odd, "odd", env)
    try:
        up = cli.run("up", timeout=180)
        assert up.returncode == 0, up.stderr
        assert {row["state"] for row in cli.status().values()} <= {"healthy", "absent"}
    finally:
        take_down(cli)
