"""Making and revoking a publisher's keys: pages and the API both come here. Refusals are values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.ping_limits import USUAL_LIMITS, PingLimits
from web.api.operation import FieldProblem, Problem, not_found, refused
from web.audit import Actor, write_audit
from web.publisher_keys import queries
from web.rtb.publisher_keys import KeyMade, KeyRefusal, KeyWanted, add_key_in, limits_refusal
from web.rtb.queries import read_limits, revoke_key, write_limits

KIND = "rtb_keys"

_PLACES = {
    KeyRefusal.DIALECT: "dialect",
    KeyRefusal.RATE: "rate_per_minute",
    KeyRefusal.SHARE: "share_percent",
    KeyRefusal.SECONDS: "reservation_seconds",
    KeyRefusal.OPEN: "open_most",
    KeyRefusal.ROOM: "room_share_percent",
    KeyRefusal.PINGS: "pings_per_call",
    KeyRefusal.NAME: "name",
    KeyRefusal.OWNER: "campaign_id",
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A key to be made for one publisher."""

    campaign_id: int
    dialect: str
    rate_per_minute: int
    name: str = ""
    share_percent: float | None = None
    reservation_seconds: int | None = None
    limits: PingLimits = USUAL_LIMITS


async def make_key(engine: AsyncEngine, actor: Actor, publisher_id: int, wanted: Wanted) -> KeyMade | Problem:
    """Make a key; it is told here and never again."""
    async with engine.begin() as connection:
        publisher = await queries.publisher_name(connection, publisher_id)
        if publisher is None:
            return not_found("publisher")
        campaign = await queries.campaign_name(connection, wanted.campaign_id)
        if campaign is None:
            return refused(FieldProblem(field="campaign_id", problem="there is no such campaign"))
        made = await add_key_in(
            connection,
            KeyWanted(
                publisher=publisher,
                campaign=campaign,
                dialect=wanted.dialect,
                rate_per_minute=wanted.rate_per_minute,
                name=wanted.name,
                share_percent=wanted.share_percent,
                reservation_seconds=wanted.reservation_seconds,
                limits=wanted.limits,
            ),
        )
        if isinstance(made, KeyRefusal):
            return refused(FieldProblem(field=_PLACES[made], problem=str(made.value)))
        await write_audit(
            connection,
            actor,
            action="create",
            kind=KIND,
            ref=made.id,
            after={
                "publisher_id": publisher_id,
                "campaign_id": wanted.campaign_id,
                "dialect": wanted.dialect,
                "rate_per_minute": wanted.rate_per_minute,
                "name": wanted.name,
                "share_percent": wanted.share_percent,
                "reservation_seconds": wanted.reservation_seconds,
                **asdict(wanted.limits),
            },
        )
        return made


async def change_limits(
    engine: AsyncEngine, actor: Actor, publisher_id: int, key_id: int, changes: Mapping[str, int]
) -> Mapping[str, Any] | Problem:
    """Change some of what a key's pings may hold, from the next ping on. Returns the key as it is then."""
    async with engine.begin() as connection:
        if not await queries.is_key_of(connection, publisher_id, key_id):
            return not_found("key")
        before = await read_limits(connection, key_id)
        after = replace(before, **changes)
        if refusal := limits_refusal(after):
            return refused(FieldProblem(field=_PLACES[refusal], problem=str(refusal.value)))
        if after != before:
            await write_limits(connection, key_id, after)
            await write_audit(
                connection,
                actor,
                action="update",
                kind=KIND,
                ref=key_id,
                before=asdict(before),
                after=asdict(after),
            )
        keys = await queries.keys_of(connection, publisher_id)
        return next(key for key in keys if key["id"] == key_id)


async def end_key(engine: AsyncEngine, actor: Actor, publisher_id: int, key_id: int) -> Problem | None:
    """Revoke a key for good. None when it is revoked; twice is once."""
    async with engine.begin() as connection:
        if not await queries.is_key_of(connection, publisher_id, key_id):
            return not_found("key")
        if await revoke_key(connection, key_id):
            await write_audit(
                connection,
                actor,
                action="revoke",
                kind=KIND,
                ref=key_id,
                before={"enabled": True},
                after={"enabled": False},
            )
    return None
