"""Vault's policies as data: what a policy's text grants, path by path."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devstack_tui.core.errors import DevstackError

# Strings stay as they are; comments go.
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|#[^\n]*|//[^\n]*|/\*.*?\*/', re.DOTALL)
_PATH = re.compile(r'\s*path\s+"((?:\\.|[^"\\])*)"\s*\{')
_CAPABILITIES = re.compile(r"\bcapabilities\s*=\s*\[([^\]]*)\]")
_LEGACY = re.compile(r'\bpolicy\s*=\s*"(\w+)"')
_STRING = re.compile(r'"((?:\\.|[^"\\])*)"')


@dataclass(frozen=True, slots=True)
class Rule:
    """One `path` of a policy. A legacy `policy = "write"` counts as a capability `write`."""

    path: str
    capabilities: frozenset[str]

    @property
    def pattern(self) -> bool:
        """Whether it stands for more than one path."""
        return "*" in self.path or "+" in self.path.split("/")

    def __str__(self) -> str:
        return f'path "{self.path}" [{", ".join(sorted(self.capabilities))}]'


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of a policy in HCL. Raises `DevstackError` for what is none: nothing of a policy
    is passed over."""
    bare = _COMMENT.sub(lambda found: found[1] or " ", text)
    rules: list[Rule] = []
    at = 0
    while bare[at:].strip():
        head = _PATH.match(bare, at)
        if head is None:
            raise DevstackError(f"no rule of a policy: {bare[at:].strip()[:60]!r}")
        at = _closing(bare, head.end())
        body = bare[head.end() : at - 1]
        granted = {name for found in _CAPABILITIES.findall(body) for name in _STRING.findall(found)}
        granted.update(_LEGACY.findall(body))
        rules.append(Rule(head[1], frozenset(granted)))
    return tuple(rules)


def _closing(text: str, at: int) -> int:
    """Just behind the brace that closes what is open at `at`."""
    depth = 1
    for found in re.finditer(r'"(?:\\.|[^"\\])*"|[{}]', text[at:]):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return at + found.end()
    raise DevstackError("a rule of the policy is not closed")
