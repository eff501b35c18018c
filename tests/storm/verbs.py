"""Verbs of ours run as the plan says: with what streams and environment, ended by what signal."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from devstack_tui.core import process
from tests.conftest import ROOT, Cli
from tests.storm.plan import Verb

LIMIT_S = 180.0
"""Against a verb that hangs."""

HOSTILE: dict[str, dict[str, str]] = {
    "PG*": {
        "PGSERVICE": "nowhere",
        "PGHOSTADDR": "192.0.2.1",
        "PGTARGETSESSIONATTRS": "standby",
        "PGGSSENCMODE": "require",
        "PGREQUIREAUTH": "none",
        "PGSSLMAXPROTOCOLVERSION": "TLSv1.1",
        "PGTZ": "Nowhere/Else",
        "PGOPTIONS": "-c work_mem=64kB",
    },
    "MYSQL*": {"MYSQL_HOST": "192.0.2.1", "MYSQL_TCP_PORT": "1", "MYSQL_UNIX_PORT": "/nowhere"},
    "VAULT_*": {
        "VAULT_ADDR": "http://192.0.2.1:1",
        "VAULT_TOKEN": "wrong",
        "VAULT_NAMESPACE": "elsewhere",
        "VAULT_CACERT": "/nowhere",
        "BAO_ADDR": "http://192.0.2.1:1",
        "BAO_TOKEN": "wrong",
        "REDISCLI_AUTH": "wrong",
    },
    "proxies": {
        "HTTP_PROXY": "http://192.0.2.1:1",
        "HTTPS_PROXY": "http://192.0.2.1:1",
        "ALL_PROXY": "socks5://192.0.2.1:1",
        "https_proxy": "http://192.0.2.1:1",
    },
    "TLS": {
        "SSL_CERT_FILE": "/nowhere",
        "SSL_CERT_DIR": "/nowhere",
        "REQUESTS_CA_BUNDLE": "/nowhere",
        "CURL_CA_BUNDLE": "/nowhere",
    },
    "no home": {"HOME": "/nowhere", "TMPDIR": "/nowhere", "TERM": "dumb", "COLUMNS": "1"},
    "another locale": {"LANG": "tr_TR.UTF-8", "LC_ALL": "xx_XX", "TZ": "Asia/Kathmandu"},
}

_FAULT = re.compile(r"internal error: \w+: |Traceback \(most recent call last\)|Fatal Python error")
"""An internal error of ours names its exception; Vault has one of its own, without."""
_UNEXPLAINED = re.compile(r"failed +[A-Z]\w*(?:Error|Exception)\b.*")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a verb ended. `code` is None when it had to be killed for hanging; `killed`: the plan's
    signal met the verb itself."""

    verb: Verb
    code: int | None
    out: str
    err: str
    killed: bool

    def faults(self) -> list[str]:
        """What no verb may do, whatever happens to it."""
        if self.code is None:
            return [f"{self.verb} did not end within {LIMIT_S:.0f} s"]
        found = []
        text = self.out + self.err
        found += [f"{self.verb}: {text[at.start() :][:2500]}" for at in _FAULT.finditer(text)]
        # A service whose start ended by an exception that is none of our sentences.
        found += [f"{self.verb}: {text}" for text in _UNEXPLAINED.findall(text)]
        by_us = self.killed and self.verb.signal is not None and self.code == -self.verb.signal
        if self.code < 0 and not by_us:
            found.append(f"{self.verb} died by signal {-self.code}")
        if self.code > 4 and self.code != 130:
            found.append(f"{self.verb} ended with exit status {self.code}")
        return found


def run(cli: Cli, verb: Verb) -> Ended:
    """Run it to its end."""
    argv = cli.argv(*verb.words)
    environment = {**cli.environment(), **HOSTILE.get(verb.environment, {})}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, _full() as full:
        streams: dict[str, object] = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err}
        closing = ""
        match verb.streams:
            case "a reader of one line":
                streams |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            case "standard output closed":
                closing = ">&-"
            case "standard error closed":
                closing = "2>&-"
            case "standard input closed":
                closing = "<&-"
            case "every stream closed":
                closing = "<&- >&- 2>&-"
            case "standard output full":
                streams["stdout"] = full
            case "standard error full":
                streams["stderr"] = full
        if closing:
            argv = ["/bin/sh", "-c", f'exec "$@" {closing}', "sh", *argv]
        child = subprocess.Popen(argv, env=environment, cwd=ROOT, **streams)  # type: ignore[call-overload]
        if child.stdout is not None:
            child.stdout.readline()
            child.stdout.close()
        killed = _signalled(child, verb)
        code = _ended(child)
        out.seek(0)
        err.seek(0)
        texts = (file.read().decode("utf-8", "replace") for file in (out, err))
        return Ended(verb, code, *texts, killed)


@contextlib.contextmanager
def _full() -> Iterator[int]:
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def _signalled(child: subprocess.Popen[bytes], verb: Verb) -> bool:
    """Send the plan's signal when its time has come, if the verb still runs. Whether it went to
    the verb itself."""
    if verb.signal is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(verb.after_s)
        return False
    family = children(child.pid)
    if verb.whom == "a child" and family:
        _send(family[0], verb.signal)
        return False
    for one in family if verb.whom == "all of it" else []:
        _send(one, verb.signal)
    child.send_signal(verb.signal)
    return True


def children(pid: int) -> list[psutil.Process]:
    """The living descendants of a verb that are no servers."""
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(pid).children(recursive=True)
        return [
            one for one in found if process.INSTANCE_VARIABLE not in process.environment(one.pid)
        ]
    return []


def _send(one: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        one.send_signal(number)


def _ended(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        for one in children(child.pid):
            _send(one, signal.SIGKILL)
        child.kill()
        child.wait()
        return None


def ours(home: Path) -> list[int]:
    """The living processes of ours that are no servers and work on the stacks below `home`."""
    found = []
    for pid in process.pids():
        env = process.environment(pid)
        if env.get("XDG_STATE_HOME") == str(home) and process.INSTANCE_VARIABLE not in env:
            found += [pid] if process.identify(pid) else []
    return found
