"""Finds an Asterisk that is new enough, or puts one into a private root: no Docker, no root rights (FACTS 1)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from asterisk_conf.node_config import Installation

MINIMUM_VERSION = (22, 10, 1)
"""The release that closes 20 advisories."""
SUITE = "forky"
"""The Debian release whose package goes into the private root."""
ROOT_NAME = "asterisk"
FREE_BYTES_NEEDED = 600 * 1024 * 1024
_VERSION = re.compile(r"Asterisk (?:certified-)?(\d+)\.(\d+)\.(\d+)\S*")
_INSTALL_TIMEOUT_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class NoAsterisk:
    """Why there is no Asterisk to start, and what to do about it."""

    reason: str


def read_version(text: str) -> tuple[int, int, int] | None:
    """Read `asterisk -V`: "Asterisk 22.10.1+dfsg…" -> (22, 10, 1)."""
    match = _VERSION.search(text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def find_asterisk(cache_dir: Path) -> Installation | NoAsterisk:
    """Return an Asterisk of at least 22.10.1: the PATH's, the distribution's, else the private root's."""
    too_old = ""
    for binary in _installed_binaries():
        version = _version_of([str(binary)])
        if version is None:
            continue
        if version >= MINIMUM_VERSION:
            installation = _installed(binary, version)
            if installation is not None:
                return installation
        too_old = f" ({binary} is {_dotted(version)})"
    private = private_root(cache_dir / ROOT_NAME)
    if private is not None:
        return private
    wanted = _dotted(MINIMUM_VERSION)
    return NoAsterisk(reason=f"no Asterisk {wanted} or newer here{too_old}: run `make setup`")


def private_root(root: Path) -> Installation | None:
    """Return the installation inside a private root, None when there is none that runs."""
    binary = root / "usr/sbin/asterisk"
    loader = next((path for path in sorted(root.glob("usr/lib*/ld-linux-*.so.*"))), None)
    library_dir = next((path for path in sorted(root.glob("usr/lib/*-linux-gnu")) if path.is_dir()), None)
    if not binary.exists() or loader is None or library_dir is None:
        return None
    version = _version_of(_with_loader(loader, library_dir, binary))
    if version is None or version < MINIMUM_VERSION:
        return None
    return Installation(
        version=_dotted(version),
        binary=binary,
        modules_dir=library_dir / "asterisk/modules",
        data_dir=root / "usr/share/asterisk",
        root=root,
        loader=loader,
        library_dir=library_dir,
    )


def command_line(installation: Installation, configuration: Path, *arguments: str) -> list[str]:
    """Return the words that start this Asterisk with `configuration` (a node's asterisk.conf).

    A private root is started by its own loader: LD_LIBRARY_PATH would break it, and its children (FACTS 1).
    """
    start = [str(installation.binary)]
    if installation.loader is not None and installation.library_dir is not None:
        start = _with_loader(installation.loader, installation.library_dir, installation.binary)
    return [*start, "-C", str(configuration), *arguments]


def install_private_root(cache_dir: Path) -> Installation | NoAsterisk:
    """Fetch Debian's package and what it needs into cache_dir/asterisk (10 s, 270 MB). Idempotent."""
    root = cache_dir / ROOT_NAME
    found = private_root(root)
    if found is not None:
        return found
    problem = _cannot_install(cache_dir)
    if problem is not None:
        return problem
    building = root.with_name(f"{ROOT_NAME}.building")
    shutil.rmtree(building, ignore_errors=True)
    failure = _fetch(building)
    if failure is not None:
        shutil.rmtree(building, ignore_errors=True)
        return failure
    shutil.rmtree(root, ignore_errors=True)
    building.rename(root)
    return private_root(root) or NoAsterisk(
        reason=f"the Asterisk in {root} does not start: remove it and try again"
    )


def _cannot_install(cache_dir: Path) -> NoAsterisk | None:
    if shutil.which("mmdebstrap") is None:
        return NoAsterisk(reason="mmdebstrap is missing: run `make setup`, or `apt-get install mmdebstrap`")
    cache_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache_dir).free
    if free < FREE_BYTES_NEEDED:
        return NoAsterisk(reason=f"{cache_dir} has {free >> 20} MB left, Asterisk needs 600: free some space")
    return None


def _fetch(building: Path) -> NoAsterisk | None:
    words = ["mmdebstrap", "--variant=extract", "--include=asterisk"]
    for option in ('Acquire::Check-Valid-Until "false"', 'APT::Install-Recommends "false"'):
        words.append(f"--aptopt={option}")
    try:
        done = subprocess.run(
            [*words, SUITE, str(building)],
            capture_output=True,
            check=False,
            text=True,
            timeout=_INSTALL_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return NoAsterisk(reason="fetching Asterisk took over 10 minutes: check the network and try again")
    if done.returncode == 0:
        return None
    last = next(
        (line for line in reversed(done.stderr.splitlines()) if line.startswith("E:")), "no reason given"
    )
    return NoAsterisk(
        reason=f"Asterisk could not be fetched from Debian {SUITE} ({last[:160]}): check network and /etc/apt"
    )


def _installed_binaries() -> list[Path]:
    found = [shutil.which("asterisk"), "/usr/sbin/asterisk", "/usr/local/sbin/asterisk"]
    return list(dict.fromkeys(Path(path) for path in found if path and Path(path).exists()))


def _installed(binary: Path, version: tuple[int, int, int]) -> Installation | None:
    prefix = binary.resolve().parent.parent
    modules = [*sorted(prefix.glob("lib/*-linux-gnu/asterisk/modules")), prefix / "lib/asterisk/modules"]
    data = [prefix / "share/asterisk", Path("/usr/share/asterisk"), Path("/var/lib/asterisk")]
    modules_dir = next((path for path in modules if path.is_dir()), None)
    data_dir = next((path for path in data if (path / "documentation").is_dir()), None)
    if modules_dir is None or data_dir is None:
        return None
    return Installation(version=_dotted(version), binary=binary, modules_dir=modules_dir, data_dir=data_dir)


def _with_loader(loader: Path, library_dir: Path, binary: Path) -> list[str]:
    return [str(loader), "--library-path", str(library_dir), "--argv0", "asterisk", str(binary)]


def _version_of(words: list[str]) -> tuple[int, int, int] | None:
    try:
        done = subprocess.run([*words, "-V"], capture_output=True, check=False, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return read_version(done.stdout)


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(str(part) for part in version)


def main(arguments: list[str]) -> int:
    """Find or fetch an Asterisk for the cache directory named first; say where it is. For tollbridge/setup.sh."""
    cache_dir = Path(arguments[0])
    found = find_asterisk(cache_dir)
    if isinstance(found, NoAsterisk):
        found = install_private_root(cache_dir)
    if isinstance(found, NoAsterisk):
        print(found.reason)
        return 1
    print(f"Asterisk {found.version} at {found.binary}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
