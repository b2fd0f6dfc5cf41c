"""`make advisories FROM=folder`: renews the snapshot from folders of records in OSV's format, JSON or YAML."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # of the checks' environment

from tollbridge.packages.advisories import Snapshot, Source, advisories_in, read_snapshot, write_snapshot
from tollbridge.packages.audit import HOUSE, SNAPSHOT_FILE
from tollbridge.packages.locked import locked_packages


def records(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Yield every record under a folder. Raises ValueError that names a file that is none."""
    for file in sorted(folder.rglob("*")):
        if file.suffix not in (".json", ".yaml", ".yml") or not file.is_file():
            continue
        try:
            text = file.read_text(encoding="utf-8")
            record = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError) as fault:
            raise ValueError(f"{file} is no record of an advisory: {fault}") from fault
        if isinstance(record, dict) and "affected" in record:
            yield record


def renewed(before: Snapshot, house: Path, folders: Sequence[tuple[Path, Source]]) -> Snapshot:
    """Return the snapshot with the facts of `folders` about our packages. What is known already stays."""
    names = frozenset((one.registry, one.name) for one in locked_packages(house))
    new = [
        fact for folder, _ in folders for record in records(folder) for fact in advisories_in(record, names)
    ]
    fresh = {source.name: source for _, source in folders}
    kept = [fresh.pop(source.name, source) for source in before.sources]
    return Snapshot(sources=[*kept, *fresh.values()], advisories=[*before.advisories, *new])


def main(arguments: Sequence[str]) -> int:
    """Renew the file from `NAME DAY FOLDER`, as often as there are sources. Returns an exit status."""
    if not arguments or len(arguments) % 3:
        print("say NAME DAY FOLDER for each source, such as pypa 2026-11-30 /tmp/advisory-database")
        return 2
    threes = zip(arguments[::3], arguments[1::3], arguments[2::3], strict=True)
    folders = [(Path(path), Source(name=name, as_of=date.fromisoformat(day))) for name, day, path in threes]
    before = read_snapshot(SNAPSHOT_FILE.read_text())
    after = renewed(before, HOUSE, folders)
    SNAPSHOT_FILE.write_text(write_snapshot(after))
    print(f"{len(set(after.advisories))} facts, {len(set(before.advisories))} before")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
