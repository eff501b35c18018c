"""The command line: wrong words, confirmations, exit statuses, and what a fault looks like."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui import __version__
from devstack_tui.actions import ACTIONS, in_scope, verb_help
from devstack_tui.cli import main
from devstack_tui.cli.verbs import changes
from devstack_tui.core.paths import StackPaths, state_home
from devstack_tui.state import directories
from devstack_tui.state import instance as instances

CANARY = "Zq8xKp2vW7mN4tRy"
Capture = pytest.CaptureFixture[str]
RunCli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)


@pytest.fixture
def work() -> StackPaths:
    """A stack called `work` that exists and does not run."""
    paths = StackPaths.of("work")
    directories.make(paths)
    instances.write(paths, instances.new(paths, "embedded", 100, {}))
    return paths


# -- wrong words -------------------------------------------------------------------------------

WRONG = [
    (["statsu"], "unknown verb 'statsu'", "did you mean status"),
    (["bench", "lsit"], "unknown choice 'lsit'", "did you mean list?"),
    (["bench", "run", "--size", "ful"], "unknown choice 'ful'", "did you mean full?"),
    (["bench", "export", "1", "--format", "jsn"], "unknown choice 'jsn'", "did you mean json?"),
    (["tune", "ab", "a", "b", "--keep", "c"], "unknown choice 'c'", "known: a, b, before"),
    (["zzz"], "unknown verb 'zzz'", "known: bench, certs, check, doctor, down, drill, job, logs"),
    (["up", "--plan", "postgrse"], "unknown service 'postgrse'", "did you mean postgres?"),
    (["logs", "redsi"], "unknown service 'redsi'", "did you mean redis?"),
    (["restart", "redsi"], "unknown service 'redsi'", "did you mean redis?"),
    (["down", "--plan", "redsi"], "unknown service 'redsi'", "did you mean redis?"),
    (["up", "--plan", "--profile", "minmal"], "unknown profile 'minmal'", "did you mean minimal?"),
    (["status", "--stack", "wrok"], "unknown stack 'wrok'", "did you mean work?"),
    (["down", "--stack", "wrok"], "unknown stack 'wrok'", "did you mean work?"),
    (["logs", "redis", "--stack", "wrok"], "unknown stack 'wrok'", "did you mean work?"),
    (["--stak"], "unknown option '--stak'", "did you mean --stack"),
    (["status", "--wach"], "unknown option '--wach'", "--watch"),
    (["up", "--profil=minimal"], "unknown option '--profil'", "--profile"),
    (["up", "--port-ofset", "3"], "unknown option '--port-ofset'", "--port-offset"),
    (["down", "--wip"], "unknown option '--wip'", "--wipe"),
    (["up", "--stack", "../x"], "'../x' is no stack name", "a-z"),
    (["up", "--stack", ""], "'' is no stack name", "a-z"),
    (["status", "--stack", "Work"], "'Work' is no stack name", "a-z"),
    (["up", "--plan", "--topology", "3-3"], "'3-3' is not masters+replicas", "3+3"),
    (["up", "--port-offset", "-3"], "--port-offset: expected", "--help"),
    (["up", "--port-offset", "³"], "--port-offset", "--help"),
    (["up", "--plan", "--port-offset", "99999"], "99999", ""),
    (["status", "--interval", "0"], "expected seconds from 0.2 to 3600, got '0'", "--help"),
    (["status", "--interval", "nan"], "expected seconds from 0.2 to 3600, got 'nan'", "--help"),
    (["logs", "redis", "-n", "many"], "expected a whole number of 0 or more", "--help"),
    (["logs"], "SERVICE", "logs --help"),
    (["logs", "redis", "--grep", "("], "'(' is no regular expression", ""),
    (["status", "extra"], "unrecognized arguments: extra", "--help"),
    (["up", "redis", "--profile", "full"], "give services or --profile, not both", ""),
    (["up", "--profile", ""], "--profile is given an empty value", "leave it out"),
    (["up", "--topology="], "--topology is given an empty value", "leave it out"),
    (["--wipe", "down"], "--wipe stands before the verb", "put it after `down`"),
    (["--profile", "minimal", "up"], "--profile stands before the verb", "put it after `up`"),
    (["status", "--stack", "new"], "the stack 'new' was never started", "--stack new up` starts"),
    (["down", "redis", "--wipe"], "--wipe deletes the whole stack", "service names"),
]


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(("argv", "sentence", "step"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_a_wrong_word_is_told_with_what_may_be_meant_and_exit_status_2(
    argv: list[str], sentence: str, step: str, capsys: Capture
) -> None:
    assert main.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("devstack-tui: ")
    assert sentence in err
    assert step in err
    assert "Traceback" not in err
    assert "internal error" not in err


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("flag", ["--json", "--jsonl"])
@pytest.mark.parametrize(
    ("argv", "sentence", "step"),
    [
        (["up", "--plan", "postgrse"], "unknown service 'postgrse'", "did you mean postgres?"),
        (["status", "--stack", "wrok"], "unknown stack 'wrok'", "did you mean work?"),
        (["statsu"], "unknown verb 'statsu'", "did you mean status or restart?"),
    ],
)
def test_a_program_that_asks_for_json_gets_the_error_as_a_document(
    argv: list[str], sentence: str, step: str, flag: str, capsys: Capture
) -> None:
    assert main.main([*argv, flag]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": sentence, "remedy": step, "exit_code": 2}
    assert sentence in err


def test_a_service_that_is_switched_off_is_a_usage_error(
    user_file: Callable[[str], Path], capsys: Capture
) -> None:
    path = user_file("[services.mysql]\nenabled = false\n")
    assert main.main(["up", "--plan", "mysql"]) == 2
    err = capsys.readouterr().err
    assert f"mysql is switched off in {path}" in err
    assert "services.mysql.enabled = true" in err


@pytest.mark.parametrize("argv", [["status"], ["up"], ["up", "--plan"], ["doctor"]])
def test_a_broken_configuration_is_told_with_its_line_by_every_verb(
    argv: list[str], user_file: Callable[[str], Path], capsys: Capture
) -> None:
    path = user_file("[services.redis]\nmasters = 'three'\n")
    assert main.main(argv) == 2
    err = capsys.readouterr().err
    assert f"{path}:2: services.redis.masters: expected `int`, got `str`" in err


def test_vault_cannot_be_switched_off(user_file: Callable[[str], Path], capsys: Capture) -> None:
    path = user_file("[services.vault]\nenabled = false\n")
    assert main.main(["up", "--plan"]) == 2
    assert (
        f"{path}:2: services.vault.enabled: vault cannot be switched off" in capsys.readouterr().err
    )


def test_a_port_that_is_given_twice_is_told_with_its_line(
    user_file: Callable[[str], Path], capsys: Capture
) -> None:
    path = user_file("[services.vault.ports]\nmain = 15432\n")
    assert main.main(["up", "--plan"]) == 2
    error = capsys.readouterr().err
    assert f"{path}:2: services.vault.ports.main: port 15432 is that of services.postgres" in error
    user_file("[services.vault.ports]\nmain = 15432\n[services.postgres]\nenabled = false\n")
    assert main.main(["up", "--plan", "redis"]) == 0


@pytest.mark.parametrize("name", ["instance.json", "tuning.json", "history.db", "journal.jsonl"])
@pytest.mark.parametrize("way", ["directory", "pipe", "loop", "garbage"])
def test_a_file_of_ours_that_is_none_is_one_sentence(
    work: StackPaths, name: str, way: str, capsys: Capture
) -> None:
    path = work.root / name
    path.unlink(missing_ok=True)
    make: dict[str, Callable[[], object]] = {
        "directory": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "loop": lambda: path.symlink_to(path),
        "garbage": lambda: path.write_bytes(b"\x00\xff\x1b[2J"),
    }
    make[way]()
    for words in (["status"], ["tune", "list"], ["bench", "list"], ["down", "--plan"]):
        main.main([*words, "--stack", "work"])
        said = "".join(capsys.readouterr())
        assert "internal error" not in said
        assert "Traceback" not in said


def test_an_offset_that_no_port_can_have_leaves_nothing_half_written(capsys: Capture) -> None:
    assert main.main(["up", "vault", "--stack", "far", "--port-offset", "99999"]) == 2
    assert "99999" in capsys.readouterr().err
    assert not StackPaths.of("far").instance.exists()


def test_nothing_is_made_by_a_wrong_command(room: Path, capsys: Capture) -> None:
    for argv in (["up", "postgrse"], ["up", "--stack", "Bad"], ["down", "--stack", "none"]):
        assert main.main(argv) == 2
    assert capsys.readouterr().out == ""
    assert not (room / "state").exists()


# -- help --------------------------------------------------------------------------------------


def test_help_names_every_verb_with_the_registrys_words(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for verb in main.VERBS:
        assert f" {verb} {verb_help(verb)}" in text
    assert "exit status: 0 pass, 1 failed, 2 usage" in text


@pytest.mark.parametrize("verb", sorted(main.VERBS))
def test_every_verb_has_help_and_takes_the_stacks_name_on_both_sides(
    verb: str, capsys: Capture
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([verb, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert verb_help(verb) in " ".join(out.split())
    rest = {"logs": ["redis"], "job": ["follow"]}.get(
        verb, ["list"] if verb in ("bench", "tune", "drill", "check", "certs") else []
    )
    parser = main._parser(main.VERBS)
    assert parser.parse_args(["--stack", "work", verb, *rest]).stack == "work"
    assert parser.parse_args([verb, *rest, "--stack", "work"]).stack == "work"


def test_the_version_is_the_packages(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main.main(["--version"])
    assert capsys.readouterr().out == f"devstack-tui {__version__}\n"


# -- the registry of actions -------------------------------------------------------------------


def test_every_action_has_an_id_of_its_own_and_says_what_it_does() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    assert [action.id for action in ACTIONS if not (action.title and action.help)] == []


def test_no_key_means_two_things_in_one_place() -> None:
    everywhere = [key for action in in_scope("app") for key in action.key.split(",") if key]
    for scope in {action.scope for action in ACTIONS} - {"app"}:
        here = [key for action in in_scope(scope) for key in action.key.split(",") if key]
        twice = [key for key, count in Counter([*everywhere, *here]).items() if count > 1]
        assert twice == [], scope


def test_every_verb_is_somebodys_and_every_action_with_a_verb_names_a_real_one() -> None:
    assert {action.verb for action in ACTIONS if action.verb} == set(main.VERBS)


def test_an_action_that_takes_something_away_changes_the_stack() -> None:
    assert [action.id for action in ACTIONS if action.typed and not action.changes] == []


# -- plans and confirmations -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--profile", "minimal"], "up default: vault, postgres, redis, forgejo\n"),
        (["redis", "postgres"], "up default: vault, postgres, redis\n"),
        (["reference-api"], "up default: vault, reference_api\n"),
        (["redis", "redis"], "up default: vault, redis\n"),
    ],
)
def test_a_plan_says_what_would_be_started_with_what_it_requires(
    argv: list[str], expected: str, room: Path, capsys: Capture
) -> None:
    assert main.main(["up", "--plan", *argv]) == 0
    assert capsys.readouterr().out == expected
    assert not (room / "state").exists()


def test_a_plan_can_be_read_by_a_program(capsys: Capture) -> None:
    assert main.main(["up", "--plan", "redis", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["event"], document["services"]) == ("planned", ["vault", "redis"])


def test_a_stack_that_was_never_started_is_down(room: Path, capsys: Capture) -> None:
    assert main.main(["down", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["message"] == "it was never started"
    assert "never started" in err
    assert not (room / "state").exists()


@pytest.mark.parametrize(
    ("argv", "sentence", "step"),
    [
        (["--stack", "work"], "there is no terminal to ask at", "add --yes --stack work"),
        (["--yes"], "--yes needs the stack's name", "add --stack default"),
    ],
)
def test_nothing_is_wiped_without_the_stacks_name(
    argv: list[str], sentence: str, step: str, work: StackPaths, capsys: Capture
) -> None:
    (work.data / "kept").write_text("x")
    assert main.main(["down", "--wipe", *argv]) == 2
    err = capsys.readouterr().err
    assert "delete all data, secrets and logs in" in err
    assert f"nothing was deleted: {sentence}" in err
    assert step in err
    assert (work.data / "kept").exists()


@pytest.mark.parametrize(("typed", "code"), [("default", 2), ("", 2), ("work", 0)])
def test_at_a_terminal_the_name_must_be_typed_out(
    typed: str, code: int, work: StackPaths, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A fake terminal: the question is asked of standard input."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin.readline", lambda: f"{typed}\n", raising=False)
    (work.data / "kept").write_text("x")
    assert main.main(["down", "--wipe", "--stack", "work"]) == code
    assert "type the stack's name (work)" in capsys.readouterr().err
    assert (work.data / "kept").exists() == (code != 0)


def test_a_wipe_leaves_nothing_of_the_stack(work: StackPaths) -> None:
    (work.secrets / "vault-keys.json").write_text("x")
    for name in ("drill.lock", "bench.lock", "tune.lock", "journal.jsonl", "bench.jsonl"):
        (work.root / name).write_text("")
    assert main.main(["down", "--wipe", "--yes", "--stack", "work"]) == 0
    assert not work.root.exists()


# -- logs --------------------------------------------------------------------------------------


def test_logs_of_a_service_that_never_ran_are_exit_status_3(capsys: Capture) -> None:
    assert main.main(["logs", "redis"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "redis has never run in the stack 'default'" in err
    assert "devstack-tui up redis" in err


def test_the_remedy_works_as_it_stands(work: StackPaths, capsys: Capture) -> None:
    for words in (
        ["--stack", "work", "logs", "redis"],
        ["logs", "redis", "--stack=work", "--jsonl"],
    ):
        assert main.main(words) == 3
        out, err = capsys.readouterr()
        assert f"devstack-tui --stack {work.name} up redis" in err
    assert f"devstack-tui --stack {work.name} up redis" in json.loads(out)["remedy"]


def test_logs_are_filtered_masked_and_marked_with_their_unit(
    work: StackPaths, capsys: Capture
) -> None:
    (work.logs / "redis-0.log").write_text(f"one\nready password={CANARY}\n")
    (work.logs / "redis-1.log").write_text("ready\ntwo\n")
    assert main.main(["logs", "redis", "--stack", "work", "--grep", "^ready"]) == 0
    out = capsys.readouterr().out
    assert CANARY not in out
    assert re.fullmatch(r"redis-0 \| ready password=\S+\nredis-1 \| ready\n", out)


def test_logs_can_be_read_by_a_program(work: StackPaths, capsys: Capture) -> None:
    (work.logs / "postgres.log").write_text("one\ntwo\n")
    assert main.main(["logs", "postgres", "--stack", "work", "--jsonl", "-n", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == {"unit": "postgres", "line": "two"}


# -- faults ------------------------------------------------------------------------------------


def broken(fault: BaseException) -> Callable[[object], int]:
    def run(_: object) -> int:
        raise fault

    return run


@pytest.mark.parametrize("flag", [[], ["--json"]])
def test_a_fault_of_ours_is_one_sentence_and_a_private_report_without_secrets(
    flag: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A fake verb that fails: a fault that could be provoked would be mended."""
    monkeypatch.setattr(changes, "run", broken(RuntimeError(f"no: password={CANARY}")))
    assert main.main(["up", *flag]) == 1
    out, err = capsys.readouterr()
    report = state_home() / "crash.log"
    assert err.startswith("devstack-tui: internal error: RuntimeError: no: password=")
    assert err.endswith(f"\n  → please report it with {report}\n")
    assert err.count("\n") == 2
    assert bool(out) == bool(flag)
    assert "Traceback" not in out + err
    text = report.read_text()
    assert "Traceback" in text
    assert "RuntimeError" in text
    assert CANARY not in out + err + text
    assert report.stat().st_mode & 0o777 == 0o600


def test_a_fault_of_ours_is_told_even_where_no_report_can_be_written(
    room: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A fake verb that fails: a fault that could be provoked would be mended."""
    monkeypatch.setattr(changes, "run", broken(RuntimeError("no")))
    (room / "state").write_text("a file in the way")
    assert main.main(["up"]) == 1
    assert capsys.readouterr().err == (
        "devstack-tui: internal error: RuntimeError: no\n  → please report it\n"
    )


def test_an_interrupt_is_exit_status_130(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A fake verb that is interrupted at once: the instant before its own handler is short."""
    monkeypatch.setattr(changes, "run", broken(KeyboardInterrupt()))
    assert main.main(["up"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_has_not_our_signs_is_no_fault(encoding: str, run_cli: RunCli) -> None:
    ended = run_cli("doctor", PYTHONIOENCODING=encoding)
    assert ended.returncode in (0, 1)
    assert "internal error" not in ended.stderr
    assert "platform" in ended.stdout
