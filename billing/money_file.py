"""A CSV file of payments or adjustments, row by row; refused with every line that is wrong. Pure but for the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from billing.terms_document import Party
from rules.money import MoneyError, parse_dollars

MAXIMUM_ROWS = 100_000
MAXIMUM_LINE_BYTES = 100_000
MAXIMUM_TEXT_CHARACTERS = 200
MAXIMUM_PROBLEMS = 100
NEEDED = ("party", "name", "amount", "key")
OPTIONAL = ("note", "call")


class MoneyFileError(ValueError):
    """A file that cannot be taken. `problems` names each line and reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True)
class MoneyRow:
    """One line. The amount is in millionths of a dollar, never zero."""

    line: int
    party: Party
    name: str
    amount_micros: int
    key: str
    note: str
    call: str


def read_money_file(file: BinaryIO, *, negative: bool) -> Iterator[MoneyRow]:
    """Yield the file's rows one by one, from its beginning; `negative` amounts are allowed or not.

    Reads on after a wrong line, and raises MoneyFileError at the end when there was one, or no row. What it keeps of a
    row that it has yielded is the key.
    """
    file.seek(0)
    reader = csv.reader(_lines(file), strict=True)
    problems, keys = [], dict[str, int]()
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header)
        for cells in reader:
            if not cells:
                continue
            read = _row(reader.line_num, header, cells, negative=negative)
            if isinstance(read, MoneyRow):
                first = keys.setdefault(read.key, read.line)
                if first != read.line:
                    read = [f"key: {read.key!r} stands in line {first} already"]
            if len(keys) > MAXIMUM_ROWS:
                problems.append(f"line {reader.line_num}: more than {MAXIMUM_ROWS:,} rows; split the file")
                break
            if isinstance(read, MoneyRow):
                yield read
                continue
            problems += [f"line {reader.line_num}, {problem}" for problem in read]
            if len(problems) >= MAXIMUM_PROBLEMS:
                problems.append(f"line {reader.line_num}: not read further")
                break
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    except _LineError as error:
        problems.append(f"line {reader.line_num + 1}: {error}")
    if problems or not keys:
        raise MoneyFileError(problems or ["the file has no rows"])


class _LineError(ValueError):
    """A line that is no text, or has no end."""


def _lines(file: BinaryIO) -> Iterator[str]:
    """Yield the lines as text. Raises _LineError; a line without an end is not read into memory."""
    encoding = "utf-8-sig"
    while raw := file.readline(MAXIMUM_LINE_BYTES):
        if len(raw) == MAXIMUM_LINE_BYTES and not raw.endswith(b"\n"):
            raise _LineError(f"longer than {MAXIMUM_LINE_BYTES:,} bytes; is it CSV?")
        try:
            yield from io.StringIO(raw.decode(encoding), newline="")
        except UnicodeDecodeError as error:
            raise _LineError("not UTF-8; save the file as CSV UTF-8") from error
        encoding = "utf-8"


def _check_header(header: Sequence[str]) -> None:
    known = (*NEEDED, *OPTIONAL)
    problems = [
        f"line 1: column {name!r:.40} is not known; known are {', '.join(known)}"
        for name in header
        if name not in known
    ]
    problems += [f"line 1: there is no column {name}" for name in NEEDED if name not in header]
    problems += [f"line 1: column {name} stands twice" for name in known if header.count(name) > 1]
    if problems:
        raise MoneyFileError(problems)


def _row(line: int, header: Sequence[str], cells: Sequence[str], *, negative: bool) -> MoneyRow | list[str]:
    if len(cells) != len(header):
        return [f"columns: {len(cells)} where the header has {len(header)}; a row is missing its end"]
    said = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    problems = [
        f"{name}: {'is empty' if not said[name] else 'too long or not printable'}"
        for name in header
        if not said[name].isprintable()
        or len(said[name]) > MAXIMUM_TEXT_CHARACTERS
        or (not said[name] and name in NEEDED)
    ]
    if said["party"] not in tuple(Party):
        problems.append(f"party: {said['party']!r} is neither buyer nor publisher")
    amount = 0
    try:
        amount = parse_dollars(said["amount"])
        if amount == 0 or (amount < 0 and not negative):
            problems.append(
                f"amount: {said['amount']!r} is not above zero" if not negative else "amount: is nothing"
            )
    except MoneyError as error:
        problems.append(f"amount: {error}")
    if problems:
        return problems
    return MoneyRow(
        line=line,
        party=Party(said["party"]),
        name=said["name"],
        amount_micros=amount,
        key=said["key"],
        note=said.get("note", ""),
        call=said.get("call", ""),
    )
