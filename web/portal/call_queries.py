"""A party's own calls: the list by keyset, and one call as its party may see it. Every clause is web.tenancy's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from store.sealed_columns import is_caller
from store.tables import (
    answers,
    calls,
    campaigns,
    disputes,
    ledger_postings,
    ledger_transactions,
    legs,
    recordings,
    targets,
    tracking_numbers,
)
from web.keys import Role, User
from web.portal.figures import midnight
from web.portal.listing import Cursor, OwnFilter
from web.tenancy import own_calls, own_disputes, own_numbers, own_targets
from web.visibility import Field, own_verdict, viewer_of

CHOICES_MAXIMUM = 500
ROWS_MAXIMUM = 200


@dataclass(frozen=True, kw_only=True)
class OwnCall:
    """One of a party's calls, with no more than it may see. Money in millionths of a dollar."""

    id: UUID
    started_at: dt.datetime
    ended_at: dt.datetime | None
    state: str
    caller: str | None
    """Whole or masked, as the party may see it; None: withheld."""
    campaign: str | None
    place: str | None
    """A buyer's target, the number a publisher's caller dialled."""
    connected_ms: int | None
    converted: bool | None
    verdict: Mapping[str, Any] | None
    """What the party's own terms made of it (web.visibility.own_verdict)."""
    amount_micros: int
    """A buyer's price, a publisher's payout, corrections summed in."""

    @property
    def why(self) -> str:
        """Why nothing is paid, with the numbers; empty when something is, or nobody knows yet."""
        verdict = self.verdict or {}
        if verdict.get("paid") and self.converted:
            return ""
        reasons = [str(one.get("reason", "")) for one in verdict.get("failed", ()) if isinstance(one, dict)]
        return "; ".join(reason for reason in reasons if reason)


def _own_columns(user: User) -> Select[Any]:
    place = targets.c.name if user.role is Role.BUYER else calls.c.dialled
    account = "revenue" if user.role is Role.BUYER else "payout"
    sign = -1 if user.role is Role.BUYER else 1
    amount = (
        select(func.coalesce(cast(sign * func.sum(ledger_postings.c.amount_micros), BigInteger), 0))
        .select_from(ledger_transactions.join(ledger_postings))
        .where(ledger_transactions.c.call_id == calls.c.id, ledger_postings.c.account == account)
        .scalar_subquery()
    )
    return (
        select(
            calls.c.id,
            calls.c.started_at,
            calls.c.ended_at,
            calls.c.state,
            calls.c.caller_sealed.label("caller"),
            campaigns.c.name.label("campaign"),
            place.label("place"),
            calls.c.connected_ms,
            calls.c.converted,
            calls.c.conversion,
            amount.label("amount_micros"),
        )
        .select_from(
            calls.outerjoin(campaigns, campaigns.c.id == calls.c.campaign_id).outerjoin(
                targets, targets.c.id == calls.c.target_id
            )
        )
        .where(own_calls(user))
    )


def _own_call(row: Any, user: User) -> OwnCall:
    viewer, said = viewer_of(user), dict(row._mapping)
    conversion = said.pop("conversion")
    said["caller"] = viewer.caller(said["caller"])
    return OwnCall(**said, verdict=own_verdict(conversion, viewer))


async def read_own_calls(
    connection: AsyncConnection,
    user: User,
    wanted: OwnFilter,
    below: Cursor | None,
    zone: ZoneInfo,
    *,
    maximum: int,
) -> list[OwnCall]:
    """Return the party's calls, newest first."""
    statement = (
        _own_columns(user)
        .where(*_conditions(user, wanted, zone))
        .order_by(calls.c.started_at.desc(), calls.c.id.desc())
        .limit(maximum)
    )
    if below is not None:
        place = tuple_(calls.c.started_at, calls.c.id)
        statement = statement.where(place < (below.started_at, below.call_id))
    return [_own_call(row, user) for row in await connection.execute(statement)]


