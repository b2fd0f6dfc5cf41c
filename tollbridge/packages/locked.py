"""Reads the lock files: which packages, at which versions. Pure but for reading the files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
PYTHON_LOCK = "requirements.lock"
DEVELOPMENT_LOCK = "requirements-dev.lock"
TOOLS_LOCK = "requirements-tools.lock"
WEB_LOCK = "package-lock.json"


class Registry(StrEnum):
    """Where a package is from, as advisories name it."""

    PYPI = "PyPI"
    NPM = "npm"


@dataclass(frozen=True, kw_only=True, order=True)
class Package:
    """A package as it is pinned. `ships` says whether a node runs it: otherwise it only builds or checks."""

    registry: Registry
    name: str
    version: str
    ships: bool


def normal_name(name: str) -> str:
    """Return a Python package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def python_packages(lock: str, *, ships: bool) -> list[Package]:
    """Return what a lock file of pip pins."""
    return [
        Package(registry=Registry.PYPI, name=normal_name(name), version=version, ships=ships)
        for name, version in _PINNED.findall(lock)
    ]


def web_packages(lock: str) -> list[Package]:
    """Return what npm's lock file pins. What is not for development ends up in pages."""
    found = []
    for where, entry in json.loads(lock)["packages"].items():
        if where and "version" in entry:
            name = where.rpartition("node_modules/")[2]
            ships = not (entry.get("dev") or entry.get("devOptional"))
            found.append(Package(registry=Registry.NPM, name=name, version=entry["version"], ships=ships))
    return found


def locked_packages(folder: Path) -> list[Package]:
    """Return every package that the lock files in `folder` pin, each version once. Raises OSError."""
    shipped = python_packages((folder / PYTHON_LOCK).read_text(), ships=True)
    known = {(one.name, one.version) for one in shipped}
    others = {
        one
        for lock in (DEVELOPMENT_LOCK, TOOLS_LOCK)
        for one in python_packages((folder / lock).read_text(), ships=False)
        if (one.name, one.version) not in known
    }
    return [*shipped, *sorted(others), *web_packages((folder / WEB_LOCK).read_text())]
