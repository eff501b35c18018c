"""What the bootstrap leaves behind in Vault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hvac.exceptions
import msgspec
import pytest

from devstack_tui.contracts.registry import services
from tests.conftest import Cli
from tests.stack.clients import approle_token, vault

OWNERS = [s.secret for s in services() if s.credentials is not None]


@pytest.fixture
def admin(live: Cli) -> Iterator[Any]:
    client = vault(live, approle_token(live, "admin"))
    yield client
    client.auth.token.revoke_self()


def test_it_is_initialised_unsealed_and_persistent(live: Cli) -> None:
    status = vault(live).sys.read_seal_status()
    assert status["initialized"]
    assert not status["sealed"]
    assert status["storage_type"] == "raft"


def test_plain_http_is_refused(live: Cli) -> None:
    import httpx

    from tests.stack.clients import ports

    answer = httpx.get(f"http://127.0.0.1:{ports(live, 'vault')['main']}/v1/sys/health")
    assert answer.status_code == 400


def test_the_file_audit_device_is_on_and_records_requests(live: Cli, admin: Any) -> None:
    devices = admin.sys.list_enabled_audit_devices()["data"]
    assert devices["file/"]["type"] == "file"
    log = live.root / "data" / "vault" / "audit.log"
    before = log.stat().st_size
    admin.sys.list_mounted_secrets_engines()
    assert log.stat().st_size > before
    assert log.stat().st_mode & 0o777 == 0o600


def test_kv_is_version_2_and_both_pkis_are_there(admin: Any) -> None:
    mounts = admin.sys.list_mounted_secrets_engines()["data"]
    assert mounts["secret/"]["options"] == {"version": "2"}
    assert mounts["pki/"]["type"] == mounts["pki_int/"]["type"] == "pki"


def test_the_root_token_is_revoked_and_not_kept(live: Cli) -> None:
    keys = msgspec.json.decode((live.root / "secrets" / "vault-keys.json").read_bytes())
    assert keys["unseal_key"]
    assert keys["root_token"] == ""


@pytest.mark.parametrize("owner", OWNERS)
def test_each_approle_reads_its_own_secret_and_no_other(live: Cli, owner: str) -> None:
    client = vault(live, approle_token(live, owner))
    try:
        own = client.secrets.kv.v2.read_secret_version(owner, raise_on_deleted_version=True)
        assert own["data"]["data"]["password"]
        for other in OWNERS:
            if other == owner:
                continue
            with pytest.raises(hvac.exceptions.Forbidden):
                client.secrets.kv.v2.read_secret_version(other, raise_on_deleted_version=True)
    finally:
        client.auth.token.revoke_self()


@pytest.mark.parametrize("owner", OWNERS)
def test_each_token_has_exactly_its_policies_and_an_hour(live: Cli, owner: str) -> None:
    client = vault(live, approle_token(live, owner))
    try:
        token = client.auth.token.lookup_self()["data"]
        assert set(token["policies"]) == {"default", f"{owner}-policy"}
        assert token["creation_ttl"] == 3600
        assert token["renewable"]
    finally:
        client.auth.token.revoke_self()


def test_the_admin_can_neither_read_a_secret_nor_change_a_policy(admin: Any) -> None:
    admin.sys.read_acl_policy("postgres-policy")
    with pytest.raises(hvac.exceptions.Forbidden):
        admin.secrets.kv.v2.read_secret_version("postgres", raise_on_deleted_version=True)
    with pytest.raises(hvac.exceptions.Forbidden):
        admin.sys.create_or_update_acl_policy("postgres-policy", 'path "*" {}')
    with pytest.raises(hvac.exceptions.Forbidden):
        admin.auth.approle.create_or_update_approle("postgres-role", token_policies=["root"])


def test_a_lost_secret_id_is_minted_anew_by_the_next_up(live: Cli) -> None:
    path = live.root / "secrets" / "approles" / "mysql" / "secret-id"
    lost = path.read_text()
    path.unlink()
    assert live.run("restart", "mysql").returncode == 0
    assert path.read_text() != lost
    with pytest.raises(hvac.exceptions.InvalidRequest):
        vault(live).auth.approle.login(
            role_id=path.with_name("role-id").read_text(), secret_id=lost
        )
