"""Policies that are wider or narrower than declared, each by one rule."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from devstack_tui.contracts.audit import Sabotage, SabotageStack, VaultClient
from devstack_tui.identity.bootstrap import ADMIN
from devstack_tui.services.vault.audit.matrix import PRIVILEGES
from devstack_tui.services.vault.sabotages import kit
from devstack_tui.services.vault.sabotages.kit import Apply, added, changed

ROLE, OTHER = "rabbitmq", "mysql"
"""Whose policy is changed, and whose secret and certificate it then reaches."""
ANYTHING = 'path "devstack-tui-stray" {\n  capabilities = ["read"]\n}\n'
NO_WRAPPING = '\npath "sys/wrapping/wrap" {\n  capabilities = ["deny"]\n}\n'
# What lets a role do one thing with a secret, and nothing else of the matrix.
GRANTS = {
    "read": (f"secret/data/{OTHER}", ("read",)),
    "write": (f"secret/data/{OTHER}", ("create", "update")),
    "list": (f"secret/metadata/{OTHER}", ("list",)),
    "delete": (f"secret/delete/{OTHER}", ("update",)),
}
SUDO = {"accessors", "methods"}
"""The privileges whose paths Vault gives to nobody without `sudo`."""


def sabotages() -> tuple[Sabotage, ...]:
    """One right more for each operation and privilege, one right less, and what is no right."""
    applies = {
        f"grant.{ROLE}.{OTHER}.{operation}": _rule(path, *capabilities)
        for operation, (path, capabilities) in GRANTS.items()
    }
    applies[f"grant.{ROLE}.{OTHER}.issue"] = _rule(f"pki_int/issue/{OTHER}-role", "update")
    applies[f"policy.{ROLE}.patterns"] = _rule("devstack-tui-stray/*", "read")
    applies[f"policy.{ROLE}.sudo"] = _rule("devstack-tui-stray", "sudo")
    applies[f"denied.{ROLE}.{ROLE}"] = _policy(ROLE, _less(f"secret/data/{ROLE}"))
    applies[f"denied.{ROLE}.certificate"] = _policy(ROLE, _less(f"pki_int/issue/{ROLE}-role"))
    mint = PRIVILEGES["mint"][2]
    found = [
        *kit.sabotages(applies, (f"policy.{ROLE}.text",)),
        *kit.sabotages({f"denied.{ADMIN}.mint": _rule(mint, "deny", role=ADMIN)}),
        *kit.sabotages(
            {
                f"policy.{ROLE}.comment": _policy(ROLE, lambda text: f"# by hand\n{text}"),
                "policy.default.wide": _policy("default", lambda text: text + ANYTHING),
                "policy.default.no_wrapping": _policy(
                    "default", lambda text: _less("sys/wrapping/wrap")(text) + NO_WRAPPING
                ),
                "policy.foreign": added("sys/policies/acl/devstack-tui-stray", policy=ANYTHING),
            }
        ),
    ]
    for name, (_, method, path, _) in PRIVILEGES.items():
        wanted = ("list",) if method == "list" else ("create", "update")
        mighty = name in SUDO
        found += kit.sabotages(
            {"grant.{role}.{privilege}": _rule(path, *wanted, *(("sudo",) if mighty else ()))},
            (f"policy.{ROLE}.text", *((f"policy.{ROLE}.sudo",) if mighty else ())),
            role=ROLE,
            privilege=name,
        )
    return tuple(found)


def _rule(path: str, *capabilities: str, role: str = ROLE) -> Apply:
    """One rule more in the policy of a role."""
    listed = ", ".join(f'"{one}"' for one in capabilities)
    return _policy(
        role, lambda text: f'{text}\npath "{path}" {{\n  capabilities = [{listed}]\n}}\n'
    )


def _policy(name: str, change: Callable[[str], str]) -> Apply:
    """A policy with another text; its own, to the letter, is restored at the end."""
    path = f"sys/policies/acl/{name if name == 'default' else f'{name}-policy'}"

    def apply(stack: SabotageStack) -> AbstractContextManager[None]:
        before: list[str] = []

        def make(vault: VaultClient) -> None:
            before.append(str(vault.call("get", path)["data"]["policy"]))
            vault.call("put", path, policy=change(before[0]))

        def undo(vault: VaultClient) -> None:
            for text in before:
                vault.call("put", path, policy=text)

        return changed(stack, make, undo)

    return apply


def _less(path: str) -> Callable[[str], str]:
    """A policy without its rule for a path."""

    def change(text: str) -> str:
        head, rule, tail = text.partition(f'path "{path}"')
        return head + tail.partition("}")[2] if rule else text

    return change
