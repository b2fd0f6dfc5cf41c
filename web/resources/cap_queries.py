"""The statements of caps: their owners, their counters, and who is in a group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, delete, insert, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import (
    buyers,
    campaigns,
    cap_counters,
    cap_group_members,
    cap_groups,
    caps,
    publishers,
    targets,
)

OWNER_TABLES: Mapping[str, Table] = {
    "target": targets,
    "buyer": buyers,
    "campaign": campaigns,
    "publisher": publishers,
    "group": cap_groups,
}


async def owner_exists(connection: AsyncConnection, owner: str, owner_id: int) -> bool:
    table = OWNER_TABLES[owner]
    return await connection.scalar(select(table.c.id).where(table.c.id == owner_id)) is not None


async def owners_of(
    connection: AsyncConnection, wanted: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Return id, name, and time_zone (of a target its schedule) of owners."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    ids: dict[str, set[int]] = {}
    for owner, owner_id in wanted:
        ids.setdefault(owner, set()).add(owner_id)
    for owner, of_kind in ids.items():
        table = OWNER_TABLES[owner]
        clock = table.c.schedule if owner == "target" else table.c.time_zone
        query = select(table.c.id, table.c.name, clock).where(table.c.id.in_(sorted(of_kind)))
        for row in (await connection.execute(query)).mappings():
            found[owner, row["id"]] = dict(row)
    return found


async def caps_of_owners(
    connection: AsyncConnection, owners: Sequence[tuple[str, int]], limit: int
) -> list[dict[str, Any]]:
    """Return up to `limit` caps of some owners that count."""
    if not owners:
        return []
    query = select(caps).where(tuple_(caps.c.owner, caps.c.owner_id).in_(list(owners)), caps.c.enabled)
    return [
        dict(row)
        for row in (await connection.execute(query.order_by(caps.c.owner, caps.c.id).limit(limit))).mappings()
    ]


async def counters(connection: AsyncConnection, keys: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return (used, period_start) by key."""
    query = select(cap_counters).where(cap_counters.c.key.in_(sorted(set(keys))))
    return {row.key: (row.used, row.period_start) for row in await connection.execute(query)}


async def groups_of_targets(connection: AsyncConnection, target_ids: Sequence[int]) -> list[int]:
    query = select(cap_group_members.c.group_id).where(cap_group_members.c.target_id.in_(list(target_ids)))
    return sorted(set((await connection.execute(query)).scalars()))


async def members_of(connection: AsyncConnection, group_ids: Sequence[int]) -> dict[int, list[int]]:
    """Return the targets of groups, by group."""
    found: dict[int, list[int]] = {group_id: [] for group_id in group_ids}
    query = select(cap_group_members).where(cap_group_members.c.group_id.in_(list(group_ids)))
    for row in await connection.execute(query.order_by(cap_group_members.c.target_id)):
        found[row.group_id].append(row.target_id)
    return found


async def set_members(connection: AsyncConnection, group_id: int, target_ids: Sequence[int]) -> None:
    """Let a group have these targets and no others."""
    gone = cap_group_members.c.target_id.not_in(list(target_ids)) if target_ids else true()
    await connection.execute(delete(cap_group_members).where(cap_group_members.c.group_id == group_id, gone))
    known = set((await members_of(connection, [group_id]))[group_id])
    rows = [{"group_id": group_id, "target_id": one} for one in target_ids if one not in known]
    if rows:
        await connection.execute(insert(cap_group_members), rows)


async def missing_targets(connection: AsyncConnection, target_ids: Sequence[int]) -> list[int]:
    known = await connection.execute(select(targets.c.id).where(targets.c.id.in_(list(target_ids))))
    return sorted(set(target_ids) - set(known.scalars()))
