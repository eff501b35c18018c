"""Typed JSON in many threads at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import msgspec
import pytest

from devstack_tui.core import codec
from devstack_tui.core.process import ProcessId
from tests.conftest import ROOT

# Threads that meet at the first use of a type, and a switch between them at every moment.
RACE = """
import sys, threading
sys.setswitchinterval(1e-6)
from devstack_tui.core import codec
from devstack_tui.engines.embedded.process_records import Record
raw = b'''{"unit": "u", "service": "s", "order": 0, "stop_signal": 2, "grace_s": 1.0,
"started": 1.0, "process": {"pid": 1, "start_ticks": 1, "boot_id": "b"}}'''
barrier = threading.Barrier(8)
found = []
def read():
    barrier.wait()
    found.append(codec.decode(raw, Record).process.pid)
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert found == [1] * 8, found
"""


def test_the_first_use_of_a_type_in_many_threads_does_not_crash(
    python: Callable[..., subprocess.Popen[str]],
) -> None:
    running = [python(RACE) for _ in range(12)]
    assert [one.wait(60) for one in running] == [0] * 12


def test_documents_and_objects_are_read_as_their_type() -> None:
    raw = b'{"pid": 1, "start_ticks": 2, "boot_id": "b"}'
    assert codec.decode(raw, ProcessId) == ProcessId(1, 2, "b")
    assert codec.decode(b"[" + raw + b"]", list[ProcessId]) == [ProcessId(1, 2, "b")]
    assert codec.convert(msgspec.json.decode(raw), ProcessId) == ProcessId(1, 2, "b")
    with pytest.raises(msgspec.ValidationError):
        codec.decode(b"{}", ProcessId)
    with pytest.raises(msgspec.ValidationError):
        codec.convert({"pid": "x"}, ProcessId)
    with pytest.raises(msgspec.DecodeError):
        codec.decode(b"{", ProcessId)


def test_nobody_else_decodes_typed_json() -> None:
    """The linter refuses each of them, wherever it is."""
    for words in ("msgspec.json.decode(b'', type=int)", "msgspec.convert(1, int)",
                  "msgspec.json.Decoder(int)", "msgspec.msgpack.decode(b'')"):  # fmt: skip
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", "check", "--stdin-filename", "devstack_tui/x.py", "-"],
            input=f"import msgspec\n\nprint({words})\n",
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "TID251" in ended.stdout, words


# What the work of several threads may be the first to use, each as a probe or a client uses it.
FIRST_USES = """
import contextlib, sys, threading
sys.setswitchinterval(1e-6)
def nobody_there(use):
    with contextlib.suppress(Exception):
        use()
def trust():
    import ssl
    ssl.create_default_context()
def vault():
    import hvac
    nobody_there(hvac.Client(url="https://127.0.0.1:1", verify=False).sys.read_health_status)
def mongodb():
    import pymongo
    with pymongo.MongoClient("127.0.0.1", 1, serverSelectionTimeoutMS=1) as client:
        nobody_there(lambda: client.admin.command("ping"))
def postgres():
    import psycopg
    nobody_there(lambda: psycopg.connect("host=127.0.0.1 port=1"))
def mysql():
    import pymysql
    nobody_there(lambda: pymysql.connect(host="127.0.0.1", port=1))
def redis():
    import redis
    nobody_there(redis.Redis(port=1, ssl=True).ping)
def rabbitmq():
    import pika
    nobody_there(lambda: pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", 1)))
def http():
    import httpx
    nobody_there(lambda: httpx.get("https://127.0.0.1:1"))
def certificates():
    from cryptography.hazmat.primitives.asymmetric import ec
    ec.generate_private_key(ec.SECP256R1())
def parts():
    from devstack_tui.contracts.registry import services
    for found in services():
        found.probe(), found.server(), found.launcher(), found.tunables()
def events():
    import msgspec
    from devstack_tui.core import codec
    from devstack_tui.core.events import Event, Note
    codec.decode(msgspec.json.encode(Note("x")), Event)
failed = []
def run(use, barrier):
    barrier.wait()
    try:
        use()
    except BaseException as error:
        failed.append((use.__name__, repr(error)))
databases = (vault, mongodb, postgres, mysql, redis, rabbitmq)
for use in (trust, *databases, http, certificates, parts, events):
    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=run, args=(use, barrier)) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
assert not failed, failed
"""


def test_no_other_library_minds_a_first_use_in_many_threads(
    python: Callable[..., subprocess.Popen[str]],
) -> None:
    one = python(FIRST_USES)
    _, err = one.communicate(timeout=120)
    assert (one.returncode, err) == (0, "")
