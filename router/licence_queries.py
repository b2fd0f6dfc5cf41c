"""The statements of licences: who holds them, and what a file changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.expiring_licences import HeldLicence
from router.domain.licence_file import LicenceRow
from router.domain.market import ACTIVE, Licence
from store.tables import buyers, licences

_LOCK = text("LOCK TABLE licences IN SHARE ROW EXCLUSIVE MODE")
_FIELDS = (
    "buyer_id",
    "nmls_id",
    "officer_name",
    "officer_nmls_id",
    "state",
    "product",
    "valid_from",
    "valid_to",
    "status",
)
_UPDATE = (
    update(licences)
    .where(licences.c.id == bindparam("row_id"))
    .values(
        officer_name=bindparam("new_officer_name"),
        valid_to=bindparam("new_valid_to"),
        status=bindparam("new_status"),
    )
)


async def buyer_ids(connection: AsyncConnection) -> dict[str, int]:
    """Return every buyer's id by name."""
    found = await connection.execute(select(buyers.c.name, buyers.c.id))
    return {row.name: row.id for row in found}


async def lock_licences(connection: AsyncConnection) -> None:
    """Let nobody else write licences until the transaction ends; readers are not held up."""
    await connection.execute(_LOCK)


async def stored_licences(
    connection: AsyncConnection, of_buyers: Iterable[int]
) -> list[tuple[int, LicenceRow]]:
    """Return the licences of some buyers with their ids, oldest first."""
    query = select(licences.c.id, *(licences.c[name] for name in _FIELDS))
    query = query.where(licences.c.buyer_id.in_(list(of_buyers))).order_by(licences.c.id)
    return [
        (row["id"], LicenceRow(**{name: row[name] for name in _FIELDS}))
        for row in (await connection.execute(query)).mappings()
    ]


async def add_licences(connection: AsyncConnection, rows: Sequence[LicenceRow]) -> None:
    if rows:
        await connection.execute(insert(licences), [_values(row) for row in rows])


async def change_licences(connection: AsyncConnection, rows: Sequence[tuple[int, LicenceRow]]) -> None:
    """Give stored licences, by id, the officer's name, last day and status of the file."""
    if rows:
        changes = [
            {
                "row_id": row_id,
                "new_officer_name": row.officer_name,
                "new_valid_to": row.valid_to,
                "new_status": row.status,
            }
            for row_id, row in rows
        ]
        await connection.execute(_UPDATE, changes)


async def chains_about_to_end(connection: AsyncConnection, day: date, within_days: int) -> list[HeldLicence]:
    """Return the active licences of buyers that are switched on, of each licensee, state and product of which one ends
    within so many days of `day`: all that find_expiring can find anything among, and little more.
    """
    licensee = [licences.c.buyer_id, licences.c.nmls_id, licences.c.state, licences.c.product]
    window = timedelta(days=within_days)
    ending = select(*licensee, licences.c.officer_nmls_id).where(
        licences.c.status == ACTIVE, licences.c.valid_to.between(day - window, day + window)
    )
    ends = ending.distinct().subquery("ends")
    same = [ends.c[column.name] == column for column in licensee]
    officer = ends.c.officer_nmls_id.is_not_distinct_from(licences.c.officer_nmls_id)
    names = [name for name in _FIELDS if name != "buyer_id"]
    query = select(buyers.c.name, licences.c.id, *(licences.c[name] for name in names))
    query = query.select_from(licences.join(buyers).join(ends, and_(*same, officer)))
    query = query.where(licences.c.status == ACTIVE, buyers.c.enabled)
    return [
        HeldLicence(buyer=buyer, licence=Licence(id=licence_id, **dict(zip(names, values, strict=True))))
        for buyer, licence_id, *values in await connection.execute(query.order_by(licences.c.id))
    ]


def _values(row: LicenceRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _FIELDS}
