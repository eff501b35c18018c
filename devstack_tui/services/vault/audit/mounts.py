"""How every engine and auth method of Vault is mounted: nothing is tuned that is not declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.identity.bootstrap import INTERMEDIATE_TTL, ROOT_TTL
from devstack_tui.services.vault.audit.kit import declared, judged, tables, unsure

NON_HMAC = ("audit_non_hmac_request_keys", "audit_non_hmac_response_keys")
HEADERS = ("passthrough_request_headers", "allowed_response_headers")
LEASES = ("default_lease_ttl", "max_lease_ttl")
LISTING = "listing_visibility"
_HANDLED = {*NON_HMAC, *HEADERS, *LEASES, LISTING, "token_type"}
# What Vault says of a mount besides its settings.
_IDENTITY = {
    *("accessor", "uuid", "description", "deprecation_status", "config", "options", "type"),
    *("running_plugin_version", "running_sha256", "local", "seal_wrap"),
}


@dataclass(frozen=True, slots=True)
class Mount:
    """What is declared of one mount; all else is off, empty or 0."""

    type: str
    auth: bool = False
    max_lease_s: int = 0
    headers: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    local: bool = False
    seal_wrap: bool = False


def _seconds(hours: str) -> int:
    return int(hours.removesuffix("h")) * 3600


MOUNTS: Mapping[str, Mount] = {
    "cubbyhole": Mount("cubbyhole", local=True),
    "identity": Mount("identity", headers=("Authorization",)),
    "pki": Mount("pki", max_lease_s=_seconds(ROOT_TTL)),
    "pki_int": Mount("pki", max_lease_s=_seconds(INTERMEDIATE_TTL)),
    "secret": Mount("kv", options={"version": "2"}),
    "sys": Mount("system", headers=("Accept",), seal_wrap=True),
    "auth.approle": Mount("approle", auth=True),
    "auth.token": Mount("token", auth=True),
}
Seen = Mapping[str, Any]


def checks() -> tuple[Check, ...]:
    """Five for each mount."""
    kinds: dict[str, Callable[[Mount, Seen], Finding]] = {
        "non_hmac": _non_hmac,
        "headers": _headers,
        "leases": _leases,
        "listing": _listing,
        "mounted": _mounted,
    }
    found: list[Check] = []
    for name, mount in MOUNTS.items():
        runs = {
            f"mount.{{mount}}.{kind}": partial(_look, name, mount, decide)
            for kind, decide in kinds.items()
        }
        found += declared(
            "mounts", runs, mount=name, path=name.replace(".", "/"), max_lease=mount.max_lease_s
        )
    return tuple(found)


def _look(
    name: str, mount: Mount, decide: Callable[[Mount, Seen], Finding], audit: Audit
) -> Finding:
    seen = tables(audit, "sys/auth" if mount.auth else "sys/mounts")
    path = f"{name.removeprefix('auth.')}/"
    if path not in seen:
        return unsure(f"{path} is not mounted")
    return decide(mount, seen[path])


def _config(seen: Seen) -> Seen:
    found = seen.get("config")
    return found if isinstance(found, dict) else {}


def _non_hmac(mount: Mount, seen: Seen) -> Finding:  # noqa: ARG001
    plain = {key: _config(seen).get(key) for key in NON_HMAC}
    words = "; ".join(f"{key}: {', '.join(value)}" for key, value in plain.items() if value)
    return judged(not words, f"in plain in the audit log: {words or 'nothing'}")


def _headers(mount: Mount, seen: Seen) -> Finding:
    passed, allowed = (tuple(_config(seen).get(key) or ()) for key in HEADERS)
    words = f"requests' {', '.join(passed) or 'none'}; answers' {', '.join(allowed) or 'none'}"
    return judged(set(passed) <= set(mount.headers) and not allowed, f"headers: {words}")


def _leases(mount: Mount, seen: Seen) -> Finding:
    default, most = (int(_config(seen).get(key) or 0) for key in LEASES)
    evidence = f"default_lease_ttl {default} s, max_lease_ttl {most} s (0: the server's)"
    return judged((default, most) == (0, mount.max_lease_s), evidence)


def _listing(mount: Mount, seen: Seen) -> Finding:  # noqa: ARG001
    shown = _config(seen).get(LISTING) or "hidden"
    return judged(shown == "hidden", f"listing_visibility = {shown}")


def _mounted(mount: Mount, seen: Seen) -> Finding:
    """All that the others do not look at."""
    config = _config(seen)
    wrong = [f"type {seen.get('type')}"] if seen.get("type") != mount.type else []
    if (options := dict(seen.get("options") or {})) != mount.options:
        wrong.append(f"options {options}")
    for name, wanted in (("local", mount.local), ("seal_wrap", mount.seal_wrap)):
        if bool(seen.get(name)) != wanted:
            wrong.append(f"{name} = {seen.get(name)}")
    if mount.auth and config.get("token_type", "default-service") != "default-service":
        wrong.append(f"token_type = {config['token_type']}")
    further = {key: value for key, value in config.items() if key not in _HANDLED}
    further |= {key: value for key, value in seen.items() if key not in _IDENTITY}
    wrong += [f"{key} = {value}" for key, value in further.items() if value]
    return judged(not wrong, "; ".join(wrong) or f"type {mount.type}, nothing further is set")
