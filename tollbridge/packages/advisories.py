"""Known faults of packages: the shipped snapshot, which packages it names, and how it is made. Pure.

The snapshot holds facts only: package, first version with the fault, first version without it, the advisory's id.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from packaging.version import InvalidVersion, Version

from tollbridge.packages.locked import Package, Registry, normal_name

COLUMNS = ("registry", "package", "introduced", "fixed", "id")
BEGINNING = "0"


@dataclass(frozen=True, kw_only=True, order=True)
class Advisory:
    """Versions from `introduced` on, before `fixed`, have the fault `id`; an empty `fixed`: none is without it."""

    registry: Registry
    package: str
    introduced: str
    fixed: str
    id: str

    def concerns(self, package: Package) -> bool:
        """Return whether a package has the fault. A version that nobody can read is believed to have it."""
        if (package.registry, package.name) != (self.registry, self.package):
            return False
        try:
            version = Version(package.version)
            begun = self.introduced == BEGINNING or version >= Version(self.introduced)
            return begun and not (self.fixed and version >= Version(self.fixed))
        except InvalidVersion:
            return True


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where facts of the snapshot are from, and of which day."""

    name: str
    as_of: date


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All that is known without asking anybody."""

    sources: Sequence[Source]
    advisories: Sequence[Advisory]

    def found(self, packages: Iterable[Package]) -> list[tuple[Package, Advisory]]:
        """Return each package with each fault it has."""
        return [(one, fault) for one in packages for fault in self.advisories if fault.concerns(one)]


def read_snapshot(text: str) -> Snapshot:
    """Read the snapshot's file: lines `# source DAY NAME`, then CSV. Raises ValueError that says what is wrong."""
    sources, rows = [], []
    for line in text.splitlines():
        if line.startswith("# source "):
            day, _, name = line.removeprefix("# source ").partition(" ")
            sources.append(Source(name=name, as_of=date.fromisoformat(day)))
        elif line and not line.startswith("#"):
            rows.append(line)
    if not sources:
        raise ValueError("the snapshot of advisories names no source")
    read = csv.DictReader(rows)
    if tuple(read.fieldnames or ()) != COLUMNS:
        raise ValueError(f"the snapshot of advisories must have the columns {', '.join(COLUMNS)}")
    return Snapshot(
        sources=sources,
        advisories=[
            Advisory(
                registry=Registry(row["registry"]),
                package=row["package"],
                introduced=row["introduced"],
                fixed=row["fixed"],
                id=row["id"],
            )
            for row in read
        ],
    )


def write_snapshot(snapshot: Snapshot) -> str:
    """Return the snapshot's file; the same facts give the same text."""
    text = io.StringIO()
    text.write("# Known faults of packages that the lock files name or named: facts only.\n")
    text.write("# `make advisories FROM=folder` renews it (docs/security.md).\n")
    for source in snapshot.sources:
        text.write(f"# source {source.as_of.isoformat()} {source.name}\n")
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for one in sorted(set(snapshot.advisories)):
        rows.writerow({name: str(getattr(one, name)) for name in COLUMNS})
    return text.getvalue()


def advisories_in(record: Mapping[str, Any], names: frozenset[tuple[Registry, str]]) -> Iterator[Advisory]:
    """Yield the facts of one record in OSV's format, of the packages of `names`. Withdrawn records hold none."""
    if record.get("withdrawn"):
        return
    for affected in record.get("affected", ()):
        package = affected.get("package", {})
        if package.get("ecosystem") not in list(Registry):
            continue
        registry = Registry(package["ecosystem"])
        name = normal_name(package["name"]) if registry is Registry.PYPI else package["name"]
        if (registry, name) in names:
            for introduced, fixed in _ranges(affected):
                yield Advisory(
                    registry=registry, package=name, introduced=introduced, fixed=fixed, id=str(record["id"])
                )


def _ranges(affected: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield first version with the fault and first version without it; one that is fixed nowhere has none."""
    for part in affected.get("ranges", ()):
        if part.get("type") not in ("ECOSYSTEM", "SEMVER"):
            continue
        introduced = ""
        for event in part.get("events", ()):
            if "introduced" in event:
                introduced = str(event["introduced"])
            elif "fixed" in event and introduced:
                yield introduced, str(event["fixed"])
                introduced = ""
        if introduced:
            yield introduced, ""
