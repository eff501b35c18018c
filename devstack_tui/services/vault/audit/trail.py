"""Vault's audit log: it has every request, and no secret in plain."""

from __future__ import annotations

import json
import secrets as random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.contracts.service_files import ServicePath, own_name
from devstack_tui.core.errors import UnreachableError
from devstack_tui.services.vault.audit.kit import ask, declared, judged, shared, tables, unsure
from devstack_tui.services.vault.server import AUDIT_LOG

WRITER = "postgres"
TAIL_BYTES = 1024 * 1024
WRITTEN_WITHIN_S = 1.0


def checks() -> tuple[Check, ...]:
    """That there is a device, that it writes, and that it hides secrets."""
    return declared(
        "trail",
        {
            "server.audit_device": _audit_device,
            "server.audit_writes": _audit_writes,
            "server.audit_secret": _audit_secret,
            "server.audit_token": _audit_token,
        },
    )


def _audit_device(audit: Audit) -> Finding:
    devices = tables(audit, "sys/audit")
    found = [path for path, device in devices.items() if device["type"] == "file"]
    return judged(bool(found), f"audit devices: {', '.join(devices) or 'none'}")


@dataclass(frozen=True, slots=True)
class _Trail:
    """A secret and a token that we used, and the entries of each log about them."""

    password: str
    token: str
    logs: Mapping[str, list[dict[str, Any]]]

    def __repr__(self) -> str:
        return "_Trail(…)"


def _trail(audit: Audit) -> _Trail:
    """Once an audit. Our entries are found by a path that nobody else asks for."""
    return shared(audit, "trail", lambda: _leave_trail(audit))


def _leave_trail(audit: Audit) -> _Trail:
    mark = f"devstack-tui-audit-{random.token_hex(8)}"
    client = audit.login(WRITER)
    ask(client, "get", f"secret/data/{mark}")
    own = ask(client, "get", f"secret/data/{WRITER}")
    if not own.ok:
        raise UnreachableError(f"{WRITER} cannot read its own secret: {own}")
    password = str(own.document["data"]["data"]["password"])
    deadline = time.monotonic() + WRITTEN_WITHIN_S
    paths = _logs(audit)
    while True:
        found = {path.name: _after(path, mark) for path in paths}
        if all(found.values()) or time.monotonic() > deadline:
            return _Trail(password, client.token, found)
        time.sleep(0.02)


def _logs(audit: Audit) -> list[ServicePath]:
    """The file of every file device; that of ours when there is none."""
    files = audit.files("vault")
    devices = tables(audit, "sys/audit").values()
    found = [str(one["options"]["file_path"]) for one in devices if one["type"] == "file"]
    names = [own_name(files, path) for path in found] or [AUDIT_LOG]
    return [ServicePath(files, name) for name in names]


def _after(path: ServicePath, mark: str) -> list[dict[str, Any]]:
    """The entries from the mark to the next read of the writer's secret that was answered."""
    lines = path.read(TAIL_BYTES).decode(errors="replace").splitlines()
    found: list[dict[str, Any]] = []
    for line in lines:
        if found or mark in line:
            try:
                found.append(json.loads(line))
            except ValueError:  # it is being written
                return []
            if _is_answer(found[-1], _token(found[0])):
                return found
    return []


def _is_answer(entry: dict[str, Any], token: str) -> bool:
    """Whether it is the read of the secret by the token of the first entry: others are denied the
    same path meanwhile."""
    request = entry.get("request") or {}
    asked = (entry.get("type"), request.get("operation"), request.get("path"))
    return asked == ("response", "read", f"secret/data/{WRITER}") and _token(entry) == token


def _token(entry: dict[str, Any]) -> str:
    return str((entry.get("request") or {}).get("client_token", ""))


def _audit_writes(audit: Audit) -> Finding:
    logs = _trail(audit).logs
    summary = ", ".join(f"{name}: {len(entries)}" for name, entries in logs.items())
    return judged(all(logs.values()), f"entries from our request to our next answer: {summary}")


def _audit_secret(audit: Audit) -> Finding:
    trail = _trail(audit)
    return _hidden(trail.logs, _password, trail.password, "the password that was read")


def _audit_token(audit: Audit) -> Finding:
    trail = _trail(audit)
    return _hidden(trail.logs, _token, trail.token, "the token that read it")


def _password(entry: dict[str, Any]) -> str:
    data = ((entry.get("response") or {}).get("data") or {}).get("data") or {}
    return str(data.get("password", ""))


def _hidden(
    logs: Mapping[str, list[dict[str, Any]]],
    kept: Callable[[dict[str, Any]], str],
    plain: str,
    what: str,
) -> Finding:
    """Whether every log has it as an HMAC, and none in plain."""
    if not all(logs.values()):
        return unsure("a log has no entry of our read")
    hashed = {name: kept(found[-1]).startswith("hmac-sha256:") for name, found in logs.items()}
    bare = [name for name, found in logs.items() if plain in json.dumps(found)]
    summary = ", ".join(
        f"{name}: {'HMAC' if is_so else 'no HMAC'}" for name, is_so in hashed.items()
    )
    evidence = f"{what}: {summary}; in plain in: {', '.join(bare) or 'none'}"
    return judged(all(hashed.values()) and not bare, evidence)
