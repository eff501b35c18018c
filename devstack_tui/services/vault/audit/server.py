"""Vault itself: sealed or not, what is mounted, what it shows to anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from devstack_tui.contracts.audit import Audit, Check, Finding, Severity
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.identity.vault_api import VaultApi
from devstack_tui.services.vault.audit.kit import (
    ask_as_admin,
    check,
    judged,
    raw,
    shared,
    tables,
    unsure,
)

MOUNTS = {"cubbyhole/", "identity/", "pki/", "pki_int/", "secret/", "sys/"}
METHODS = {"approle/", "token/"}
ORIGIN = "https://devstack-tui.invalid"
OPEN = "vault.config.open"
# What answers without a token when it is let: the path, the setting, the sabotage.
DOORS = {
    "ui": ("/ui/", "ui = false", "the web interface is off"),
    "metrics": (
        "/v1/sys/metrics",
        "telemetry { unauthenticated_metrics_access = false }",
        "metrics are for tokens",
    ),
    "pprof": (
        "/v1/sys/pprof/cmdline",
        "profiling { unauthenticated_pprof_access = false }",
        "profiles are for tokens",
    ),
    "in_flight": (
        "/v1/sys/in-flight-req",
        "inflight_requests_logging { unauthenticated_in_flight_requests_access = false }",
        "requests in flight are shown to tokens alone",
    ),
    "generate_root": (
        "/v1/sys/generate-root/attempt",
        "disable_unauthed_generate_root_endpoints = true",
        "nobody without a token can begin to make a root token",
    ),
    "rekey": (
        "/v1/sys/rekey/init",
        "disable_unauthed_rekey_endpoints = true",
        "nobody without a token can begin to change the unseal key",
    ),
}


def checks() -> tuple[Check, ...]:
    """Core checks 1 and 2, and what an operator would look at."""
    kinds: tuple[tuple[str, int, str, Callable[[Audit], Finding], str, str], ...] = (
        (
            "seal",
            1,
            "Vault is initialised and unsealed",
            _seal,
            "vault.sealed",
            "`devstack-tui up vault` unseals it",
        ),
        (
            "approle",
            2,
            "there is one AppRole mount, where the services log in",
            _approle,
            "vault.auth.second_approle",
            "`bao auth disable PATH` for the other one",
        ),
        (
            "methods",
            0,
            "no auth method is on but AppRole and token",
            _methods,
            "vault.auth.userpass",
            "`bao auth disable PATH`",
        ),
        (
            "mounts",
            0,
            "exactly the declared engines are mounted",
            _mounts,
            "vault.mount.kv1",
            "`bao secrets disable PATH`",
        ),
        (
            "kv_version",
            0,
            "every KV engine is of version 2: what is overwritten can be read",
            _kv_version,
            "vault.mount.kv1",
            "`bao kv enable-versioning PATH`",
        ),
        (
            "kv_history",
            0,
            "the KV engine keeps at least two versions",
            _kv_history,
            "vault.kv.one_version",
            "`bao write secret/config max_versions=0`",
        ),
        (
            "listing",
            0,
            "no mount shows itself to anybody",
            _listing,
            "vault.mount.listed",
            "`bao secrets tune -listing-visibility=hidden PATH`",
        ),
        (
            "cors",
            0,
            "no web page of another origin is let in",
            _cors,
            "vault.config.cors",
            "`bao delete sys/config/cors`",
        ),
        (
            "raw",
            0,
            "the raw storage endpoint is off",
            partial(_off, "raw_storage_endpoint"),
            OPEN,
            "take `raw_storage_endpoint` out of bao.hcl: `devstack-tui restart vault`",
        ),
        (
            "introspection",
            0,
            "the introspection endpoint is off",
            partial(_off, "introspection_endpoint"),
            OPEN,
            "take `introspection_endpoint` out of bao.hcl: `devstack-tui restart vault`",
        ),
    )
    found = [
        _check(
            f"{core:02}" if core else f"server.{name}",
            title,
            run,
            sabotage=sabotage,
            remedy=remedy,
            core=core,
        )
        for name, core, title, run, sabotage, remedy in kinds
    ]
    found += [
        _check(
            f"server.{name}",
            title,
            partial(_closed, path),
            sabotage=OPEN,
            remedy=f"`{setting}` in bao.hcl: `devstack-tui restart vault` writes it",
        )
        for name, (path, setting, title) in DOORS.items()
    ]
    return tuple(found)


def _check(
    id: str,
    title: str,
    run: Callable[[Audit], Finding],
    *,
    sabotage: str,
    remedy: str,
    core: int = 0,
) -> Check:
    return check(
        id,
        title,
        run,
        severity=Severity.HIGH if core else Severity.MEDIUM,
        stake="Vault guards every password of the stack: what it opens or forgets, they lose",
        remedy=remedy,
        sabotage=sabotage,
        group="server",
        core=core,
    )


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
    return _exactly(tables(audit, "sys/auth"), METHODS)


def _mounts(audit: Audit) -> Finding:
    return _exactly(tables(audit, "sys/mounts"), MOUNTS)


def _exactly(found: Iterable[str], declared: set[str]) -> Finding:
    foreign, missing = sorted(set(found) - declared), sorted(declared - set(found))
    evidence = ", ".join(sorted(found))
    if foreign:
        evidence += f"; not declared: {', '.join(foreign)}"
    if missing:
        evidence += f"; missing: {', '.join(missing)}"
    return judged(not foreign and not missing, evidence)


def _kv_version(audit: Audit) -> Finding:
    versions = {
        path: (mount.get("options") or {}).get("version", "1")
        for path, mount in tables(audit, "sys/mounts").items()
        if mount["type"] == "kv"
    }
    told = ", ".join(f"{path} version {version}" for path, version in versions.items())
    return judged(bool(versions) and set(versions.values()) == {"2"}, told or "no KV engine")


def _kv_history(audit: Audit) -> Finding:
    kept = ask_as_admin(audit, "get", "secret/config")["max_versions"]
    return judged(kept != 1, f"max_versions {kept}{' (the default: 10)' if not kept else ''}")


def _listing(audit: Audit) -> Finding:
    answer, _ = raw(audit, "GET", "/v1/sys/internal/ui/mounts")
    if answer.status >= 500:
        raise UnreachableError(f"Vault cannot tell what it shows: {answer}")
    told = answer.document.get("data") or {}
    shown = sorted(path for kind in ("secret", "auth") for path in told.get(kind) or {})
    return judged(not shown, f"shown without a token: {', '.join(shown) or 'none'}")


def _cors(audit: Audit) -> Finding:
    _, headers = raw(audit, "GET", "/v1/sys/health", headers={"Origin": ORIGIN})
    allowed = headers.get("access-control-allow-origin", "")
    return judged(not allowed, f"to origin {ORIGIN}: {allowed or 'no access-control header'}")


def _off(setting: str, audit: Audit) -> Finding:
    path = "sys/config/state/sanitized"
    found = shared(audit, path, lambda: ask_as_admin(audit, "get", path))
    if setting not in found:
        raise DevstackError(f"{path} does not tell {setting}")
    return judged(not found[setting], f"{setting} = {found[setting]}")


def _closed(path: str, audit: Audit) -> Finding:
    """Refused without a token, beside a path that is for everybody."""
    answer, _ = raw(audit, "GET", path)
    control, _ = raw(audit, "GET", "/v1/sys/health")
    evidence = f"GET {path} without a token: {answer}; sys/health: {control.status}"
    if not control.ok:
        return unsure(f"no control: {evidence}")
    return judged(answer.status >= 400, evidence)
