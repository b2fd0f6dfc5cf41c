"""Keys by which sales are reported, and the calls that each may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.tables import buyers, calls, campaigns, sale_keys, sales

KEYS_MAXIMUM = 500


@dataclass(frozen=True, kw_only=True)
class SaleKey:
    """A key in force. Its holder may name calls of this buyer, of this campaign, or of both at once."""

    id: int
    buyer_id: int | None
    campaign_id: int | None
    rate_per_minute: int


async def key_of_digest(connection: AsyncConnection, digest: bytes) -> SaleKey | None:
    """Return the key in force; None when it is unknown or revoked."""
    columns = (sale_keys.c[name] for name in ("id", "buyer_id", "campaign_id", "rate_per_minute"))
    statement = select(*columns).where(sale_keys.c.key_digest == digest, sale_keys.c.enabled)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else SaleKey(**row._mapping)


async def digests_in_force(engine: AsyncEngine) -> frozenset[bytes]:
    """Return the digests of all keys that are not revoked. Raises what the database raises."""
    async with engine.connect() as connection:
        rows = await connection.execute(select(sale_keys.c.key_digest).where(sale_keys.c.enabled))
        return frozenset(rows.scalars())


def _may_name(key: SaleKey) -> ColumnElement[bool]:
    own = [calls.c.state == "settled", calls.c.buyer_id.is_not(None)]
    if key.buyer_id is not None:
        own.append(calls.c.buyer_id == key.buyer_id)
    if key.campaign_id is not None:
        own.append(calls.c.campaign_id == key.campaign_id)
    return and_(*own)


async def is_own_call(connection: AsyncConnection, key: SaleKey, call_id: UUID) -> bool:
    statement = select(calls.c.id).where(calls.c.id == call_id, _may_name(key))
    return await connection.scalar(statement) is not None


async def call_of_caller(connection: AsyncConnection, key: SaleKey, caller: str, sale: str) -> UUID | None:
    """Return the call that this sale was reported of before, or else the caller's newest.

    Until the transaction ends nobody else reports this sale by this key: repeated at once it finds the same call.
    """
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    await connection.execute(lock, {"name": f"sale:{key.id}:{sale}"})
    told = exists().where(sales.c.call_id == calls.c.id, sales.c.key == sale)
    statement = (
        select(calls.c.id)
        .where(calls.c.caller_index == caller, _may_name(key))
        .order_by(told.desc(), calls.c.started_at.desc())
        .limit(1)
    )
    return await connection.scalar(statement)


async def insert_key(connection: AsyncConnection, said: Mapping[str, Any]) -> int:
    return int(
        (await connection.execute(insert(sale_keys).values(**said).returning(sale_keys.c.id))).scalar_one()
    )


async def end_key(connection: AsyncConnection, key_id: int) -> bool:
    """Switch a key off for good. False when it is off already."""
    statement = update(sale_keys).where(sale_keys.c.id == key_id, sale_keys.c.enabled).values(enabled=False)
    return (await connection.execute(statement)).rowcount > 0


async def is_key(connection: AsyncConnection, key_id: int) -> bool:
    return await connection.scalar(select(sale_keys.c.id).where(sale_keys.c.id == key_id)) is not None


async def all_keys(connection: AsyncConnection) -> Sequence[Mapping[str, Any]]:
    """Return the keys with the names of whose they are, those in force first, the newest of each first."""
    names = ("id", "name", "buyer_id", "campaign_id", "rate_per_minute", "created_at", "enabled")
    statement = (
        select(
            *(sale_keys.c[name] for name in names),
            buyers.c.name.label("buyer"),
            campaigns.c.name.label("campaign"),
        )
        .select_from(
            sale_keys.outerjoin(buyers, buyers.c.id == sale_keys.c.buyer_id).outerjoin(
                campaigns, campaigns.c.id == sale_keys.c.campaign_id
            )
        )
        .order_by(sale_keys.c.enabled.desc(), sale_keys.c.id.desc())
        .limit(KEYS_MAXIMUM)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def missing(connection: AsyncConnection, buyer_id: int | None, campaign_id: int | None) -> str:
    """Return the field that names nobody; empty when all is there."""
    for table, number, field in ((buyers, buyer_id, "buyer_id"), (campaigns, campaign_id, "campaign_id")):
        if (
            number is not None
            and await connection.scalar(select(table.c.id).where(table.c.id == number)) is None
        ):
            return field
    return ""
