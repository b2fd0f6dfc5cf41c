"""Codes that the softphone dials: twelve digits, good for one call within two minutes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ivr_flows import queries as flow_queries
from ivr_flows.definition import FlowError, parse_flow, unkeepable
from ivr_flows.pinning import pin
from rules.telephone import NumberError, number_or_withheld
from web.audit import Actor, write_audit
from web.softphone import queries

CODE_DIGITS = 12
LIFETIME = timedelta(minutes=2)
PROBLEMS_SHOWN = 5


class Purpose(StrEnum):
    """What a code opens: a call in progress to be heard or joined, or a draft."""

    LISTEN = "listen"
    WHISPER = "whisper"
    BARGE = "barge"
    DRAFT = "draft"


@dataclass(frozen=True, kw_only=True)
class MadeCode:
    """A code, known to nobody else. `id` is the name of what it opens: the events of a draft's call."""

    id: UUID
    code: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class NoCode:
    """Why no code was made: the field that is wrong, '' for the whole, and a sentence."""

    field: str
    problem: str


async def make_code(
    connection: AsyncConnection,
    *,
    user_id: int,
    purpose: Purpose,
    now: datetime,
    lifetime: timedelta = LIFETIME,
    **fields: Any,
) -> MadeCode:
    """Make a code within the caller's transaction. `fields` are columns of dial_codes, such as call_id."""
    code = "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))
    expires_at = now + lifetime
    code_id = await queries.insert_code(
        connection,
        digest=hashlib.sha256(code.encode()).digest(),
        user_id=user_id,
        now=now,
        purpose=str(purpose),
        expires_at=expires_at,
        **fields,
    )
    return MadeCode(id=code_id, code=code, expires_at=expires_at)


async def make_draft_code(
    engine: AsyncEngine,
    actor: Actor,
    *,
    flow_name: str,
    definition: Mapping[str, Any] | None,
    campaign_id: int | None,
    caller: str,
    now: datetime,
) -> MadeCode | NoCode | None:
    """Make a code for a call to a draft as it is now: `definition`, or what is stored of the flow. None: no such flow.

    A route decides as for `campaign_id`, or for the first campaign that uses the flow, with `caller` for the number.
    """
    try:
        number = number_or_withheld(caller) or None
    except NumberError as problem:
        return NoCode(
            field="caller",
            problem=f"{caller[:40]!r} is {problem}: write it like (614) 555-0137, or leave it empty to withhold it",
        )
    async with engine.begin() as connection:
        wanted = definition if definition is not None else await _stored(connection, flow_name)
        if wanted is None:
            return None
        if campaign_id is not None and not await queries.is_campaign(connection, campaign_id):
            return NoCode(field="campaign_id", problem="there is no such campaign")
        published = await flow_queries.newest_versions(connection)
        pinned = pin(wanted, {one.name: (one.version, one.definition) for one in published.values()})
        unplayable = _why_not(pinned)
        if unplayable:
            return NoCode(field="definition", problem=unplayable)
        made = await make_code(
            connection,
            user_id=actor.user.user_id if actor.user is not None else 0,
            purpose=Purpose.DRAFT,
            now=now,
            flow_name=flow_name,
            definition=pinned,
            campaign_id=campaign_id or await queries.campaign_for(connection, flow_name),
            caller=number,
            holder_digest=actor.holder,
        )
        await write_audit(connection, actor, action="call_draft", kind="flows", ref=flow_name)
    return made


async def _stored(connection: AsyncConnection, flow_name: str) -> Mapping[str, Any] | None:
    draft = await flow_queries.draft_of(connection, flow_name)
    if draft is not None:
        return draft.definition
    newest = await flow_queries.published_version(connection, flow_name)
    return None if newest is None else newest.definition


def _why_not(definition: Mapping[str, Any]) -> str:
    """Return why a draft cannot be called, '' when it can. What only publishing minds may stay."""
    if problem := unkeepable(definition):
        return f"the draft cannot be played yet: {problem}"
    try:
        parse_flow(definition)
    except FlowError as error:
        told = [f"{one.node}: {one.text}" if one.node else one.text for one in error.problems]
        return "the draft cannot be played yet: " + "; ".join(told[:PROBLEMS_SHOWN])
    return ""
