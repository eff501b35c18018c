"""What `check` prints, for the stub of the command line: 600 checks, no server behind them.

`STUB_CHECK_FRESH` lists them as never run. `STUB_CHECK_HOLD` names a file whose absence lets a run
go on after its first half; as the real one, the child revokes and ends on SIGTERM, and then says
`revoked` to `STUB_LOG`. `STUB_CHECK_REFUSES` makes a run a refusal, and `STUB_CHECK_GONE`
everything.
"""

from __future__ import annotations

import os
from typing import Any

from bench_stub import AT, Ended, held_by, log, say

Json = dict[str, Any]
AGO = 2 * 3600 + 300
ROLES = ("postgres", "mysql", "mongodb", "redis", "rabbitmq", "forgejo", "reference-api", "admin")
OPERATIONS = ("read", "write", "list", "delete")
LISTENERS = ("postgres", "mysql", "mongodb", "rabbitmq", "vault", "reference-api",
             *(f"redis-{n}" for n in range(1, 7)), "redis-1-bus", "redis-2-bus",
             "redis-3-bus")  # fmt: skip
PROPERTIES = {
    "chain": "chain leads to the root", "san_dns": "certificate names the host",
    "file": "certificate served is the file's", "key_mode": "private key is mode 0600",
    "validity": "certificate is inside its validity", "lifetime": "certificate lives ≤ 366 days",
    "key_size": "key has at least 2048 bits", "signature": "signature is SHA-256 or better",
    "usage": "certificate is for servers", "intermediate": "intermediate is sent",
    "wrong_ca": "handshake with another CA is refused",
    "wrong_host": "handshake for another host is refused",
    "tls1_0": "TLS 1.0 is refused", "tls1_1": "TLS 1.1 is refused",
    "tls1_2": "TLS 1.2 is spoken", "tls1_3": "TLS 1.3 is spoken",
    "cipher.rc4": "RC4 is refused", "cipher.3des": "3DES is refused",
    "compression": "compression is off", "plain": "plain connections are as declared",
}  # fmt: skip
FOUND = {
    "tls.mysql.tls1_0": ("FAIL", "offered TLSv1.0, accepted: ServerHello 16 03 01 00 4a 02 00 00"),
    "tls.mysql.tls1_1": ("FAIL", "offered TLSv1.1, accepted: ServerHello 16 03 02 00 4a 02 00 00"),
    "tls.vault.lifetime": ("WARN", "not after 2026-12-12: 40 days left, fewer than 60"),
    "tls.redis-3.chain": ("ERROR", "redis-3 does not answer: connection refused on port 16381"),
    "tls.redis-2-bus.compression": ("INCONCLUSIVE", "this OpenSSL cannot offer compression"),
    "approle.matrix.forgejo.mysql.read": ("FAIL", "GET secret/data/mysql as forgejo: 200, and its "
                                          "owner mysql: 200; declared: denied"),
    "approle.20": ("WARN", "token_max_ttl is 0: renewed without an end"),
}  # fmt: skip
CORE = [
    ("approle.03", "refusals", "high", "a wrong role_id is refused"),
    ("approle.04", "refusals", "high", "a wrong secret_id is refused"),
    ("approle.07", "logins", "medium", "postgres logs in with exactly its policies"),
    ("approle.08", "logins", "medium", "mysql logs in with exactly its policies"),
    ("approle.17", "secrets", "critical", "postgres cannot read mysql's secret"),
    ("approle.20", "tokens", "medium", "a token lives 3600 s and has a maximum"),
    ("approle.21", "tokens", "low", "a token can be renewed"),
]


def row(id: str, group: str, title: str, severity: str, service: str) -> Json:
    """One check with its last result; a service that is not installed is skipped."""
    suite = id.partition(".")[0]
    status, evidence = FOUND.get(id, ("PASS", f"{title}, as {service} answered: 200, 403"))
    if service == "rabbitmq" and suite == "tls":
        status, evidence = "SKIPPED", "rabbitmq is not in this stack"
    proven = "cipher" not in id and "compression" not in id
    proof = "not proven" if "compression" in id else "proven" if proven else "kind proven"
    return {
        "kind": f"{suite}.{id.rpartition('.')[2]}",
        "kind_proven": proof != "not proven", "proof": proof,
        "id": id, "core": "", "suite": suite, "group": group, "title": title,
        "severity": severity, "service": service,
        "stake": f"Whoever reaches {service} could act as somebody else, unseen.",
        "remedy": f"Set it right in the configuration of {service}, then: devstack-tui up",
        "sabotage": "" if "compression" in id else f"{suite}.{service}.broken",
        "proven": proven,
        "status": status, "evidence": evidence, "ms": 12.5 + len(title) % 9, "at": AT - AGO,
    }  # fmt: skip


