"""How the server itself runs: where it listens, what it logs, who shares its data and its key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devstack_tui.contracts.audit import Audit, Check, Finding, as_declared
from devstack_tui.core.errors import UnreachableError
from devstack_tui.identity.owner_socket import SOCKET
from devstack_tui.services.vault.audit.kit import (
    VAULT,
    admin_answer,
    declared,
    judged,
    passed,
    raw,
    tables,
)
from devstack_tui.services.vault.server import AUDIT_LOG

STATE = "sys/config/state/sanitized"
# What a listener of ours is set to; versions and ciphers are looked at by handshakes.
LISTENER = {"address", "cluster_address", "tls_cert_file", "tls_key_file"}
BY_HANDSHAKES = {"tls_min_version", "tls_max_version", "tls_cipher_suites"}
DEVICE = "file/"
SHARES = 1


def checks() -> tuple[Check, ...]:
    """Five, of one object each."""
    return declared(
        "configuration",
        {
            "listeners": _listeners,
            "audit_device": _audit_device,
            "seal": _seal,
            "raft": _raft,
            "plugins": _plugins,
            "loggers": _loggers,
        },
    )


def _state(audit: Audit) -> Mapping[str, Any]:
    return admin_answer(audit, "get", STATE).data


def _listeners(audit: Audit) -> Finding:
    """The configuration in force; the sockets themselves are looked at beside."""
    state, own = _state(audit), f"https://{audit.target(VAULT).endpoint}"
    found = state.get("listeners")
    if not isinstance(found, list) or not found:
        raise UnreachableError(f"{STATE} reports no listener")
    wrong, seen = [], []
    if (elsewhere := state.get("api_addr")) != own:
        wrong.append(f"clients are sent to {elsewhere}")
    for one in found:
        config = one.get("config") or {}
        where = f"{one.get('type')} {config.get('address')}"
        seen.append(where)
        wrong += [f"{where}: {words}" for words in _stray(audit, one.get("type"), config)]
    return judged(not wrong, f"{', '.join(seen)}; not declared: {'; '.join(wrong) or 'nothing'}")


def _stray(audit: Audit, kind: str, config: Mapping[str, Any]) -> list[str]:
    if kind == "unix":
        # The owner's socket: there after an `up` that made the administrator's AppRole anew.
        own = (config.get("address"), str(config.get("socket_mode"))) == (SOCKET, "600")
        return [] if own else ["a socket that is not its owner's alone"]
    target = audit.target(VAULT)
    cluster = f"{target.endpoint.host}:{target.ports['cluster']}"
    wrong = []
    if config.get("address") != str(target.endpoint):
        wrong.append("another address")
    if config.get("cluster_address", cluster) != cluster:
        wrong.append(f"cluster_address {config['cluster_address']}")
    further = {n: v for n, v in config.items() if n not in LISTENER | BY_HANDSHAKES}
    # By default it is off, by whatever word.
    return wrong + [f"{n} = {v}" for n, v in further.items() if v not in (False, "false", "", None)]


def _audit_device(audit: Audit) -> Finding:
    """Exactly one, as we declare it."""
    devices = tables(audit, "sys/audit")
    wrong = [f"a further device {path}" for path in devices if path != DEVICE]
    own = devices.get(DEVICE)
    if own is None:
        wrong.append("ours is not on")
    else:
        files = audit.files(VAULT)
        wanted = {"file_path": files.path(AUDIT_LOG), "mode": "0600"}
        options = dict(own.get("options") or {})
        off = {"log_raw": "false", "hmac_accessor": "true", "elide_list_responses": "false"}
        odd = {
            name: options.get(name)
            for name in options.keys() | wanted.keys()
            if options.get(name) != wanted.get(name, off.get(name, ""))
        }
        wrong += [f"{DEVICE} {name} = {value}" for name, value in odd.items()]
    return judged(not wrong, f"{', '.join(devices) or 'none'}; {'; '.join(wrong) or 'as declared'}")


def _seal(audit: Audit) -> Finding:
    """One share, as `up` makes it: more would be kept in the same file."""
    answer, _ = raw(audit, "GET", "/v1/sys/seal-status")
    found = answer.document
    if not answer.ok or "n" not in found:
        raise UnreachableError(f"Vault does not report its seal: {answer}")
    kept = (found.get("t"), found["n"])
    evidence = f"type {found.get('type')}, {kept[0]} of {kept[1]} shares"
    odd = [name for name in ("migration", "recovery_seal", "progress") if found.get(name)]
    if kept != (SHARES, SHARES) or found.get("type") != "shamir" or odd:
        return judged(False, f"{evidence}, declared shamir, 1 of 1; {', '.join(odd)}".rstrip("; "))
    return as_declared(
        f"{evidence}, as declared: whoever can read the one file with the unseal key opens Vault"
    )


def _raft(audit: Audit) -> Finding:
    config = admin_answer(audit, "get", "sys/storage/raft/configuration").data.get("config") or {}
    servers = config.get("servers") or []
    target = audit.target(VAULT)
    own = f"{target.endpoint.host}:{target.ports['cluster']}"
    found = [f"{one.get('node_id')} at {one.get('address')}" for one in servers]
    right = [one.get("address") for one in servers] == [own]
    return judged(right, f"{', '.join(found) or 'none'}; declared: one, at {own}")


def _loggers(audit: Audit) -> Finding:
    """What the log holds now, whatever the configuration says: at trace level, requests."""
    levels = admin_answer(audit, "get", "sys/loggers").data
    loud = sorted(name for name, level in levels.items() if level in ("trace", "debug"))
    evidence = f"{len(levels)} loggers; at trace or debug level: {', '.join(loud[:5]) or 'none'}"
    return judged(not loud, evidence)


def _plugins(audit: Audit) -> Finding:
    """None but those that are built in, and no directory that others could be taken from."""
    folder = _state(audit).get("plugin_directory")
    catalogue = admin_answer(audit, "get", "sys/plugins/catalog").data.get("detailed") or []
    foreign = [f"{one.get('type')} {one.get('name')}" for one in catalogue if not one["builtin"]]
    if foreign or folder:
        return judged(False, f"plugin_directory {folder!r}; not built in: {', '.join(foreign)}")
    return passed(f"{len(catalogue)} plugins, all of them built in; no plugin_directory")
