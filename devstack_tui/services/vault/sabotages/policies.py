"""Policies that are wider or narrower than declared."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from devstack_tui.contracts.audit import Sabotage, SabotageStack, VaultClient
from devstack_tui.identity.bootstrap import ADMIN
from devstack_tui.services.vault.matrix import roles
from devstack_tui.services.vault.sabotages import kit
from devstack_tui.services.vault.sabotages.kit import Apply, added, changed

EVERYTHING = """\
path "*" {
  capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"]
}
"""
NOTHING = 'path "sys/health" {\n  capabilities = ["read"]\n}\n'
WIDE = '\npath "sys/mounts" {\n  capabilities = ["read"]\n}\n'
NO_WRAPPING = '\npath "sys/wrapping/wrap" {\n  capabilities = ["deny"]\n}\n'


def sabotages() -> tuple[Sabotage, ...]:
    """Three for each role, and the policies that are no role's."""
    found: list[Sabotage] = []
    for role in roles():
        name = f"{role}-policy"
        applies = {
            "policy.{role}.wildcard": _policy(name, lambda text: EVERYTHING),
            "policy.{role}.comment": _policy(name, lambda text: f"# changed by hand\n{text}"),
        }
        if role != ADMIN:
            applies["policy.{role}.empty"] = _policy(name, lambda text: NOTHING)
        found += kit.sabotages(applies, role=role)
    found += kit.sabotages(
        {
            "policy.default.wide": _policy("default", lambda text: text + WIDE),
            "policy.default.no_wrapping": _policy(
                "default", lambda text: _without(text, "sys/wrapping/wrap") + NO_WRAPPING
            ),
            "policy.foreign": added("sys/policies/acl/devstack-tui-stray", policy=EVERYTHING),
        }
    )
    return tuple(found)


def _policy(name: str, change: Callable[[str], str]) -> Apply:
    """A policy with another text; its own, to the letter, is restored at the end."""
    path = f"sys/policies/acl/{name}"

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


def _without(text: str, path: str) -> str:
    """The policy without its rule for a path."""
    head, rule, tail = text.partition(f'path "{path}"')
    return head + tail.partition("}")[2] if rule else text
