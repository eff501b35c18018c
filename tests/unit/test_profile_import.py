"""A configuration file that somebody has becomes a profile; nothing of it is lost silently."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import NotInstalledError, UsageError
from devstack_tui.tuning import profiles
from devstack_tui.tuning.profile_import import ImportedProfile, import_profile

DATA = Path(__file__).resolve().parent.parent / "data"
VERSIONS = {
    "postgres": ("PostgreSQL", "15.18"),
    "mysql": ("MariaDB", "10.11.19"),
    "mongodb": ("MongoDB", "6.0.16"),
    "redis": ("Redis", "7.0.15"),
}


def _locate(service: Service) -> Installation:
    flavour, version = VERSIONS[service.name]
    return Installation(Path("x"), version, flavour, version.rpartition(".")[0])


ENGINE = cast("Engine", SimpleNamespace(locate=_locate))


@pytest.fixture(autouse=True)
def own_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "devstack-tui" / "tuning"


def imported(tmp_path: Path, text: str | bytes, name: str = "some.conf") -> ImportedProfile:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return import_profile(ENGINE, path, "mine")


def rest(found: ImportedProfile, status: str) -> dict[str, tuple[int, str]]:
    return {one.name: (one.line, one.reason) for one in found.lines if one.status == status}


def test_the_whole_output_of_pgtune_is_taken(own_profiles: Path) -> None:
    found = import_profile(ENGINE, DATA / "pgtune-16gb.conf", "mine")
    assert {one.status for one in found.lines} == {"taken"}
    assert len(found.values["postgres"]) == 17
    assert found.exit_code == 0
    assert found.path == str(own_profiles / "mine.toml")
    assert profiles.load(ENGINE, "mine").values == found.values


POSTGRES = """\
# a comment
shared_buffers = 65536     # 512 MB
work_mem 16MB
effective_cache_size = '4GB'
Max_Connections = 200
checkpoint_completion_target=.9
wal_buffers = -1
work_mem = 0.3kB
log_line_prefix = '%m [%p] '
shared_bufers = 1GB
include_dir 'conf.d'
listen_addresses = 'localhost, ::1'   # what
jit = perhaps
this is no setting
"""


def test_a_postgresql_conf_is_read_as_the_server_reads_it(tmp_path: Path) -> None:
    found = imported(tmp_path, POSTGRES)
    assert found.values == {
        "postgres": {
            "shared_buffers": "512MB",
            "effective_cache_size": "4GB",
            "max_connections": "200",
            "checkpoint_completion_target": "0.9",
            "wal_buffers": "default",
        }
    }
    assert found.exit_code == 1
    refused, unknown = rest(found, "refused"), rest(found, "unknown")
    assert refused["work_mem"][0] == 8
    assert "would be rounded to 0" in refused["work_mem"][1]
    assert refused["jit"] == (13, "expected on or off, got 'perhaps' → `default` resets it")
    assert unknown["log_line_prefix"][0] == 9
    assert "did you mean shared_buffers" in unknown["shared_bufers"][1]
    irrelevant = rest(found, "irrelevant")
    assert irrelevant["work_mem"] == (3, "line 8 sets it again")
    assert irrelevant["include_dir"][0] == 11
    assert irrelevant["this"][0] == 14
    assert len(found.lines) == 13


def test_the_commands_that_pgtune_writes_are_taken_too(tmp_path: Path) -> None:
    text = "ALTER SYSTEM SET\n max_connections = '200';\nALTER SYSTEM SET shared_buffers = '4GB';\n"
    assert imported(tmp_path, text).values["postgres"] == {
        "max_connections": "200",
        "shared_buffers": "4GB",
    }


MYSQL = """\
[client]
port = 3306
[mysqld]
innodb-buffer-pool-size = 1G  # dashes
max_connections=200
innodb_io_capacity = 10K
innodb_flush_log_at_timeout = 3
skip-log-bin
innodb_flush_method = "O_DIRECT"
innodb_redo_log_capacity = 1G
datadir = /var/lib/mysql
!includedir /etc/mysql/conf.d/
[mysqldump]
max_allowed_packet = 16M
"""


def test_a_my_cnf_is_read_as_the_server_reads_it(tmp_path: Path) -> None:
    found = imported(tmp_path, MYSQL)
    assert found.values == {
        "mysql": {
            "innodb_buffer_pool_size": "1GB",
            "max_connections": "200",
            "innodb_io_capacity": "10240",
            "innodb_flush_log_at_timeout": "3s",
            "log_bin": "off",
            "innodb_flush_method": "o_direct",
        }
    }
    assert found.exit_code == 0
    irrelevant = rest(found, "irrelevant")
    assert irrelevant["port"] == (2, "[client] is not the server's")
    assert irrelevant["max_allowed_packet"][0] == 14
    assert irrelevant["innodb_redo_log_capacity"] == (
        10,
        "MariaDB 10.11.19 has no such parameter",
    )
    assert set(rest(found, "unknown")) == {"datadir"}


MONGOD = """\
# mongod.conf
storage:
  dbPath: /var/lib/mongodb
  syncPeriodSecs: 30
  journal:
    commitIntervalMs: 300
  wiredTiger:
    engineConfig:
      cacheSizeGB: 0.5   # half a gigabyte
      journalCompressor: "zstd"
      configString: "eviction_dirty_target=10,eviction=(threads_max=8)"
