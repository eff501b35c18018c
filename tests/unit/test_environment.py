"""What of the user's environment reaches us, and what reaches our servers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devstack_tui.core import environment

HOSTILE = (
    *("PGSERVICE", "PGTZ", "MYSQL_HOME", "REDISCLI_RCFILE", "VAULT_TOKEN", "BAO_ADDR"),
    *("RABBITMQ_NODENAME", "ERL_FLAGS", "https_proxy", "ALL_PROXY", "SSL_CERT_FILE", "GIT_DIR"),
    *("SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE", "OPENSSL_CONF", "KRB5CCNAME", "GODEBUG"),
)
KEPT = ("PATH", "HOME", "TERM", "TERM_PROGRAM", "NO_COLOR", "LC_ALL", "LANG", "TZ", "LD_PRELOAD")
OURS = ("XDG_STATE_HOME", "DEVSTACK_TUI_ANYTHING", "PYTHONPATH", "SSH_CONNECTION")


def test_our_process_keeps_what_is_about_the_user_and_the_terminal_alone() -> None:
    code = (
        "import os; from devstack_tui.core import environment; environment.clean();"
        "print(*sorted(os.environ)); print(environment.given()['PGSERVICE'])"
    )
    given = dict.fromkeys((*HOSTILE, *KEPT, *OURS), "") | {"PGSERVICE": "theirs"}
    given |= {name: os.environ.get(name, "") for name in ("PATH", "HOME")}
    given["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    ended = subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True
    )
    names, theirs = ended.stdout.splitlines()
    # Python itself may add LC_CTYPE.
    assert set(names.split()) - {"LC_CTYPE"} == {*KEPT, *OURS}
    assert theirs == "theirs"


def test_a_server_gets_nothing_of_the_users_but_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*HOSTILE, *KEPT, *OURS):
        if name != "PATH":
            monkeypatch.setenv(name, "x")
    found = environment.of_child({"OF_ITS_OWN": "1"}, Path("/its/data"))
    assert found == {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": "/its/data",
        "OF_ITS_OWN": "1",
    }
