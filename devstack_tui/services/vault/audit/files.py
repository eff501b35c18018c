"""The files that open Vault, and those that it writes: nobody else may read them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

from devstack_tui.contracts.audit import Audit, Check, Finding, Severity
from devstack_tui.contracts.registry import services
from devstack_tui.core.check import Status
from devstack_tui.core.files import PRIVATE_DIR, PRIVATE_FILE
from devstack_tui.identity import bootstrap
from devstack_tui.identity.approle_login import credentials_path
from devstack_tui.identity.vault_api import approle_files
from devstack_tui.services.vault.audit.kit import check, failed, judged
from devstack_tui.services.vault.matrix import roles, secrets

Where = Callable[[Audit], Path]


def home(audit: Audit) -> Path:
    """Vault's data directory."""
    return audit.tls_files("vault").cert.parent.parent


def role_id(role: str, audit: Audit) -> Path:
    """The file with the role_id of an AppRole."""
    return approle_files(audit.secrets, role)[0]


def secret_id(role: str, audit: Audit) -> Path:
    """The file with its secret_id."""
    return approle_files(audit.secrets, role)[1]


def accessor(role: str, audit: Audit) -> Path:
    """The file with the accessor of its secret_id."""
    return secret_id(role, audit).with_name("secret-id-accessor")


def folder(role: str, audit: Audit) -> Path:
    """The directory of an AppRole."""
    return secret_id(role, audit).parent


def credentials(name: str, audit: Audit) -> Path:
    """The copy of a service's secret for its clients."""
    return credentials_path(audit.secrets, name)


def _fixed() -> dict[str, tuple[str, Where]]:
    return {
        "keys": ("the unseal key", lambda audit: bootstrap.keys_path(audit.secrets)),
        "secrets": ("the directory of secrets", lambda audit: audit.secrets),
        "config": ("Vault's configuration", lambda audit: home(audit) / "bao.hcl"),
        "audit_log": ("the audit log", lambda audit: home(audit) / "audit.log"),
        "storage": ("Vault's storage", lambda audit: home(audit) / "raft" / "vault.db"),
        "data": ("Vault's data directory", home),
    }


def watched() -> dict[str, tuple[str, Where]]:
    """Every file and directory by the end of its check's id: what it is, and where."""
    found = _fixed()
    for role in roles():
        found[f"{role}.role_id"] = (f"the role_id of {role}", partial(role_id, role))
        found[f"{role}.secret_id"] = (f"the secret_id of {role}", partial(secret_id, role))
        found[f"{role}.accessor"] = (
            f"the accessor of the secret_id of {role}",
            partial(accessor, role),
        )
        found[f"{role}.folder"] = (f"the directory of the AppRole {role}", partial(folder, role))
    for service in services():
        if service.credentials is not None:
            found[f"{service.secret}.credentials"] = (
                f"the password of {service.secret}",
                partial(credentials, service.name),
            )
    return found


def checks() -> tuple[Check, ...]:
    """One for each, and that no root token lies about."""
    found = [
        _check(
            f"file.{name}",
            f"{what} is for its owner alone",
            partial(_private, name.partition(".")[0], where),
            f"vault.files.{name.rpartition('.')[2]}",
            "chmod 0700 (directories) or 0600 (files) the path in the evidence",
        )
        for name, (what, where) in watched().items()
    ]
    found.append(
        _check(
            "file.root_token",
            "no root token is kept",
            _no_root_token,
            "vault.files.root_token",
            "revoke it, and let `devstack-tui up` finish the bootstrap",
        )
    )
    return tuple(found)


def _check(
    id: str, title: str, run: Callable[[Audit], Finding], sabotage: str, remedy: str
) -> Check:
    return check(
        id,
        title,
        run,
        severity=Severity.CRITICAL,
        stake="any account of this machine could open Vault, or become a service",
        remedy=remedy,
        sabotage=sabotage,
        group="files",
    )


def _private(name: str, where: Where, audit: Audit) -> Finding:
    path = where(audit)
    # No colon after a path: what follows "secret-id:" would be taken for the secret, and hidden.
    try:
        found = path.stat()
    except FileNotFoundError:
        absent = name in secrets() and name.replace("-", "_") not in audit.services()
        why = f"since {name} was never started" if absent else "`devstack-tui up` makes it anew"
        return Finding(
            Status.SKIPPED if absent else Status.ERROR, f"there is no {path.name}, {why}"
        )
    mode = stat.S_IMODE(found.st_mode)
    wanted = PRIVATE_DIR if stat.S_ISDIR(found.st_mode) else PRIVATE_FILE
    mine = found.st_uid == os.geteuid()
    evidence = f"{path} has mode {mode:04o}, owner {found.st_uid}"
    return judged(mine and mode & ~wanted == 0, evidence)


def _no_root_token(audit: Audit) -> Finding:
    keys = bootstrap.read_keys(audit.secrets)
    stray = [path.name for path in audit.secrets.glob("root*token*")]
    if keys is None:
        return Finding(Status.ERROR, "the file with the unseal key is not there")
    if keys.root_token:
        return failed("the file with the unseal key holds a root token as well")
    return judged(not stray, f"kept as a file: {', '.join(stray)}" if stray else "none is kept")