net:
    compression:
        compressors: zstd, snappy
setParameter:
  ttlMonitorEnabled: false
operationProfiling: {slowOpThresholdMs: 50}
"""


def test_a_mongod_conf_is_read_as_the_server_reads_it(tmp_path: Path) -> None:
    found = imported(tmp_path, MONGOD)
    assert found.values == {
        "mongodb": {
            "syncdelay": "30s",
            "journalCommitInterval": "300ms",
            "wiredTigerCacheSizeGB": "512MB",
            "wiredTigerJournalCompressor": "zstd",
            "eviction_dirty_target": "10",
            "eviction_threads_max": "8",
            "networkMessageCompressors": "zstd,snappy",
            "ttlMonitorEnabled": "off",
        }
    }
    assert rest(found, "irrelevant")["operationProfiling"][0] == 17
    assert set(rest(found, "unknown")) == {"storage.dbPath"}


def test_a_mongod_conf_of_before_yaml_is_taken_too(tmp_path: Path) -> None:
    text = "dbpath = /data\nwiredTigerCacheSizeGB = 0.5\nsetParameter = ttlMonitorEnabled=false\n"
    assert imported(tmp_path, text).values["mongodb"] == {
        "wiredTigerCacheSizeGB": "512MB",
        "ttlMonitorEnabled": "off",
    }


REDIS = """\
bind 127.0.0.1 ::1
maxmemory 256mb
MAXMEMORY-POLICY allkeys-lru
save 900 1
save 300 10
appendonly yes
timeout 300
repl-diskless-sync-delay 5
client-output-buffer-limit normal 0 0 0
"""


def test_a_redis_conf_is_read_as_the_server_reads_it(tmp_path: Path) -> None:
    found = imported(tmp_path, REDIS)
    assert found.values == {
        "redis": {
            "maxmemory": "256MB",
            "maxmemory-policy": "allkeys-lru",
            "save": "900 1 300 10",
            "appendonly": "on",
            "timeout": "5min",
            "repl-diskless-sync-delay": "5s",
        }
    }
    assert set(rest(found, "unknown")) == {"bind", "client-output-buffer-limit"}
    assert imported_again(tmp_path, 'save ""\nhz 20\n').values["redis"]["save"] == "off"
    assert rest(imported_again(tmp_path, "hz 20\nsave 900\n"), "refused")["save"][0] == 2


def imported_again(tmp_path: Path, text: str) -> ImportedProfile:
    path = tmp_path / "again.conf"
    path.write_text(text)
    return import_profile(ENGINE, path, "mine", replace=True)


@pytest.mark.parametrize("name", profiles.SHIPPED)
def test_no_import_takes_the_place_of_a_profile_that_commands_name(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / f"{name}.conf"
    path.write_text("shared_buffers = 256MB\n")
    for given in ("", name):
        with pytest.raises(UsageError, match="no name for a profile of your own"):
            import_profile(ENGINE, path, given, replace=True)


ENV = """\
VAULT_TOKEN=hvs.secret
POSTGRES_PASSWORD=secret
POSTGRES_SHARED_BUFFERS=256MB
export POSTGRES_SYNCHRONOUS_COMMIT="off"   # quoted
MYSQL_INNODB_BUFFER_POOL=256M
MYSQL_INNODB_LOG_FILE_SIZE=48M
MYSQL_HEALTH_TIMEOUT=5s
MONGODB_WIREDTIGER_CACHE_SIZE_GB=0.5
MONGODB_JOURNAL_COMPRESSOR=zstd
REDIS_MAXMEMORY=256mb
REDIS_MAXMEMORY_POLICY=allkeys-lru
REDIS_1_TLS_PORT=6390
"""


def test_an_env_of_a_compose_project_is_a_profile_of_every_service(tmp_path: Path) -> None:
    found = imported(tmp_path, ENV, ".env")
    assert found.values == {
        "postgres": {"shared_buffers": "256MB", "synchronous_commit": "off"},
        "mysql": {"innodb_buffer_pool_size": "256MB", "innodb_log_file_size": "48MB"},
        "mongodb": {"wiredTigerCacheSizeGB": "512MB", "wiredTigerJournalCompressor": "zstd"},
        "redis": {"maxmemory": "256MB", "maxmemory-policy": "allkeys-lru"},
    }
    assert set(rest(found, "irrelevant")) == {
        "VAULT_TOKEN",
        "POSTGRES_PASSWORD",
        "MYSQL_HEALTH_TIMEOUT",
        "REDIS_1_TLS_PORT",
    }
    assert "secret" not in repr(found)
    only = import_profile(ENGINE, tmp_path / ".env", "redis", service="redis")
    assert set(only.values) == {"redis"}


@pytest.mark.parametrize(
    "raw",
    [
        POSTGRES.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + POSTGRES.encode(),
        POSTGRES.encode("utf-16"),
        "shared_buffers = 65536 # f\u00fcr uns\n".encode("latin-1"),
    ],
    ids=["CRLF", "BOM", "UTF-16", "Latin-1"],
)
def test_however_the_text_is_written_it_is_read(tmp_path: Path, raw: bytes) -> None:
    assert imported(tmp_path, raw).values["postgres"]["shared_buffers"] == "512MB"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "sets no parameter"),
        (b"\x7fELF\x00\x01", "is no text"),
        (POSTGRES.encode("utf-16-le"), "is no text"),
        (b"#" * (2 << 20), "larger than 1 MB"),
        (b"root:x:0:0:root:/root:/bin/bash\n", "sets no parameter"),
        (b"work_mem = 1" + b" " * 900_000 + b"x\n", "sets nothing that can be tuned"),
        (b"REDIS_HZ=1" + b" " * 900_000 + b"x\n", "sets nothing that can be tuned"),
        (b"max_connections = 200\n", "PostgreSQL or MySQL"),
        (b"[mysqldump]\ninnodb_io_capacity = 200\n", "sets nothing that can be tuned"),
        (b"shared_buffers = 1\n", r"some.conf:1: shared_buffers: 1 → 8 kB is below 128kB"),
    ],
)
def test_what_is_no_configuration_file_is_refused_in_a_sentence(
    tmp_path: Path, own_profiles: Path, raw: bytes, told: str
) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        imported(tmp_path, raw)
    assert caught.value.remedy or "larger" in told or "text" in told
    assert not own_profiles.exists()


def test_a_service_that_is_not_installed_is_named(tmp_path: Path) -> None:
    def locate(service: Service) -> Installation:
        raise NotInstalledError(f"{service.name} is not installed", "install it")

    (tmp_path / "my.cnf").write_text(MYSQL)
    with pytest.raises(UsageError, match="this machine, without mysql, has no such parameter"):
        import_profile(cast("Engine", SimpleNamespace(locate=locate)), tmp_path / "my.cnf")


def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, told in (
        (tmp_path / "pipe", "no regular file"),
        (tmp_path, "Is a directory"),
        (Path("/dev/zero"), "no regular file"),
        (tmp_path / "missing", "cannot be read"),
    ):
        with pytest.raises(UsageError, match=told):
            import_profile(ENGINE, path, "mine")


def test_a_profile_is_overwritten_only_where_that_is_said(tmp_path: Path) -> None:
    imported(tmp_path, "work_mem = 4MB\njit = off\n")
    with pytest.raises(UsageError, match="there is a profile 'mine' already"):
        imported(tmp_path, "work_mem = 8MB\n")
    imported_again(tmp_path, "work_mem = 8MB\n")
    assert profiles.load(ENGINE, "mine").values == {"postgres": {"work_mem": "8MB"}}
    for name in ("current", "../mine", "Mine"):
        with pytest.raises(UsageError, match="is no name"):
            import_profile(ENGINE, tmp_path / "some.conf", name)
    assert import_profile(ENGINE, tmp_path / "some.conf").profile == "some"


def test_one_broken_profile_does_not_hide_the_others(tmp_path: Path, own_profiles: Path) -> None:
    imported(tmp_path, "work_mem = 8MB\n")
    (own_profiles / "wrong.toml").write_text('[values.postgres]\nwork_mem = "1B"\n')
    (own_profiles / "torn.toml").write_text("[values")
    os.mkfifo(own_profiles / "pipe.toml")
    loaded, broken = profiles.load_all(ENGINE)
    assert {"baseline", "mine"} <= {one.name for one in loaded}
    assert set(broken) == {"wrong", "torn", "pipe"}
    assert "wrong.toml:2: values.postgres.work_mem" in broken["wrong"]
    assert "rounded to 0" in broken["wrong"]


def test_a_profiles_numbers_mean_what_they_mean_to_the_server(own_profiles: Path) -> None:
    own_profiles.mkdir(parents=True)
    (own_profiles / "bare.toml").write_text(
        "[values.postgres]\nshared_buffers = 65536\njit = true\nrandom_page_cost = 1.1\n"
        "[values.mysql]\ninnodb-flush-log-at-timeout = 3\n"
        "[values.mongodb]\nwiredTigerCacheSizeGB = 0.5\n"
        '[values.redis]\nsave = ""\nmaxmemory = "maxmemory = 1gb"\n'
    )
    assert profiles.load(ENGINE, "bare").values == {
        "postgres": {"shared_buffers": "512MB", "jit": "on", "random_page_cost": "1.1"},
        "mysql": {"innodb_flush_log_at_timeout": "3s"},
        "mongodb": {"wiredTigerCacheSizeGB": "512MB"},
        "redis": {"save": "off", "maxmemory": "1GB"},
    }
    (own_profiles / "bare.toml").write_text("[values.postgres]\nmax_connections = 999999\n")
    with pytest.raises(UsageError, match=r"bare\.toml:2: .* is above 262143"):
        profiles.load(ENGINE, "bare")


def test_what_a_file_says_cannot_act_on_a_terminal(tmp_path: Path) -> None:
    found = imported(tmp_path, "work_mem = 8MB\n\x1b]0;owned\x07 = 1\n\x85x = 2\n\nevil\x1b[2J 3\n")
    assert "\x1b" not in repr(found).encode().decode("unicode_escape")
    assert {one.line for one in found.lines} == {1, 2, 3, 5}


def test_many_settings_that_are_none_of_ours_are_each_listed(tmp_path: Path) -> None:
    text = "work_mem = 8MB\n" + "\n".join(f"wrk_mem{n} = 1\nlog_x{n} = 1" for n in range(300))
    found = imported(tmp_path, text)
    unknown = rest(found, "unknown")
    assert len(unknown) == 600
    assert unknown["wrk_mem1"][1].endswith("did you mean work_mem?")
    assert unknown["log_x1"][1].endswith("that can be tuned")
