"""The files with accounts: what is damaged or gone is named, and no other account is used."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from devstack_tui.contracts.model import Credentials, Endpoint, Target
from devstack_tui.contracts.registry import service, services
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.files import read_word
from devstack_tui.identity import approle_login, bootstrap, vault_api

BOTH = [one.name for one in services() if one.admin and one.credentials]
NO_TEXT = b"\xff\xfe\x00"


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)


def _made(secrets: Path, name: str) -> tuple[Path, Path]:
    account = msgspec.json.encode(Credentials("somebody", "secret"))
    found = vault_api.credentials_path(secrets, name), vault_api.admin_path(secrets, name)
    for path in found:
        _write(path, account)
    return found


def _target(secrets: Path, name: str) -> Target:
    one = service(name)
    return Target(
        service=name,
        endpoint=Endpoint("x", "127.0.0.1", 1),
        ports={},
        credentials=vault_api.read_credentials(secrets, one),
        admin=vault_api.read_admin(secrets, one),
        spoilt=vault_api.spoilt(secrets, one),
        ca=secrets,
        secrets=secrets,
    )


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("raw", [b"{", b"", NO_TEXT, b"{}", None])
def test_the_application_never_stands_in_for_the_administrator(
    tmp_path: Path, name: str, raw: bytes | None
) -> None:
    _, admin = _made(tmp_path, name)
    _made(tmp_path, next(one for one in BOTH if one != name))
    assert _target(tmp_path, name).as_admin().credentials.user == "somebody"
    admin.unlink() if raw is None else admin.write_bytes(raw)
    with pytest.raises(UnreachableError) as raised:
        _target(tmp_path, name).as_admin()
    assert str(admin) in raised.value.message
    assert f"devstack-tui up {name}" in raised.value.remedy
    assert str(admin) in approle_login.without_account(tmp_path, service(name))


@pytest.mark.parametrize("name", BOTH)
def test_the_application_s_own_file_is_named_too(tmp_path: Path, name: str) -> None:
    own, _ = _made(tmp_path, name)
    own.write_bytes(b"{")
    with pytest.raises(UnreachableError, match=str(own)):
        _target(tmp_path, name).require_accounts()


def test_a_stack_of_one_account_a_service_and_one_never_started_lack_nothing(
    tmp_path: Path,
) -> None:
    assert not vault_api.spoilt(tmp_path, service("redis"))
    for name in BOTH:
        _, admin = _made(tmp_path, name)
        admin.unlink()
    for name in BOTH:
        assert _target(tmp_path, name).as_admin().credentials.user == "somebody"


def test_bytes_that_are_no_text_are_one_sentence_and_are_made_anew(tmp_path: Path) -> None:
    role, secret = vault_api.approle_files(tmp_path, "mysql")
    for path in (role, secret, bootstrap.accessor_of(secret)):
        _write(path, b"an-id\n")
    assert vault_api.approle_pair(tmp_path, "mysql") == ("an-id", "an-id")
    assert not approle_login.lacking(tmp_path, "mysql")
    secret.write_bytes(NO_TEXT)
    with pytest.raises(UnreachableError, match=r"secret-id, by which mysql logs in.*no text"):
        vault_api.approle_pair(tmp_path, "mysql")
    assert "secret-id" in approle_login.lacking(tmp_path, "mysql")
    with pytest.raises(OSError, match="no text"):
        read_word(secret)
