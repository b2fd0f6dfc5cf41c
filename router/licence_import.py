"""Bring in a file of licences: all of it or, when one row is wrong, nothing; and say which licences end soon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router import licence_queries as queries
from router.domain.expiring_licences import Expiring, find_expiring
from router.domain.licence_file import (
    LicenceFile,
    LicenceKey,
    LicenceRow,
    RowProblem,
    read_licence_file,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What a file changed."""

    added: int
    changed: int
    """Licences that were known by buyer, licensee, state, product and first day, and had other dates or status."""
    unchanged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A file of which nothing was taken."""

    problems: tuple[RowProblem, ...]


ReadsFile = Callable[[str, Mapping[str, int]], Awaitable[LicenceFile]]


async def _read_here(text: str, buyer_ids: Mapping[str, int]) -> LicenceFile:
    return read_licence_file(text, buyer_ids)


async def import_licences(engine: AsyncEngine, data: bytes, *, write: bool = True) -> Imported | Refused:
    """Bring in a CSV file (router.domain.licence_file). With `write` false nothing is changed, all is checked.

    Bringing in the same file again changes nothing. Licences that it does not name stay. Raises what the driver
    raises.
    """
    async with engine.begin() as connection:
        return await import_licences_within(connection, data, write=write)


async def import_licences_within(
    connection: AsyncConnection, data: bytes, *, write: bool, reads: ReadsFile = _read_here
) -> Imported | Refused:
    """The same in a transaction of the caller's, who notes it there, and who may have the file read elsewhere."""
    text = _decode(data)
    if isinstance(text, Refused):
        return text
    read = await reads(text, await queries.buyer_ids(connection))
    if write:
        await queries.lock_licences(connection)
    if read.problems:
        return Refused(problems=read.problems)
    stored = await queries.stored_licences(connection, {row.buyer_id for row in read.rows})
    known = {row.key: (row_id, row) for row_id, row in stored}
    added = [row for row in read.rows if row.key not in known]
    changed = _changed(read.rows, known)
    if write:
        await queries.add_licences(connection, added)
        await queries.change_licences(connection, changed)
    return Imported(
        added=len(added), changed=len(changed), unchanged=len(read.rows) - len(added) - len(changed)
    )


async def expiring_licences(engine: AsyncEngine, today: date, within_days: int) -> tuple[Expiring, ...]:
    """Return the licences that end within so many days, most urgent first. Raises what the driver raises."""
    async with engine.connect() as connection:
        return find_expiring(
            await queries.chains_about_to_end(connection, today, within_days), today, within_days
        )


def _changed(
    rows: Iterable[LicenceRow], known: Mapping[LicenceKey, tuple[int, LicenceRow]]
) -> list[tuple[int, LicenceRow]]:
    return [(known[row.key][0], row) for row in rows if row.key in known and known[row.key][1] != row]


def _decode(data: bytes) -> str | Refused:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        reason = f"not UTF-8: byte {data[error.start]:#04x}"
        return Refused(problems=(RowProblem(line=line, column="", reason=reason),))
