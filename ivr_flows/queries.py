"""Everything flows ask of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from rules.dialling import Destination, DiallingRules
from store.routing_tables import dial_destinations
from store.tables import campaigns, flow_drafts, flows

VERSIONS_LISTED = 200


@dataclass(frozen=True, kw_only=True)
class PublishedVersion:
    """One version of a flow that callers met or may meet."""

    name: str
    version: int
    published_at: datetime | None
    published_by: str
    note: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A flow at work on. `revision` is raised at every save, `based_on` is the version it was begun from (0: none)."""

    name: str
    definition: Mapping[str, Any]
    based_on: int
    revision: int
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, kw_only=True)
class FlowSummary:
    """One flow in a list. `version` is 0 when it was never published; `campaigns` are those that use it."""

    name: str
    version: int
    published_at: datetime | None
    draft_revision: int | None
    draft_changed_at: datetime | None
    campaigns: tuple[str, ...]
    draft_changed_by: str = ""


_VERSION = select(
    flows.c.name,
    flows.c.version,
    flows.c.published_at,
    flows.c.published_by,
    flows.c.note,
    flows.c.definition,
).where(flows.c.published_at.is_not(None))


async def dialling_rules(connection: AsyncConnection) -> DiallingRules:
    """Return which numbers may be rung."""
    columns = [one for one in dial_destinations.c if one.name != "id"]
    rows = await connection.execute(select(*columns).order_by(dial_destinations.c.id))
    return DiallingRules(destinations=tuple(Destination(**row) for row in rows.mappings()))


async def lock_flow(connection: AsyncConnection, name: str) -> None:
    """Hold back whoever else publishes or saves this flow, to the end of the transaction."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtext('flow'), hashtext(:name))"), {"name": name}
    )


async def published_version(
    connection: AsyncConnection, name: str, version: int | None = None
) -> PublishedVersion | None:
    """Return a published version of a flow, the newest when none is named."""
    wanted = _VERSION.where(flows.c.name == name)
    if version is not None:
        wanted = wanted.where(flows.c.version == version)
    row = (await connection.execute(wanted.order_by(flows.c.version.desc()).limit(1))).first()
    return None if row is None else PublishedVersion(**row._mapping)


async def newest_versions(connection: AsyncConnection) -> dict[str, PublishedVersion]:
    """Return the newest published version of every flow, by name."""
    rows = await connection.execute(
        _VERSION.ext(distinct_on(flows.c.name)).order_by(flows.c.name, flows.c.version.desc())
    )
    return {row.name: PublishedVersion(**row._mapping) for row in rows}


async def versions_of(connection: AsyncConnection, name: str) -> list[PublishedVersion]:
    """Return the published versions of a flow, newest first, at most 200."""
    rows = await connection.execute(
        _VERSION.where(flows.c.name == name).order_by(flows.c.version.desc()).limit(VERSIONS_LISTED)
    )
    return [PublishedVersion(**row._mapping) for row in rows]


async def highest_version(connection: AsyncConnection, name: str) -> int:
    """Return the highest version number a flow has ever had, 0 for a flow that has none."""
    highest = select(func.coalesce(func.max(flows.c.version), 0)).where(flows.c.name == name)
    return int((await connection.execute(highest)).scalar_one())


async def add_version(
    connection: AsyncConnection, name: str, version: int, definition: Mapping[str, Any], *, by: str, note: str
) -> None:
    """Add a published version. Raises IntegrityError when the number is taken."""
    values = {
        "name": name,
        "version": version,
        "definition": definition,
        "published_at": func.now(),
        "published_by": by,
        "note": note,
    }
    await connection.execute(insert(flows).values(values))


async def draft_of(connection: AsyncConnection, name: str) -> Draft | None:
    """Return a flow's draft; None when it has none."""
    row = (await connection.execute(select(flow_drafts).where(flow_drafts.c.name == name))).first()
    return None if row is None else Draft(**row._mapping)


async def drafts(connection: AsyncConnection) -> list[Draft]:
    """Return every draft, the one changed last first."""
    rows = await connection.execute(select(flow_drafts).order_by(flow_drafts.c.changed_at.desc()))
    return [Draft(**row._mapping) for row in rows]


async def put_draft(
    connection: AsyncConnection, name: str, definition: Mapping[str, Any], *, based_on: int, by: str
) -> int:
    """Write a flow's draft over what is there, and return its revision."""
    values = {"definition": definition, "based_on": based_on, "changed_by": by}
    changed = {
        "definition": definition,
        "changed_by": by,
        "changed_at": func.now(),
        "revision": flow_drafts.c.revision + 1,
    }
    written = await connection.execute(
        postgresql.insert(flow_drafts)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=["name"], set_=changed)
        .returning(flow_drafts.c.revision)
    )
    return int(written.scalar_one())


async def rebase_draft(connection: AsyncConnection, name: str, based_on: int) -> None:
    """Note that a draft now stands on a newer version: it was published."""
    await connection.execute(update(flow_drafts).where(flow_drafts.c.name == name).values(based_on=based_on))


async def delete_draft(connection: AsyncConnection, name: str) -> bool:
    """Throw a draft away; False when there was none."""
    gone = await connection.execute(
        flow_drafts.delete().where(flow_drafts.c.name == name).returning(flow_drafts.c.name)
    )
    return gone.first() is not None


async def summaries(connection: AsyncConnection) -> list[FlowSummary]:
    """Return every flow that has a version or a draft, by name."""
    newest = await newest_versions(connection)
    drafts = {row.name: row for row in await connection.execute(select(flow_drafts))}
    used: dict[str, tuple[str, ...]] = {}
    for row in await connection.execute(
        select(campaigns.c.flow_name, campaigns.c.name).order_by(campaigns.c.name)
    ):
        used[row.flow_name] = (*used.get(row.flow_name, ()), row.name)
    return [
        FlowSummary(
            name=name,
            version=newest[name].version if name in newest else 0,
            published_at=newest[name].published_at if name in newest else None,
            draft_revision=drafts[name].revision if name in drafts else None,
            draft_changed_at=drafts[name].changed_at if name in drafts else None,
            campaigns=used.get(name, ()),
            draft_changed_by=drafts[name].changed_by if name in drafts else "",
        )
        for name in sorted({*newest, *drafts})
    ]
