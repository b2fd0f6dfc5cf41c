"""A file of licences, as a buyer's compliance desk keeps it: CSV, one row a licence, checked row by row.

    buyer,nmls_id,officer_name,officer_nmls_id,state,product,valid_from,valid_to,status
    Keystone Lending,401822,,,OH,refinance,2026-01-01,2026-12-31,active
    Keystone Lending,401822,Ann Lee,1187265,Ohio,all,2026-01-01,2026-12-31,

`buyer`, `nmls_id`, `state`, `product` and `valid_from` are needed. An officer's columns are both filled or both
empty; `product` may be `all`; an empty `valid_to` is open, an empty `status` is active.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from router.domain.caller_facts import state_code
from router.domain.licences import STATUSES
from router.domain.market import ACTIVE, LOAN_TYPES
from rules.fact_kinds import read_day
from rules.places import STATES

NEEDED_COLUMNS = ("buyer", "nmls_id", "state", "product", "valid_from")
COLUMNS = (*NEEDED_COLUMNS, "valid_to", "status", "officer_name", "officer_nmls_id")
ALL_PRODUCTS = "all"
MAXIMUM_CHARACTERS = 20_000_000
MAXIMUM_ROWS = 100_000
MAXIMUM_PROBLEMS = 1_000
MAXIMUM_NAME_CHARACTERS = 200


LicenceKey = tuple[int, str, str | None, str, str, date]


@dataclass(frozen=True, kw_only=True, slots=True)
class LicenceRow:
    """A licence as a file states it."""

    buyer_id: int
    nmls_id: str
    officer_name: str | None
    officer_nmls_id: str | None
    state: str
    product: str
    valid_from: date
    valid_to: date | None
    status: str

    @property
    def key(self) -> LicenceKey:
        """What makes it the same licence when a file is brought in again."""
        return (
            self.buyer_id,
            self.nmls_id,
            self.officer_nmls_id,
            self.state,
            self.product,
            self.valid_from,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RowProblem:
    """Why a row cannot be taken."""

    line: int
    """Of the file, from 1; a row that goes over several lines is named by its last."""
    column: str
    """Empty when the row as a whole is wrong."""
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}{f', {self.column}' if self.column else ''}: {self.reason}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LicenceFile:
    """What a file holds. Rows are to be used only when there are no problems."""

    rows: tuple[LicenceRow, ...]
    problems: tuple[RowProblem, ...]


def read_licence_file(text: str, buyer_ids: Mapping[str, int]) -> LicenceFile:
    """Read a CSV file. `buyer_ids` are the known buyers by name; names are compared without regard to case."""
    if len(text) > MAXIMUM_CHARACTERS:
        return _refused(1, f"more than {MAXIMUM_CHARACTERS} characters")
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        return _refused(1, f"not CSV: {error}")
    wrong = _header_problem(columns)
    if wrong:
        return _refused(1, wrong)
    reading = _Reading(columns, buyer_ids)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                reading.take(reader.line_num, cells)
            if reading.is_enough:
                reading.problems.append(_problem(reader.line_num, "", "not read any further"))
                break
    except csv.Error as error:
        reading.problems.append(_problem(reader.line_num, "", f"not CSV: {error}"))
    return LicenceFile(rows=tuple(reading.rows), problems=tuple(reading.problems))


class _Reading:
    """A file on its way in."""

    def __init__(self, columns: Sequence[str], buyer_ids: Mapping[str, int]) -> None:
        self._columns = columns
        self._buyer_ids = {name.casefold(): buyer_id for name, buyer_id in buyer_ids.items()}
        self._lines: dict[LicenceKey, int] = {}
        self.rows: list[LicenceRow] = []
        self.problems: list[RowProblem] = []

    @property
    def is_enough(self) -> bool:
        return len(self.rows) >= MAXIMUM_ROWS or len(self.problems) >= MAXIMUM_PROBLEMS

    def take(self, line: int, cells: Sequence[str]) -> None:
        if len(cells) != len(self._columns):
            reason = f"{len(cells)} cells, the header has {len(self._columns)}"
            self.problems.append(_problem(line, "", reason))
            return
        row = _Row(line, dict(zip(self._columns, map(str.strip, cells), strict=True)), self._buyer_ids)
        for licence in row.read():
            first = self._lines.setdefault(licence.key, line)
            if first != line:
                row.refuse("", f"the same licence as in line {first}")
            self.rows.append(licence)
        self.problems += row.problems


class _Row:
    """One row: every cell is read, so that all its problems are named at once."""

    def __init__(self, line: int, cells: Mapping[str, str], buyer_ids: Mapping[str, int]) -> None:
        self._line = line
        self._cells = cells
        self._buyer_ids = buyer_ids
        self.problems: list[RowProblem] = []

    def read(self) -> tuple[LicenceRow, ...]:
        """Return the licences of the row, one a product; none when there are problems."""
        buyer_id, state = self._buyer(), self._state()
        products = self._products()
        valid_from, valid_to = self._day("valid_from"), self._day("valid_to", may_be_empty=True)
        if valid_from and valid_to and valid_to < valid_from:
            self.refuse("valid_to", f"{valid_to} is before valid_from, {valid_from}")
        nmls_id = self._nmls_id("nmls_id")
        officer_name, officer_nmls_id = self._officer()
        status = self._one_of("status", self._cell("status").lower() or ACTIVE, STATUSES)
        if self.problems or buyer_id is None or valid_from is None:
            return ()
        return tuple(
            LicenceRow(
                buyer_id=buyer_id,
                nmls_id=nmls_id,
                officer_name=officer_name,
                officer_nmls_id=officer_nmls_id,
                state=state,
                product=product,
                valid_from=valid_from,
                valid_to=valid_to,
                status=status,
            )
            for product in products
        )

    def refuse(self, column: str, reason: str) -> None:
        self.problems.append(_problem(self._line, column, reason))

    def _cell(self, column: str) -> str:
        return self._cells.get(column, "")

    def _buyer(self) -> int | None:
        name = self._cell("buyer")
        buyer_id = self._buyer_ids.get(name.casefold())
        if buyer_id is None:
            self.refuse("buyer", f"there is no buyer called {name!r:.80}")
        return buyer_id

    def _state(self) -> str:
        code = state_code(self._cell("state"))
        if code is None or code not in STATES:
            self.refuse("state", f"{self._cell('state')!r:.80} is not a state like OH or Ohio")
        return code or ""

    def _products(self) -> tuple[str, ...]:
        product = self._cell("product").lower().replace(" ", "_")
        if product == ALL_PRODUCTS:
            return LOAN_TYPES
        return (self._one_of("product", product, (*LOAN_TYPES, ALL_PRODUCTS)),)

    def _one_of(self, column: str, value: str, known: Sequence[str]) -> str:
        if value not in known:
            self.refuse(column, f"{value!r:.80} is not one of {', '.join(known)}")
        return value

    def _day(self, column: str, *, may_be_empty: bool = False) -> date | None:
        text = self._cell(column)
        if may_be_empty and not text:
            return None
        try:
            return read_day(text)
        except ValueError as error:
            self.refuse(column, str(error))
            return None

    def _nmls_id(self, column: str) -> str:
        text = self._cell(column)
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and text.strip("0")):
            self.refuse(column, f"{text!r:.80} is not an NMLS id like 401822")
        return text.lstrip("0")

    def _officer(self) -> tuple[str | None, str | None]:
        name, nmls_id = self._cell("officer_name"), self._cell("officer_nmls_id")
        if not name and not nmls_id:
            return None, None
        if not name or len(name) > MAXIMUM_NAME_CHARACTERS or not name.isprintable():
            self.refuse("officer_name", f"{name!r:.80} is not a name")
        return name, self._nmls_id("officer_nmls_id")


def _header_problem(columns: Sequence[str]) -> str | None:
    unknown = [name for name in columns if name not in COLUMNS]
    missing = [name for name in NEEDED_COLUMNS if name not in columns]
    if missing:
        return f"the header lacks {', '.join(missing)}"
    if unknown:
        return f"the header has {unknown[0]!r:.80}, which is not one of {', '.join(COLUMNS)}"
    return "the header names a column twice" if len(set(columns)) < len(columns) else None


def _problem(line: int, column: str, reason: str) -> RowProblem:
    return RowProblem(line=line, column=column, reason=reason)


def _refused(line: int, reason: str) -> LicenceFile:
    return LicenceFile(rows=(), problems=(_problem(line, "", reason),))
