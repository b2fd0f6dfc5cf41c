"""`make audit`: do packages that we pin have known faults? Asks the registries where it can, the snapshot always."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tollbridge.packages.advisories import read_snapshot
from tollbridge.packages.locked import PYTHON_LOCK, locked_packages

SNAPSHOT_FILE = Path(__file__).with_name("advisories.csv")
HOUSE = Path(__file__).resolve().parent.parent.parent
OLD_AFTER_DAYS = 90
_ASK_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a registry's own tool answered. `unknown` says why not, or for how much, it could not."""

    tool: str
    faults: Sequence[str] = field(default_factory=tuple)
    unknown: str = ""


def of_snapshot(folder: Path, text: str, today: date) -> tuple[list[str], list[str]]:
    """Return the faults that the snapshot knows, and what is to be known of it. Raises OSError, ValueError."""
    snapshot, packages = read_snapshot(text), locked_packages(folder)
    faults = [
        f"{one.name} {one.version} has {fault.id}" + (f": fixed in {fault.fixed}" if fault.fixed else "")
        for one, fault in snapshot.found(packages)
    ]
    notes = [f"{len(packages)} packages against {len(snapshot.advisories)} facts on this disk"]
    for source in snapshot.sources:
        age = (today - source.as_of).days
        old = f", {age} days old: renew it (docs/security.md)" if age > OLD_AFTER_DAYS else ""
        notes.append(f"facts of {source.as_of}, {source.name}{old}")
    return faults, notes


def of_pip_audit(output: str) -> Asked:
    """Read what pip-audit says in JSON. What it could not look up is unknown, not well: it ends with success then."""
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Asked(tool="pip-audit", unknown="gave no answer")
    faults = [
        f"{one['name']} {one['version']} has {fault['id']}"
        for one in packages
        for fault in one.get("vulns", ())
    ]
    skipped = sum("skip_reason" in one for one in packages)
    unknown = f"{skipped} of {len(packages)} packages could not be looked up" if skipped else ""
    return Asked(tool="pip-audit", faults=faults, unknown=unknown)


def of_npm_audit(output: str) -> Asked:
    """Read what `npm audit` says in JSON."""
    try:
        found: dict[str, Any] = json.loads(output)["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        return Asked(tool="npm audit", unknown="gave no answer")
    faults = [f"{name} has a fault of severity {one.get('severity', '?')}" for name, one in found.items()]
    return Asked(tool="npm audit", faults=faults)


def _output(folder: Path, *command: str) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def ask_registries(folder: Path, pip_audit: str) -> list[Asked]:
    """Ask both registries' own tools. Blocks, some minutes at most."""
    options = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")
    return [
        of_pip_audit(_output(folder, pip_audit, *options, "-r", PYTHON_LOCK)),
        of_npm_audit(_output(folder, "npm", "audit", "--json", "--package-lock-only", "--audit")),
    ]


def main(pip_audit: str) -> int:
    """Print what is known; return 1 when a package has a known fault. `pip_audit` empty: ask nobody."""
    faults, notes = of_snapshot(HOUSE, SNAPSHOT_FILE.read_text(), datetime.now(UTC).date())
    for asked in ask_registries(HOUSE, pip_audit) if pip_audit else ():
        faults += asked.faults
        notes.append(f"{asked.tool}: {asked.unknown or 'asked for every package'}")
    for note in notes:
        print(f"  {note}", file=sys.stderr)
    for fault in sorted(set(faults)):
        print(fault)
    print("no known fault" if not faults else f"{len(set(faults))} known faults", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
