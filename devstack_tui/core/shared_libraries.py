"""The shared libraries that a program needs and this machine lacks, with Debian's packages."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from devstack_tui.core import environment

_ABSENT = re.compile(r"^\s*(\S+) => not found$", re.MULTILINE)
_SONAME = re.compile(r"(?P<name>lib.+?)\.so\.(?P<version>\d+)[\d.]*(?:t64)?")
# What Debian's rule for names (Policy 8.1) does not give: one package for several libraries, or one
# that is older than the rule.
_LIBC = ("libc", "libm", "libdl", "librt", "libpthread", "libresolv", "libutil", "libanl")
_PACKAGE_OF = {
    **{f"{name}.so.{version}": "libc6" for name in _LIBC for version in (1, 2, 6)},
    "libpam.so.0": "libpam0g",
    "libxml2.so.2": "libxml2",
    "libz.so.1": "zlib1g",
}
_SHARED_WITH = {
    "libbrotlicommon": "libbrotli",
    "libbrotlidec": "libbrotli",
    "libcrypto": "libssl",
    "libicudata": "libicu",
    "libicui18n": "libicu",
    "libicuuc": "libicu",
    "liblber": "libldap",
}
TIMEOUT_S = 20.0


def missing_libraries(program: Path) -> tuple[str, ...]:
    """The shared libraries (sonames) that the loader cannot find for `program`.

    Asked of `ldd`, which names all of them, where the loader itself ends at the first. Empty for a
    script, for a program that needs none, and where there is no `ldd` to ask.
    """
    output = _output("ldd", str(program))
    return tuple(dict.fromkeys(_ABSENT.findall(output)))


def library_packages(sonames: Iterable[str]) -> tuple[str, ...]:
    """Debian's packages that hold the libraries `sonames`, each once.

    Of the names that a library has had (`libcurl4t64` since the change to 64-bit times, `libcurl4`
    before), the first that apt knows; while apt has no lists, the plain one, which the newer
    package provides.
    """
    plain = [package_of(soname) for soname in sonames]
    known = _known(f"{name}t64" for name in plain)
    newest = (f"{name}t64" if f"{name}t64" in known else name for name in plain)
    return tuple(dict.fromkeys(newest))


def package_of(soname: str) -> str:
    """The package of a library by Debian's rule: `libcurl.so.4` is in `libcurl4`,
    `libgssapi_krb5.so.2` in `libgssapi-krb5-2`."""
    found = _SONAME.fullmatch(soname)
    if soname in _PACKAGE_OF or found is None:
        return _PACKAGE_OF.get(soname, soname)
    stem, dash, release = found["name"].partition("-")
    name = f"{_SHARED_WITH.get(stem, stem)}{dash}{release}".lower().replace("_", "-")
    return f"{name}{'-' if name[-1].isdigit() else ''}{found['version']}"


def _known(packages: Iterable[str]) -> frozenset[str]:
    """Those of `packages` that apt's lists have by that name, not as what another one provides."""
    asked = sorted(set(packages))
    output = _output("apt-cache", "show", "--no-all-versions", *asked) if asked else ""
    return frozenset(re.findall(r"^Package: (\S+)$", output, re.MULTILINE)) & frozenset(asked)


def _output(name: str, *arguments: str) -> str:
    """What a tool prints in English, or nothing where it is missing or does not answer."""
    found = shutil.which(name)
    if found is None:
        return ""
    try:
        return subprocess.run(
            [found, *arguments],
            capture_output=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
            env=environment.of_child({"LC_ALL": "C"}),
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
