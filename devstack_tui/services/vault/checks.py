"""The security checks of Vault: its AppRoles, policies, tokens, secrets and itself."""

from __future__ import annotations

from devstack_tui.contracts.audit import Audit, Check, Checks, MatrixCell, Sabotage
from devstack_tui.services.vault.audit import (
    cluster,
    configuration,
    contents,
    files,
    identities,
    issuers,
    login,
    mounts,
    no_token,
    secret_ids,
    surface,
    tokens,
    trail,
)
from devstack_tui.services.vault.audit import matrix as audit_matrix
from devstack_tui.services.vault.audit import policies as audit_policies
from devstack_tui.services.vault.audit import roles as audit_roles
from devstack_tui.services.vault.audit import server as audit_server
from devstack_tui.services.vault.matrix import load
from devstack_tui.services.vault.sabotages import policies as sabotage_policies
from devstack_tui.services.vault.sabotages import roles as sabotage_roles
from devstack_tui.services.vault.sabotages import server as sabotage_server
from devstack_tui.services.vault.sabotages import surface as sabotage_surface


class VaultChecks:
    """See `devstack_tui.contracts.audit.Checks` and `MatrixChecks`."""

    def checks(self, audit: Audit) -> tuple[Check, ...]:
        """All of them, the core checks first. Raises `ConfigError` for a bad matrix.toml."""
        matrix = load()
        found = (
            *audit_server.checks(),
            *trail.checks(),
            *login.checks(),
            *audit_roles.checks(audit.target("vault").clients),
            *audit_matrix.checks(matrix),
            *audit_policies.checks(matrix),
            *tokens.checks(),
            *issuers.checks(),
            *files.checks(),
            *surface.checks(),
            *mounts.checks(),
            *secret_ids.checks(),
            *identities.checks(),
            *configuration.checks(),
            *contents.checks(),
            *no_token.checks(),
            *cluster.checks(),
        )
        return tuple(sorted(found, key=lambda check: (not check.core, check.core and check.id)))

    def sabotages(self) -> tuple[Sabotage, ...]:
        """What turns them red."""
        return (
            *sabotage_policies.sabotages(),
            *sabotage_roles.sabotages(),
            *sabotage_server.sabotages(),
            *sabotage_surface.sabotages(),
        )

    def matrix(self, audit: Audit) -> tuple[MatrixCell, ...]:
        """Declared against real."""
        return audit_matrix.cells(audit, load())


CHECKS: Checks = VaultChecks()
