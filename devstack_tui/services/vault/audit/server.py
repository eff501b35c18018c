"""Vault itself: sealed or not, what is mounted, what it shows to anybody."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.identity.vault_api import VaultApi
from devstack_tui.services.vault.audit.kit import (
    ask_as_admin,
    declared,
    exactly,
    judged,
    raw,
    shared,
    tables,
    unsure,
)

MOUNTS = {"cubbyhole/", "identity/", "pki/", "pki_int/", "secret/", "sys/"}
METHODS = {"approle/", "token/"}
ORIGIN = "https://devstack-tui.invalid"
# The paths that answer without a token when the configuration allows it.
DOORS = {
    "ui": "/ui/",
    "metrics": "/v1/sys/metrics",
    "pprof": "/v1/sys/pprof/cmdline",
    "in_flight": "/v1/sys/in-flight-req",
    "generate_root": "/v1/sys/generate-root/attempt",
    "rekey": "/v1/sys/rekey/init",
}


def checks() -> tuple[Check, ...]:
    """Core checks 1 and 2, and what an operator would look at."""
    runs: dict[str, Callable[[Audit], Finding]] = {
        "server.seal": _seal,
        "server.approle": _approle,
        "server.methods": _methods,
        "server.mounts": _mounts,
        "server.kv_version": _kv_version,
        "server.kv_history": _kv_history,
        "server.listing": _listing,
        "server.cors": _cors,
        "server.raw": partial(_off, "raw_storage_endpoint"),
        "server.introspection": partial(_off, "introspection_endpoint"),
    }
    doors = {f"server.{name}": partial(_closed, path) for name, path in DOORS.items()}
    return declared("server", {**runs, **doors})


def _seal(audit: Audit) -> Finding:
    with VaultApi(audit.target("vault"), timeout=audit.timeout) as client:
        health = client.health()
    return judged(
        bool(health["initialized"]) and not health["sealed"],
        f"initialized {health['initialized']}, sealed {health['sealed']}, {health['version']}",
    )


def _approle(audit: Audit) -> Finding:
    found = [path for path, auth in tables(audit, "sys/auth").items() if auth["type"] == "approle"]
    return judged(found == ["approle/"], f"of type approle: {', '.join(found) or 'none'}")


def _methods(audit: Audit) -> Finding:
    return exactly(tables(audit, "sys/auth"), METHODS)


def _mounts(audit: Audit) -> Finding:
    return exactly(tables(audit, "sys/mounts"), MOUNTS)


def _kv_version(audit: Audit) -> Finding:
    versions = {
        path: (mount.get("options") or {}).get("version", "1")
        for path, mount in tables(audit, "sys/mounts").items()
        if mount["type"] == "kv"
    }
    summary = ", ".join(f"{path} version {version}" for path, version in versions.items())
    return judged(bool(versions) and set(versions.values()) == {"2"}, summary or "no KV engine")


def _kv_history(audit: Audit) -> Finding:
    kept = ask_as_admin(audit, "get", "secret/config")["max_versions"]
    return judged(kept != 1, f"max_versions {kept}{' (the default: 10)' if not kept else ''}")


def _listing(audit: Audit) -> Finding:
    answer, _ = raw(audit, "GET", "/v1/sys/internal/ui/mounts")
    if answer.status >= 500:
        raise UnreachableError(f"Vault does not report what it shows: {answer}")
    summary = answer.document.get("data") or {}
    shown = sorted(path for kind in ("secret", "auth") for path in summary.get(kind) or {})
    return judged(not shown, f"shown without a token: {', '.join(shown) or 'none'}")


def _cors(audit: Audit) -> Finding:
    _, headers = raw(audit, "GET", "/v1/sys/health", headers={"Origin": ORIGIN})
    allowed = headers.get("access-control-allow-origin", "")
    return judged(not allowed, f"to origin {ORIGIN}: {allowed or 'no access-control header'}")


def _off(setting: str, audit: Audit) -> Finding:
    path = "sys/config/state/sanitized"
    found = shared(audit, path, lambda: ask_as_admin(audit, "get", path))
    if setting not in found:
        raise DevstackError(f"{path} does not report {setting}")
    return judged(not found[setting], f"{setting} = {found[setting]}")


def _closed(path: str, audit: Audit) -> Finding:
    """Refused without a token, beside a path that is for everybody."""
    answer, _ = raw(audit, "GET", path)
    control, _ = raw(audit, "GET", "/v1/sys/health")
    evidence = f"GET {path} without a token: {answer}; sys/health: {control.status}"
    if not control.ok:
        return unsure(f"no control: {evidence}")
    return judged(answer.status >= 400, evidence)
