#!/usr/bin/env python3
"""`make test-bare`: what the README promises, kept on bare machines.

Debian 12 and 13 as debootstrap leaves them (minbase, and what the README asks for), each as root
and as a user with sudo: in a clone of this commit `make run </dev/null` must end with every
service healthy but Forgejo, with no line of `doctor` that is not green; then `make run` again,
`check run` and `down`, which must leave no process. With `--full` a fifth machine runs `make test`.

A machine is a directory below build/bare with mounts and processes in namespaces of its own: the
kernel ends both with the first process in there, which dies with us, however we die.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
ROOM = TOP / "build" / "bare"
RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
USERS = ("root", "dev")
INCLUDE = "python3,python3-venv,git,make,sudo,ca-certificates"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PROGRAMS = ("apt-get", "debootstrap", "git", "setpriv", "tar", "unshare")
MAY_BE_ABSENT = {"forgejo"}

# The first process of the machine: ROOT USER, then the caches, then the script. It stays, so that
# it reaps what is left to it, and lists at the end what should be gone.
INIT = """
root=$1 user=$2 lists=$3 archives=$4 wheels=$5 script=$6
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${number%:*}" "$root/dev/${number#*:}"
done
mount --bind "$lists" "$root/var/lib/apt/lists"
mount --bind "$archives" "$root/var/cache/apt/archives"
mkdir -p "$root/var/cache/pip"
mount --bind "$wheels" "$root/var/cache/pip"
status=0
chroot "$root" runuser -u "$user" -- sh -euc "$script" </dev/null || status=$?
for process in "$root"/proc/[0-9]*; do
    [ "${process##*/}" = 1 ] || tr '\\0' ' ' <"$process/cmdline" || true
done >"$root/left-over" 2>/dev/null
exit $status
"""

RUN = """
cd ~/devstack-tui
step() { date "+%s.%N $1" >>~/steps; }
step 'make run'
make run </dev/null
step 'make run again'
make run </dev/null
step looking
.venv/bin/devstack-tui status --json >~/status.json
.venv/bin/devstack-tui doctor --json >~/doctor.json
step 'check run'
.venv/bin/devstack-tui check run --json >~/checks.json
step down
.venv/bin/devstack-tui down
step end
"""

TEST = """
cd ~/devstack-tui
step() { date "+%s.%N $1" >>~/steps; }
step 'make test'
make test
step end
"""


class Unmet(Exception):
    """A promise that was not kept."""


@dataclass(frozen=True)
class Machine:
    """A bare machine: the release, who works there, and what is run."""

    release: str
    user: str
    script: str
    verify: Callable[[Machine], str]

    @property
    def name(self) -> str:
        """For messages and files."""
        whole = "-test" if self.script is TEST else ""
        return f"{self.release}-{self.user}{whole}"

    @property
    def root(self) -> Path:
        """Its root directory."""
        return ROOM / self.name

    @property
    def home(self) -> Path:
        """The home directory of its user, seen from here."""
        return self.root / ("root" if self.user == "root" else f"home/{self.user}")

    @property
    def log(self) -> Path:
        """What its script printed."""
        return ROOM / f"{self.name}.log"

    def steps(self) -> Iterator[tuple[str, float]]:
        """What was run, and its seconds."""
        lines = (self.home / "steps").read_text().splitlines()
        marks = [(float(at), name) for at, _, name in (line.partition(" ") for line in lines)]
        for (began, name), (ended, _) in itertools.pairwise(marks):
            yield name, ended - began


def reason_to_skip() -> str:
    """Why this machine cannot make bare ones, or nothing."""
    if sys.platform != "linux":
        return "bare machines are made on Linux only"
    if os.geteuid() != 0:
        return "bare machines are made by root: sudo make test-bare"
    if shutil.which("apt-get") is None:
        return "bare machines are made with debootstrap, on Debian or Ubuntu"
    if shutil.which("debootstrap") is None:
        call(["apt-get", "update", "-q"])
        keys = "debian-archive-keyring"
        call(["apt-get", "install", "-y", "-q", "--no-install-recommends", "debootstrap", keys])
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f"not on this machine: {', '.join(lacking)}"
    probe = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "bare", "/mnt"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        return "this machine does not allow mounts in a namespace"
    return ""


def call(argv: Sequence[str]) -> None:
    """Run `argv`; its output is narration."""
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def confined(argv: Sequence[str]) -> list[str]:
    """`argv` in mount and process namespaces that end with us."""
    return [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
        *argv,
    ]


def base(release: str) -> Path:
    """The archive of the bare release, made once for each list of packages."""
    archive = ROOM / f"{release}-{hashlib.sha256(INCLUDE.encode()).hexdigest()[:8]}.tar"
    if archive.exists():
        return archive
    making = ROOM / f"{release}-making"
    remove(making)
    narrate(f"{RELEASES[release]}: debootstrap, once")
    mirror = [found] if (found := os.environ.get("MIRROR")) else []
    options = ["--variant=minbase", f"--include={INCLUDE}"]
    call(confined(["debootstrap", *options, release, str(making), *mirror]))
    staging = archive.with_suffix(".part")
    options = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*_*"]
    call(["tar", "-C", str(making), *options, "-cf", str(staging), "."])
    staging.replace(archive)
    remove(making)
    return archive


def furnish(machine: Machine, commit: str) -> None:
    """The machine anew: its user, its network's settings, the clone."""
    remove(machine.root)
    machine.root.mkdir(mode=0o755)
    call(["tar", "-C", str(machine.root), "-xpf", str(base(machine.release))])
    etc = machine.root / "etc"
    for name in ("resolv.conf", "hosts"):
        (etc / name).unlink(missing_ok=True)
        shutil.copyfile(Path("/etc", name).resolve(), etc / name)
    # They only save time: what would be synced to disk is thrown away in a minute.
    (etc / "dpkg/dpkg.cfg.d/bare").write_text("force-unsafe-io\n")
    if machine.user != "root":
        call(["chroot", str(machine.root), "useradd", "-m", "-s", "/bin/bash", machine.user])
        sudoers = etc / "sudoers.d" / machine.user
        sudoers.write_text(f"{machine.user} ALL=(ALL) NOPASSWD: ALL\n")
        sudoers.chmod(0o440)
    if any(name in package_settings() for name in ("PIP_CERT", "SSL_CERT_FILE")):
        shutil.copyfile(Path(CERTIFICATES).resolve(), machine.root / CERTIFICATES.lstrip("/"))
    clone = machine.home / "devstack-tui"
    call(["git", "clone", "--quiet", "--no-hardlinks", "--no-checkout", str(TOP), str(clone)])
    call(["git", "-C", str(clone), "checkout", "--quiet", "--detach", commit])
    about = machine.home.stat()
    call(["chown", "-R", f"{about.st_uid}:{about.st_gid}", str(clone)])
    cache = cached("wheels")
    call(["chown", "-R", f"{about.st_uid}:{about.st_gid}", str(cache)])


def cached(name: str) -> Path:
    """A directory that the machines share."""
    folder = ROOM / name
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    return folder


def package_settings() -> dict[str, str]:
    """What this machine itself needs to reach its package indexes; paths of it excepted."""
    names = ("PIP_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_DEFAULT_TIMEOUT")
    names += ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    found = {name: os.environ[name] for name in names if os.environ.get(name)}
    for name in ("PIP_CERT", "SSL_CERT_FILE"):
        if os.environ.get(name):
            found[name] = CERTIFICATES
    return found


def live(machine: Machine) -> None:
    """Run the machine's script to its end. Raises `Unmet` when it fails."""
    inside = Path("/", machine.home.relative_to(machine.root))
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(inside),
        "USER": machine.user,
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "PIP_CACHE_DIR": "/var/cache/pip",
        **package_settings(),
    }
    shared = [str(cached(f"{machine.release}-{kind}")) for kind in ("lists", "archives")]
    arguments = [str(machine.root), machine.user, *shared, str(cached("wheels")), machine.script]
    with machine.log.open("wb") as log:
        ended = subprocess.run(
            confined(["sh", "-euc", INIT, "bare", *arguments]),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode != 0:
        raise Unmet(f"the script ended with status {ended.returncode}")


def document(machine: Machine, name: str) -> Any:
    """A JSON document that the script left in its user's home."""
    return json.loads((machine.home / name).read_text())


def verify_run(machine: Machine) -> str:
    """That everything is as the README promises; returns it in a few words."""
    states = {s["name"]: s["state"] for s in document(machine, "status.json")["services"]}
    wrong = {n: s for n, s in states.items() if s != "healthy" and n not in MAY_BE_ABSENT}
    if wrong or len(states) < 8:
        raise Unmet(f"not healthy: {wrong or states}")
    findings = document(machine, "doctor.json")["findings"]
    if odd := [f for f in findings if f["status"] in ("missing", "warning")]:
        raise Unmet(f"doctor: {odd}")
    if left := (machine.root / "left-over").read_text().strip():
        raise Unmet(f"still running after down: {left}")
    counts = document(machine, "checks.json")["counts"]
    healthy = sum(state == "healthy" for state in states.values())
    return f"{healthy} of {len(states)} healthy, checks {counts}"


def verify_test(machine: Machine) -> str:
    """The line with which pytest closed."""
    lines = machine.log.read_text(errors="replace").splitlines()
    return next((line.strip("= ") for line in reversed(lines) if " passed" in line), "")


def narrate(text: str) -> None:
    """A line for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def remove(folder: Path) -> None:
    """Remove a machine. What was mounted in it, was so in its own namespace only."""
    if folder.exists():
        shutil.rmtree(folder)


def try_out(machine: Machine, commit: str) -> bool:
    """Whether the machine kept its promise; prints how it went."""
    began = time.monotonic()
    narrate(f"{machine.name}: begins; its output goes to {machine.log.relative_to(TOP)}")
    try:
        furnish(machine, commit)
        live(machine)
        said = machine.verify(machine)
    except (Unmet, OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
        if machine.log.exists():
            narrate("\n".join(machine.log.read_text(errors="replace").splitlines()[-40:]))
        print(f"FAIL {machine.name} after {time.monotonic() - began:.0f} s: {error}", flush=True)
        return False
    else:
        times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in machine.steps())
        print(f"PASS {machine.name} in {time.monotonic() - began:.0f} s: {said}", flush=True)
        print(f"     {times}", flush=True)
        return True
    finally:
        remove(machine.root)


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else uses build/bare meanwhile."""
    ROOM.mkdir(parents=True, exist_ok=True)
    with (ROOM / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Exit status 0 when every machine kept the promise, or none could be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="`make test` too, in bare Debian 13")
    parser.add_argument("--only", metavar="NAME", help="one machine, as trixie-dev")
    options = parser.parse_args()
    if reason := reason_to_skip():
        print(f"test-bare: SKIPPED: {reason}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    machines = [Machine(r, user, RUN, verify_run) for r in RELEASES for user in USERS]
    if options.full:
        machines.append(Machine("trixie", "root", TEST, verify_test))
    if options.only:
        machines = [machine for machine in machines if machine.name == options.only]
    git = ["git", "-C", str(TOP)]
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    if subprocess.check_output([*git, "status", "--porcelain"], text=True).strip():
        narrate("what is not committed is not tested")
    began = time.monotonic()
    with alone():
        kept = [try_out(machine, commit) for machine in machines]
    print(f"bare machines: {time.monotonic() - began:.0f} s in all")
    print(f"{sum(kept)} passed, {len(kept) - sum(kept)} failed")
    return 0 if machines and all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
