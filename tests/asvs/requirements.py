"""Reads docs/asvs.csv, looks whether what it names is there, and writes the table of docs/security.md.

`python -m tests.asvs.requirements` writes the table. `--merged secrets` calls rows that are pending on that part met
where all that they name is there.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
LIST, PAGE = HOUSE / "docs" / "asvs.csv", HOUSE / "docs" / "security.md"
BEGIN, END = "<!-- the list begins -->", "<!-- the list ends -->"
COLUMNS = ("id", "level", "requirement", "state", "shown_by", "note")
STATES = ("met", "not met", "not ours")
PENDING = "pending: "
CHAPTERS = (
    *("Encoding", "Validation and business logic", "Browser", "API and web services", "Files"),
    *("Authentication", "Sessions", "Authorization", "Signed tokens", "OAuth and OIDC", "Cryptography"),
    *(
        "Encrypted connections",
        "Configuration",
        "Sensitive data",
        "Architecture",
        "Logs and errors",
        "WebRTC",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One row: `shown_by` names tests (path::name) and files (path)."""

    id: str
    level: str
    requirement: str
    state: str
    shown_by: tuple[str, ...]
    note: str

    @property
    def chapter(self) -> int:
        return int(self.id.split(".")[0])

    @property
    def missing(self) -> list[str]:
        """Return what of `shown_by` is not there."""
        return [one for one in self.shown_by if not is_there(one)]


@cache
def is_there(shown: str) -> bool:
    """Return whether a file is there, and a test is in it."""
    path, _, test = shown.partition("::")
    file = HOUSE / path
    if not file.is_file():
        return False
    return (
        not test or re.search(rf"^\s*(?:async )?def {re.escape(test)}\(", file.read_text(), re.M) is not None
    )


def read() -> list[Requirement]:
    """Return every row of the list, in its order."""
    with LIST.open(newline="") as file:
        return [
            Requirement(**{**row, "shown_by": tuple(filter(None, row["shown_by"].split("; ")))})  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        ]


def write(rows: Sequence[Requirement]) -> None:
    with LIST.open("w", newline="") as file:
        out = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        out.writeheader()
        for one in rows:
            values = {name: getattr(one, name) for name in COLUMNS}
            out.writerow(values | {"shown_by": "; ".join(one.shown_by)})


def table(rows: Sequence[Requirement]) -> str:
    """Return the rows as the page shows them, a table a chapter, and how many there are of each state."""
    count = Counter(one.state.split(":")[0] for one in rows)
    lines = [", ".join(f"{count[state]} {state}" for state in (*STATES, "pending") if count[state]) + ".", ""]
    for number, name in enumerate(CHAPTERS, 1):
        lines += [
            f"### V{number} {name}",
            "",
            "| | level | requirement | | shown by |",
            "|---|---|---|---|---|",
        ]
        lines += [_line(one) for one in rows if one.chapter == number]
        lines.append("")
    return "\n".join(lines).rstrip("\n")


def _line(one: Requirement) -> str:
    shown = ", ".join(f"`{text}`" for text in one.shown_by)
    told = "; ".join(filter(None, (shown, one.note)))
    state = one.state if one.state == "met" else f"**{one.state}**"
    return f"| {one.id} | {one.level} | {one.requirement} | {state} | {told} |"


def page(before: str, rows: Sequence[Requirement]) -> str:
    """Return the page with the table in its place."""
    head, _, rest = before.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{table(rows)}\n\n{END}{rest.partition(END)[2]}"


def merged(rows: Sequence[Requirement], part: str) -> list[Requirement]:
    """Return the rows, those pending on `part` met where all that they name is there."""
    return [
        replace(one, state="met") if one.state == PENDING + part and not one.missing else one for one in rows
    ]


def main(arguments: Sequence[str]) -> None:
    rows = read()
    if arguments[:1] == ["--merged"]:
        rows = merged(rows, arguments[1])
        write(rows)
    PAGE.write_text(page(PAGE.read_text(), rows))
    for one in rows:
        if one.state.startswith(PENDING):
            print(f"{one.id} {one.state}: missing {', '.join(one.missing) or 'nothing'}")


if __name__ == "__main__":
    main(sys.argv[1:])