def rows() -> list[Json]:
    """All of them."""
    made = [
        row(id, group, title, severity, "vault") | {"core": f"AppRole {int(id[-2:])}"}
        for id, group, severity, title in CORE
    ]
    for role in ROLES:
        for secret in ROLES:
            for operation in OPERATIONS:
                id = f"approle.matrix.{role}.{secret}.{operation}"
                title = f"{role} may {operation} {secret}: as declared"
                made.append(row(id, "matrix", title, "critical", "vault"))
    for listener in LISTENERS:
        for name, title in PROPERTIES.items():
            severity = "high" if name.startswith(("tls", "chain", "wrong")) else "medium"
            service = "redis" if listener.startswith("redis") else listener
            made.append(row(f"tls.{listener}.{name}", listener, title, severity, service))
    for place in range(600 - len(made)):
        id, title = f"tls.files.{place:02}", f"file {place} of the certificates is private"
        made.append(row(id, "files", title, "low", "vault"))
    return made


def matrix() -> list[Json]:
    """`check matrix --json`: everybody its own; three differences, one unseen."""
    cells = []
    odd = {
        ("forgejo", "mysql", "read"): True,
        ("forgejo", "redis", "write"): True,
        ("postgres", "postgres", "read"): False,
        ("redis", "rabbitmq", "list"): None,
    }
    for role in ROLES:
        for secret in ROLES[:-1]:
            for operation in (*OPERATIONS, "issue"):
                own = role == secret and operation in ("read", "issue")
                declared = own or (role == "admin" and operation == "list")
                path = (
                    f"pki_int/issue/{secret}-role" if operation == "issue" else f"secret/{secret}"
                )
                cells.append({
                    "role": role, "path": path, "operation": operation, "declared": declared,
                    "real": odd.get((role, secret, operation), declared),
                })  # fmt: skip
    return cells


def chosen(words: list[str]) -> list[Json]:
    """The checks that the words name."""
    names = {word for word in words[2:] if not word.startswith("--")}
    return [one for one in rows() if not names or one["suite"] in names or one["id"] in names]


def run(words: list[str]) -> int:
    """`check run`: every result now."""
    log(f"pid {os.getpid()}")
    if os.environ.get("STUB_CHECK_REFUSES"):
        say({"event": "audit_done", "report": None, "exit_code": 3, "at": AT,
             "message": "vault is sealed", "remedy": "devstack-tui up vault"})  # fmt: skip
        return 3
    made = [one | {"at": AT} for one in chosen(words)]
    suites: dict[str, int] = {}
    counts: dict[str, int] = {}
    for one in made:
        suites[one["suite"]] = suites.get(one["suite"], 0) + 1
        counts[one["status"]] = counts.get(one["status"], 0) + 1
    say({"event": "audit_planned", "stack": "default", "suites": suites, "at": AT})
    try:
        for place, one in enumerate(made):
            if place == (len(made) + 1) // 2:
                held_by("STUB_CHECK_HOLD")
            say({"event": "check_done", "row": one})
    except Ended:
        log("revoked")
        say({"event": "audit_done", "report": None, "exit_code": 130, "message": "cancelled",
             "remedy": "", "at": AT})  # fmt: skip
        return 130
    bad = counts.get("FAIL", 0) + counts.get("ERROR", 0)
    report = {"id": "abc123", "stack": "default", "verdict": "FAIL" if bad else "PASS",
              "started": AT, "seconds": 18.2, "counts": counts, "checks": made}  # fmt: skip
    say({"event": "audit_done", "report": report, "exit_code": 1 if bad else 0, "message": "",
         "remedy": "", "at": AT + 18})  # fmt: skip
    return 1 if bad else 0


def check(words: list[str]) -> int:
    """The verb `check`."""
    if os.environ.get("STUB_CHECK_GONE"):
        say({"error": "no such stack", "remedy": "devstack-tui up", "exit_code": 3})
        return 3
    if words[1] == "run":
        return run(words)
    if words[1] == "matrix":
        say({"matrix": matrix()})
        return 0
    never: Json = {"status": None, "evidence": "", "ms": 0.0, "at": 0.0}
    fresh = never if os.environ.get("STUB_CHECK_FRESH") else {}
    notes = [note] if (note := os.environ.get("STUB_HISTORY")) else []
    say({"checks": [one | fresh for one in rows()], "notes": notes})
    return 0
