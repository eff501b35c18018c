"""The files that open Vault and those that it writes: only their owner may read them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.contracts.model import ADMIN_SUFFIX
from devstack_tui.contracts.registry import services
from devstack_tui.contracts.service_files import ServicePath
from devstack_tui.core.check import Status
from devstack_tui.core.files import PRIVATE_DIR, PRIVATE_FILE
from devstack_tui.identity import bootstrap
from devstack_tui.identity.owner_socket import CONFIG_FILE
from devstack_tui.identity.vault_api import admin_path, approle_files, credentials_path
from devstack_tui.services.vault.audit.kit import declared, failed, judged
from devstack_tui.services.vault.matrix import owners, roles
from devstack_tui.services.vault.server import AUDIT_LOG

Where = Callable[[Audit], ServicePath]


def _own(path_in: Callable[[Path], Path], audit: Audit) -> ServicePath:
    """A file or directory in the stack's directory of secrets."""
    return audit.own_file(path_in(audit.secrets))


def _of_vault(name: str, audit: Audit) -> ServicePath:
    """One of Vault's own files."""
    return ServicePath(audit.files("vault"), name)


def _fixed() -> dict[str, tuple[str, Where]]:
    return {
        "keys": ("the unseal key", partial(_own, bootstrap.keys_path)),
        "secrets": ("the directory of secrets", partial(_own, lambda secrets: secrets)),
        "config": ("Vault's configuration", partial(_of_vault, CONFIG_FILE)),
        "audit_log": ("the audit log", partial(_of_vault, AUDIT_LOG)),
        "storage": ("Vault's storage", partial(_of_vault, "raft/vault.db")),
        "data": ("Vault's data directory", partial(_of_vault, "")),
    }


def _of_role(role: str, name: str) -> Where:
    """One of the files of an AppRole, or with an empty name their directory."""
    return partial(_own, lambda secrets: approle_files(secrets, role)[0].parent / name)


def watched() -> dict[str, tuple[str, Where]]:
    """Every file and directory by the end of its check's id: what it is, and where."""
    found = _fixed()
    for role in roles():
        for kind, what, name in (
            ("role_id", "role_id", "role-id"),
            ("secret_id", "secret_id", "secret-id"),
            ("accessor", "accessor of the secret_id", "secret-id-accessor"),
        ):
            found[f"{role}.{kind}"] = (f"the {what} of {role}", _of_role(role, name))
        found[f"{role}.folder"] = (f"the directory of the AppRole {role}", _of_role(role, ""))
    for service in services():
        if service.credentials is not None:
            found[f"{service.secret}.credentials"] = (
                f"the password of {service.secret}",
                partial(_own, partial(credentials_path, name=service.name)),
            )
        if service.admin is not None:
            found[f"{service.admin_secret}.credentials"] = (
                f"the administrator's password of {service.secret}",
                partial(_own, partial(admin_path, name=service.name)),
            )
    return found


def checks() -> tuple[Check, ...]:
    """One for each, and that no root token is kept."""
    found: list[Check] = []
    for name, (what, where) in watched().items():
        run = partial(_private, name.partition(".")[0], where)
        kind = name.rpartition(".")[2]
        found += declared("files", {"file.{name}": run}, name=name, what=what, kind=kind)
    return (*found, *declared("files", {"file.root_token": _no_root_token}))


def _private(name: str, where: Where, audit: Audit) -> Finding:
    path = where(audit)
    found = path.stat()
    # No colon after a path: what follows "secret-id:" would be taken for the secret, and hidden.
    if found is None:
        owner = name.removesuffix(ADMIN_SUFFIX)
        absent = owner in owners() and owner.replace("-", "_") not in audit.services()
        why = f"since {owner} was never started" if absent else "`devstack-tui up` makes it anew"
        if name in ("keys", "storage"):
            why = "which nobody can make anew: put it back from a copy"
        missing = path.name.rpartition("/")[2]
        return Finding(Status.SKIPPED if absent else Status.ERROR, f"there is no {missing}, {why}")
    wanted = PRIVATE_DIR if found.is_directory else PRIVATE_FILE
    evidence = f"{path} has mode {found.mode:04o}, owner {found.uid}"
    return judged(found.own and found.mode & ~wanted == 0, evidence)


def _no_root_token(audit: Audit) -> Finding:
    keys = bootstrap.read_keys(audit.secrets)
    stray = [path.name for path in audit.secrets.glob("root*token*")]
    if keys is None:
        return Finding(Status.ERROR, "the file with the unseal key is not there")
    if keys.root_token:
        return failed("the file with the unseal key holds a root token as well")
    return judged(not stray, f"kept as a file: {', '.join(stray)}" if stray else "none is kept")
