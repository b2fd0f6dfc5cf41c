"""The trunks and targets a node serves."""

from __future__ import annotations

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from asterisk_conf.node_config import Lines, TargetRow, TrunkRow, lines_of
from store.tables import buyers, market_version, ping_endpoints, targets, trunks


async def load_trunk_rows(connection: AsyncConnection) -> list[TrunkRow]:
    """Return the enabled trunks."""
    rows = await connection.execute(
        select(
            trunks.c.id,
            trunks.c.name,
            trunks.c.addresses,
            trunks.c.registrar_uri,
            trunks.c.username,
            trunks.c.password,
            trunks.c.check_every_seconds,
        ).where(trunks.c.enabled)
    )
    return [TrunkRow(**row) for row in rows.mappings()]


async def load_rows(connection: AsyncConnection) -> tuple[list[TrunkRow], list[TargetRow]]:
    """Return the enabled trunks, and the targets of enabled buyers (disabled ones too: calls may be on them)."""
    trunk_rows = await load_trunk_rows(connection)
    target_rows = await connection.execute(
        select(
            targets.c.id,
            targets.c.sip_uri,
            exists().where(ping_endpoints.c.target_id == targets.c.id).label("bids"),
        )
        .join(buyers, buyers.c.id == targets.c.buyer_id)
        .where(buyers.c.enabled)
    )
    return trunk_rows, [TargetRow(**row) for row in target_rows.mappings()]


async def load_lines(connection: AsyncConnection) -> Lines:
    """Return the trunks and targets a node serves, and those it refuses."""
    return lines_of(*await load_rows(connection))


async def load_market_version(connection: AsyncConnection) -> int:
    """Return the number that rises with every change of the market."""
    return int((await connection.execute(select(market_version.c.version))).scalar() or 0)
