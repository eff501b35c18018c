"""What each AppRole can have certified: its own names, and for how long.

No certificate comes of any of these requests: each also asks for an address that is none, which
Vault looks at after the names and refuses. The text of the refusal shows which of the two it was.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.contracts.registry import service
from devstack_tui.identity.bootstrap import dns_names
from devstack_tui.services.vault.audit.kit import (
    ask,
    ask_as_admin,
    declared,
    judged,
    shared,
    unsure,
)
from devstack_tui.services.vault.matrix import owners

LONGEST_S = 366 * 24 * 3600
NO_ADDRESS = "no-address"


def checks() -> tuple[Check, ...]:
    """Eight for each service, and the lists of issuing roles."""
    settings = {"domains": _domains, "max_ttl": _max_ttl, "key": _key, "usage": _usage}
    found: list[Check] = []
    for name in owners():
        other = "mysql" if name != "mysql" else "postgres"
        tries = {
            "other_name": other,
            "any_name": "devstack-tui.invalid",
            "wildcard": f"*.{name}",
            "subdomain": f"evil.{name}",
        }
        runs = {kind: partial(_refused, name, wanted) for kind, wanted in tries.items()}
        runs |= {kind: partial(run, name) for kind, run in settings.items()}
        found += declared(
            "issuers",
            {f"issuer.{{name}}.{kind}": run for kind, run in runs.items()},
            name=name,
            other=other,
            domains=",".join(dns_names(service(name))),
        )
    return (*found, *declared("issuers", {"issuer.foreign": _foreign, "issuer.root": _root}))


def _ask_for_address(audit: Audit, name: str, wanted: str) -> str:
    """Vault's answer to a request for `wanted` with an address that is none."""
    answer = ask(
        audit.login(name),
        "post",
        f"pki_int/issue/{name}-role",
        common_name=wanted,
        ip_sans=NO_ADDRESS,
    )
    return str(answer)


def _refused(name: str, wanted: str, audit: Audit) -> Finding:
    control = shared(audit, f"issuer.{name}", lambda: _ask_for_address(audit, name, name))
    summary = _ask_for_address(audit, name, wanted)
    evidence = f"for {wanted}: {summary}; for {name}: {control}"
    if NO_ADDRESS not in control:  # its own name is what it did not come past
        return unsure(f"no control: {evidence}")
    return judged(summary.startswith("400") and NO_ADDRESS not in summary, evidence)


def issuing_role(audit: Audit, name: str) -> dict[str, Any]:
    """How the issuing role of `name` is set, once an audit."""
    return shared(
        audit,
        f"issuing.{name}",
        lambda: ask_as_admin(audit, "get", f"pki_int/roles/{name}-role"),
    )


def _domains(name: str, audit: Audit) -> Finding:
    found = sorted(issuing_role(audit, name)["allowed_domains"])
    wanted = sorted(dns_names(service(name)))
    return judged(found == wanted, f"{', '.join(found)}; declared {', '.join(wanted)}")


def _max_ttl(name: str, audit: Audit) -> Finding:
    found = issuing_role(audit, name)["max_ttl"]
    return judged(0 < found <= LONGEST_S, f"max_ttl {found} s ({found / 86400:.0f} days)")


def _key(name: str, audit: Audit) -> Finding:
    role = issuing_role(audit, name)
    kind, bits = role["key_type"], role["key_bits"]
    return judged((kind, bits) == ("ec", 256), f"key_type {kind}, key_bits {bits}")


def _usage(name: str, audit: Audit) -> Finding:
    role = issuing_role(audit, name)
    wide = [flag for flag in ("code_signing_flag", "email_protection_flag") if role[flag]] + list(
        role.get("ext_key_usage") or []
    )
    return judged(
        bool(role["server_flag"]) and not wide,
        f"server_flag {role['server_flag']}, beyond TLS: {', '.join(wide) or 'nothing'}",
    )


def _foreign(audit: Audit) -> Finding:
    listed = set(ask_as_admin(audit, "list", "pki_int/roles").get("keys") or [])
    foreign = sorted(listed - {f"{name}-role" for name in owners()})
    return judged(not foreign, f"{len(listed)} roles; not declared: {', '.join(foreign) or 'none'}")


def _root(audit: Audit) -> Finding:
    listed = ask_as_admin(audit, "list", "pki/roles").get("keys") or []
    return judged(not listed, f"roles of pki/: {', '.join(listed) or 'none'}")