def _conditions(user: User, wanted: OwnFilter, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.caller and searches_callers(user):
        found.append(is_caller(calls.c, wanted.caller))
    if wanted.place_id is not None:
        column = calls.c.target_id if user.role is Role.BUYER else calls.c.tracking_number_id
        found.append(column == wanted.place_id)
    if wanted.paid == "yes":
        found.append(calls.c.converted)
    elif wanted.paid == "no":
        found.append(or_(~calls.c.converted, calls.c.converted.is_(None)))
    if wanted.first is not None:
        found.append(calls.c.started_at >= midnight(wanted.first, zone))
    if wanted.last is not None:
        found.append(calls.c.started_at < midnight(wanted.last + dt.timedelta(days=1), zone))
    return found


def searches_callers(user: User) -> bool:
    """Say who may search by a number: anyone who sees masked numbers could feel their way to a whole one."""
    return viewer_of(user).sees(Field.WHOLE_CALLER)


async def read_own_call(connection: AsyncConnection, user: User, call_id: UUID) -> OwnCall | None:
    """Return one call, or None when there is none or it is somebody else's."""
    row = (await connection.execute(_own_columns(user).where(calls.c.id == call_id))).one_or_none()
    return None if row is None else _own_call(row, user)


async def read_places(connection: AsyncConnection, user: User) -> list[tuple[int, str]]:
    """Return what a party's calls may be told apart by: a buyer's targets, a publisher's numbers."""
    if user.role is Role.BUYER:
        statement = select(targets.c.id, targets.c.name.label("name")).where(own_targets(user))
    else:
        statement = select(tracking_numbers.c.id, tracking_numbers.c.e164.label("name"))
        statement = statement.where(own_numbers(user))
    rows = await connection.execute(statement.order_by("name").limit(CHOICES_MAXIMUM))
    return [(row.id, row.name) for row in rows]


async def read_answers(connection: AsyncConnection, user: User, call_id: UUID) -> Sequence[Any]:
    """Return what the caller answered: tag, value, source, heard, confidence, answered_at."""
    statement = (
        select(
            answers.c.tag,
            answers.c.value,
            answers.c.source,
            answers.c.heard,
            answers.c.confidence,
            answers.c.answered_at,
        )
        .join(calls, calls.c.id == answers.c.call_id)
        .where(answers.c.call_id == call_id, own_calls(user))
        .order_by(answers.c.sequence)
        .limit(ROWS_MAXIMUM)
    )
    return (await connection.execute(statement)).all()


async def read_own_tags(connection: AsyncConnection, user: User, call_id: UUID) -> Mapping[str, Any]:
    """Return what the publisher said of its call, and what the caller's answers made of it."""
    statement = select(calls.c.tags).where(calls.c.id == call_id, own_calls(user))
    tags = (await connection.execute(statement)).scalar_one_or_none() or {}
    seen: Mapping[str, Any] = viewer_of(user).words(tags)
    return seen


async def read_own_legs(connection: AsyncConnection, user: User, call_id: UUID) -> Sequence[Any]:
    """Return the legs of a call that rang the buyer's own targets: attempt, target, answered_ms, ended_ms, …"""
    statement = (
        select(
            legs.c.attempt,
            targets.c.name.label("target"),
            legs.c.answered_ms,
            legs.c.ended_ms,
            legs.c.connected_ms,
            legs.c.cause,
        )
        .join(targets, targets.c.id == legs.c.target_id)
        .where(legs.c.call_id == call_id, own_targets(user))
        .order_by(legs.c.attempt)
        .limit(ROWS_MAXIMUM)
    )
    return (await connection.execute(statement)).all()


async def read_own_recordings(connection: AsyncConnection, user: User, call_id: UUID) -> Sequence[Any]:
    """Return part, node, file, length_ms and sha256 of what a buyer may hear: calls that it alone was connected to.

    A recording is of the whole call: where another buyer had talked before, it is not this one's to hear.
    """
    others = exists().where(
        legs.c.call_id == calls.c.id,
        legs.c.connected_ms > 0,
        legs.c.target_id.not_in(select(targets.c.id).where(own_targets(user))),
    )
    statement = (
        select(
            recordings.c.part,
            recordings.c.node,
            recordings.c.file,
            recordings.c.length_ms,
            recordings.c.sha256,
        )
        .join(calls, calls.c.id == recordings.c.call_id)
        .where(
            recordings.c.call_id == call_id,
            recordings.c.state == "stored",
            own_calls(user),
            calls.c.connected_ms > 0,
            ~others,
        )
        .order_by(recordings.c.part)
        .limit(ROWS_MAXIMUM)
    )
    return (await connection.execute(statement)).all()


async def read_call_disputes(connection: AsyncConnection, user: User, call_id: UUID) -> Sequence[Any]:
    """Return the disputes of one of the buyer's calls, newest first."""
    statement = (
        select(disputes)
        .where(and_(disputes.c.call_id == call_id, own_disputes(user)))
        .order_by(disputes.c.id.desc())
        .limit(ROWS_MAXIMUM)
    )
    return (await connection.execute(statement)).all()
