"""The security checks of Vault: its AppRoles, policies, tokens, secrets and itself."""

from __future__ import annotations

from devstack_tui.services.vault import (
    audit_files,
    audit_issuers,
    audit_login,
    audit_matrix,
    audit_policies,
    audit_roles,
    audit_server,
    audit_tokens,
    audit_trail,
    sabotage_policies,
    sabotage_roles,
    sabotage_server,
)
from devstack_tui.services.vault.matrix import load
from devstack_tui.stack.auditing import Audit, Check, MatrixCell, Sabotage


class VaultChecks:
    """See `devstack_tui.stack.auditing.Checks` and `Matrixed`."""

    def checks(self, audit: Audit) -> tuple[Check, ...]:  # noqa: ARG002
        """All of them, the seed's first. Raises `ConfigError` for a bad matrix.toml."""
        matrix = load()
        found = (
            *audit_server.checks(),
            *audit_trail.checks(),
            *audit_login.checks(),
            *audit_roles.checks(),
            *audit_matrix.checks(matrix),
            *audit_policies.checks(matrix),
            *audit_tokens.checks(),
            *audit_issuers.checks(),
            *audit_files.checks(),
        )
        return tuple(sorted(found, key=lambda check: (not check.seed, check.seed and check.id)))

    def sabotages(self) -> tuple[Sabotage, ...]:
        """What turns them red."""
        return (
            *sabotage_policies.sabotages(),
            *sabotage_roles.sabotages(),
            *sabotage_server.sabotages(),
        )

    def matrix(self, audit: Audit) -> tuple[MatrixCell, ...]:
        """Declared against real."""
        return audit_matrix.cells(audit, load())


CHECKS = VaultChecks()
