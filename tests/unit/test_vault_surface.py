"""What Vault answers about itself, judged: nothing is asked of a server."""

from __future__ import annotations

from typing import Any

import pytest

from devstack_tui.contracts.audit import Finding
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.vault.audit import mounts
from devstack_tui.services.vault.audit.kit import Answer, exactly, within
from devstack_tui.services.vault.audit.secret_ids import life_s
from devstack_tui.services.vault.audit.surface import as_declared

SECRET = {
    "accessor": "kv_1",
    "config": {"default_lease_ttl": 0, "force_no_cache": False, "max_lease_ttl": 0},
    "options": {"version": "2"},
    "type": "kv",
    "local": False,
    "seal_wrap": False,
    "plugin_version": "",
}
KINDS = {
    "non_hmac": mounts._non_hmac,
    "headers": mounts._headers,
    "leases": mounts._leases,
    "listing": mounts._listing,
    "mounted": mounts._mounted,
}


def judged(name: str, seen: dict[str, Any]) -> set[str]:
    """The kinds that fail."""
    mount = mounts.MOUNTS[name]
    found: dict[str, Finding] = {kind: judge(mount, seen) for kind, judge in KINDS.items()}
    return {kind for kind, one in found.items() if one.status is not Status.PASS}


def tuned(**config: Any) -> dict[str, Any]:
    return {**SECRET, "config": {**SECRET["config"], **config}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (SECRET, set()),
        (tuned(audit_non_hmac_response_keys=["password"]), {"non_hmac"}),
        (tuned(passthrough_request_headers=["Cookie"]), {"headers"}),
        (tuned(allowed_response_headers=["Set-Cookie"]), {"headers"}),
        (tuned(max_lease_ttl=315360000), {"leases"}),
        (tuned(listing_visibility="unauth"), {"listing"}),
        (tuned(force_no_cache=True), {"mounted"}),
        ({**SECRET, "options": {"version": "1"}}, {"mounted"}),
        ({**SECRET, "type": "transit"}, {"mounted"}),
        ({**SECRET, "plugin_version": "v1"}, {"mounted"}),
        ({**SECRET, "config": None}, set()),
    ],
)
def test_what_a_mount_is_tuned_to_turns_one_kind(seen: dict[str, Any], expected: set[str]) -> None:
    assert judged("secret", seen) == expected


def test_a_secret_id_s_life_is_from_its_beginning_to_its_end() -> None:
    dates = {
        "creation_time": "2026-01-01T00:00:00.5Z",
        "expiration_time": "2036-01-01T00:00:00.5Z",
    }
    assert life_s({"secret_id_ttl": 0, **dates}) == float("inf")
    assert life_s({"secret_id_ttl": 900}) == 900
    assert life_s({"secret_id_ttl": 900, **dates}) > 9 * 365 * 86400
    assert life_s({"secret_id_ttl": 900, "creation_time": "?", "expiration_time": "?"}) == 900


@pytest.mark.parametrize(
    ("cidr", "inside"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1/32", True),
        ("127.0.0.0/8", False),
        ("0.0.0.0/0", False),
        ("::1", False),
        ("nobody", False),
    ],
)
def test_an_address_is_inside_or_not(cidr: str, inside: bool) -> None:
    assert within(cidr, "127.0.0.1/32") is inside


def test_names_and_settings_are_compared_exactly() -> None:
    assert exactly(["a"], ["a"]).status is Status.PASS
    assert "not declared: b" in exactly(["a", "b"], ["a"]).evidence
    assert "missing: a" in exactly([], ["a"]).evidence
    wanted = {"on": False, "names": [], "ttl": "0s"}
    assert as_declared("it", {"on": False, "names": None}, wanted).status is Status.PASS
    assert as_declared("it", {"on": True}, wanted).status is Status.FAIL
    with pytest.raises(DevstackError, match="reports none of"):
        as_declared("it", {"other": 1}, wanted)


@pytest.mark.parametrize("document", [{}, {"data": []}, {"data": {"keys": 7}}, {"data": "x"}])
def test_an_answer_of_another_shape_is_an_empty_one(document: dict[str, Any]) -> None:
    assert Answer(200, document).names == ()
