"""The suite `files` over a directory of its own, and processes as an engine reports them.

The processes are fakes: who is not root cannot start one as another account."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from devstack_tui.contracts.model import Credentials
from devstack_tui.contracts.processes import ProcessFacts
from devstack_tui.core.check import Status
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.paths import JOBS, StackPaths, state_home
from devstack_tui.identity.vault_api import credentials_path
from devstack_tui.security.files import rules
from devstack_tui.security.files.catalogue import checks
from devstack_tui.security.files.scan import STACK
from devstack_tui.stack.stack import Stack
from tests.unit.audit_kit import FakeAudit, made_stack

PASSWORD = "correct-horse-battery"
BODY = "MC4CAQAwBQYDK2VwBCIEIEdX3b0cEBmC0d3C2sLZ"
KEY = f"-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----\n"
Rule = Callable[[str, "OneAudit"], object]


class OneAudit(FakeAudit):
    """Of processes that are given."""

    running_now: Mapping[str, Sequence[ProcessFacts]] = {}

    def processes(self) -> Mapping[str, Sequence[ProcessFacts]]:
        return self.running_now


@pytest.fixture
def home() -> Path:
    """The directory of a stack whose Redis has a configuration, a key and a password."""
    root = StackPaths.of("work").root
    made_stack("vault", "redis")
    for name in ("data/redis", "data/redis/tls", "secrets/credentials"):
        (root / name).mkdir(mode=0o700)
    if os.geteuid() == 0:
        from devstack_tui.contracts.registry import service
        from devstack_tui.engines.embedded.accounts import require

        owner = require(service("redis"))
        for path in (root / "data/redis", root / "data/redis/tls"):
            os.chown(path, owner.uid, owner.gid)
    raw = msgspec.json.encode(Credentials("devstack", PASSWORD))
    put(credentials_path(root / "secrets", "redis"), raw)
    put(root / "data/redis/tls/server.key", KEY.encode())
    return root


def put(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    if os.geteuid() == 0:
        about = path.parent.stat()
        os.chown(path, about.st_uid, about.st_gid)
    path.chmod(mode)  # last: another owner takes setuid away
    return path


def found(rule: Rule, part: str = "redis") -> tuple[Status, str]:
    with OneAudit(Stack("work")) as audit:
        result = rule(part, audit)
    return result.status, result.evidence  # type: ignore[attr-defined]


FILE_RULES = (rules.modes, rules.owners, rules.links, rules.keys, rules.secrets)


@pytest.mark.parametrize("part", ["redis", STACK])
@pytest.mark.parametrize("rule", FILE_RULES, ids=lambda rule: rule.__name__)
@pytest.mark.usefixtures("home")
def test_a_clean_stack_passes(rule: Rule, part: str) -> None:
    status, evidence = found(rule, part)
    assert status is Status.PASS, evidence


def test_what_others_may_read_is_named_with_its_mode(home: Path) -> None:
    put(home / "data/redis/dump.rdb", b"x", 0o640)
    assert found(rules.modes) == (Status.FAIL, "data/redis/dump.rdb 0640")
    assert found(rules.modes, STACK)[0] is Status.PASS
    (home / "data").chmod(0o777)
    assert found(rules.modes, STACK) == (Status.FAIL, "data 0777")


def test_what_has_an_unusual_kind_is_named(home: Path) -> None:
    folder = home / "data/redis"
    (folder / "tls/link").symlink_to("/etc")
    os.mkfifo(folder / "pipe", 0o600)
    (folder / "hard").hardlink_to(folder / "tls/server.key")
    put(folder / "suid", b"x", 0o4700)
    status, evidence = found(rules.links)
    assert status is Status.FAIL
    assert evidence.split("; ") == [
        "data/redis/hard has 2 names",
        "data/redis/pipe is a pipe",
        "data/redis/suid has mode 4700",
        "data/redis/tls/link is a link to /etc",
        "data/redis/tls/server.key has 2 names",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_account_is_named(home: Path) -> None:
    path = put(home / "data/redis/x", b"")
    os.chown(path, 65533, 65533)
    assert found(rules.owners) == (Status.FAIL, "data/redis/x uid 65533")
    os.chown(home / "data/redis", 65533, 65533)
    status, evidence = found(rules.owners)
    assert (status, "belongs to another account" in evidence) == (Status.FAIL, True)


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param(KEY.encode(), id="as it is"),
        pytest.param(b"\0\1\2" + KEY.encode(), id="in a binary"),
        pytest.param(f"key: {BODY}".encode(), id="without its frame"),
        pytest.param(msgspec.json.encode({"key": KEY}), id="escaped"),
    ],
)
@pytest.mark.parametrize("where", ["data/redis/server.key.bak", "logs/debug", "run/x"])
def test_a_copy_of_a_private_key_is_found(home: Path, copy: bytes, where: str) -> None:
    put(home / where, copy)
    part = "redis" if where.startswith("data") else STACK
    assert found(rules.keys, part) == (Status.FAIL, f"{where} holds a private key")


def test_the_bytes_of_a_private_key_are_found(home: Path) -> None:
    import base64

    put(home / "logs/key.der", base64.b64decode(BODY))
    assert found(rules.keys, STACK)[0] is Status.FAIL


def test_a_core_file_and_a_token_are_found(home: Path) -> None:
    put(home / "data/redis/core.123", b"\x7fELF")
    assert "core.123 is a core file" in found(rules.links)[1]
    put(home / "run/note", b"token s.abcdefghijklmnopqrstuvwx\n")
    assert found(rules.secrets, STACK)[0] is Status.FAIL


def test_a_password_in_a_file_that_is_not_declared_is_found(home: Path) -> None:
    put(home / "data/redis/redis.conf.bak", f"requirepass {PASSWORD}\n".encode())
    put(home / "history.db", b"SQLite format 3\0" + PASSWORD.encode())
    jobs = state_home() / JOBS / "work"
    jobs.mkdir(parents=True, mode=0o700)
    jobs.parent.chmod(0o700)
    put(jobs / "a.jsonl", PASSWORD.encode())
    status, evidence = found(rules.secrets)
    assert (status, evidence) == (
        Status.FAIL,
        "data/redis/redis.conf.bak holds a secret of the stack",
    )
    status, evidence = found(rules.secrets, STACK)
    assert status is Status.FAIL
    assert "history.db" in evidence
    assert ".jobs/a.jsonl" in evidence
    assert PASSWORD not in evidence


def facts(**changes: object) -> ProcessFacts:
    uid = 4242
    made: dict[str, object] = {
        "unit": "redis-1",
        "program": "redis-server",
        "arguments": ("redis-server", "x.conf"),
        "environment": {"HOME": "/x"},
        "account": "redis",
        "uid": uid,
        "uids": frozenset({uid}),
        "gids": frozenset({uid}),
        "groups": frozenset(),
        "rights": 0,
        "core_bytes": 0,
        "privileges": False,
        "umask": 0o077,
        **changes,
    }
    return ProcessFacts(**made)  # type: ignore[arg-type]


CASES = (
    (rules.account, {"uids": frozenset({0})}, "uid 0"),
    (rules.account, {"uids": frozenset({0, 4242})}, "uid 0/4242"),
    (rules.account, {"rights": 1 << 21}, "capabilities 0x200000"),
    (rules.confined, {"core_bytes": None}, "core files of any size"),
    (rules.confined, {"privileges": True}, "new privileges"),
    (rules.confined, {"umask": 0o022}, "umask 0022"),
    (rules.arguments, {"arguments": ("redis-cli", "-a", PASSWORD)}, "an argument"),
    (rules.environment, {"environment": {"PW": f"x{PASSWORD}"}}, "PW holds a secret"),
)


@pytest.mark.parametrize(("rule", "changes", "words"), CASES)
@pytest.mark.usefixtures("home")
def test_what_a_process_should_not_have_is_named(
    monkeypatch: pytest.MonkeyPatch, rule: Rule, changes: dict[str, object], words: str
) -> None:
    monkeypatch.setattr(OneAudit, "running_now", {"redis": [facts()]})
    status, evidence = found(rule)
    assert status is Status.PASS, evidence
    monkeypatch.setattr(OneAudit, "running_now", {"redis": [facts(), facts(**changes)]})
    status, evidence = found(rule)
    assert status is Status.FAIL
    assert words in evidence
    assert PASSWORD not in evidence


@pytest.mark.usefixtures("home")
def test_a_password_in_the_arguments_of_any_program_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OneAudit, "commands", lambda _: [("vi", "vi x")])
    assert found(rules.commands, STACK)[0] is Status.PASS
    text = f"redis-cli --pass {PASSWORD}"
    monkeypatch.setattr(OneAudit, "commands", lambda _: [("vi", "vi x"), ("redis-cli", text)])
    assert found(rules.commands, STACK) == (
        Status.FAIL,
        "redis-cli was started with a secret of the stack",
    )


@pytest.mark.parametrize("groups", [frozenset({27}), frozenset({0})])
@pytest.mark.usefixtures("home")
def test_root_gives_a_server_no_other_group_and_no_shared_account(
    monkeypatch: pytest.MonkeyPatch, groups: frozenset[int]
) -> None:
    for root, expected in ((0, Status.FAIL), (1000, Status.PASS)):
        monkeypatch.setattr(rules.os, "geteuid", lambda root=root: root)
        for running in (
            {"redis": [facts(groups=groups)]},
            {"redis": [facts()], "mysql": [facts(unit="mysql")]},
        ):
            monkeypatch.setattr(OneAudit, "running_now", running)
            with OneAudit(Stack("work")) as audit:
                assert rules.account("redis", audit).status is expected


@pytest.mark.usefixtures("home")
def test_what_is_not_there_is_no_pass() -> None:
    for rule in (rules.account, rules.confined, rules.arguments, rules.environment):
        with pytest.raises(UnreachableError, match="none of its processes runs"):
            found(rule)
    with pytest.raises(UnreachableError, match="never started"):
        found(rules.modes, "mysql")


def test_each_kind_has_one_instance_that_is_proven() -> None:
    every = checks()
    for kind in {check.kind for check in every}:
        assert sum(bool(check.sabotage) for check in every if check.kind == kind) == 1
