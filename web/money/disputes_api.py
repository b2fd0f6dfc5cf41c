"""Calls that buyers sent back, for machines of the house: with their evidence, and ruled on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from billing.dispute_calls import DisputeRefused
from billing.dispute_queries import read_exposures
from web.api.operation import Answered, Asked, Body, Operation, Page, Problem, conflict, not_found
from web.keys import EDITORS, HOUSE
from web.money import queries, work
from web.portal.api import CursorQuery
from web.portal.keyset import id_of
from web.portal.listing import PAGE_LENGTH
from web.visibility import Field as Seen
from web.visibility import Viewer, seen_answers, viewer_of

TAG = "money"
Micros = Annotated[int, Field(ge=0, le=10**15)]


class AnswerShown(BaseModel):
    """What the caller said to one question."""

    tag: str
    value: str | None
    heard: str = ""


class SoundShown(BaseModel):
    """A part of the call's recording as it was when the call was sent back: `/calls/{id}/recordings/{part}`."""

    part: int
    state: str
    length_ms: int | None


class HouseDisputeShown(BaseModel):
    """A call that a buyer sent back, with both sides of the ruling. Money in millionths of a dollar."""

    id: int
    call_id: UUID
    buyer: str
    publisher: str | None
    reason: str
    note: str
    state: str
    price_micros: int
    credit_micros: int | None
    claw_back_micros: int | None
    answer: str
    opened_at: datetime
    decided_at: datetime | None
    answers: list[AnswerShown]
    recordings: list[SoundShown] = Field(description="Empty for who may not hear them")


class NewRuling(Body):
    """`credit_micros` 0 refuses, null gives all back; without `claw_back_micros` the publisher gives its share."""

    credit_micros: Micros | None = None
    claw_back_micros: Micros | None = None
    answer: Annotated[str, Field(max_length=2_000)] = ""


class Reopening(Body):
    note: Annotated[str, Field(min_length=1, max_length=2_000, description="Why it is looked at again")]


class DisputeReopened(BaseModel):
    """The dispute by which the call is looked at again."""

    id: int
    price_micros: int


class ExposureShown(BaseModel):
    """What one buyer disputes and nobody has decided. Money in millionths of a dollar."""

    buyer_id: int
    buyer: str
    open_count: int
    open_maximum: int
    disputed_micros: int
    lowers_credit_micros: int = Field(description="What is off its credit limit until then")


class RulingShown(BaseModel):
    state: Literal["accepted", "partly", "refused"]
    credit_micros: int
    claw_back_micros: int


def _dispute_shown(row: Any, viewer: Viewer) -> HouseDisputeShown:
    plain = {name: getattr(row, name) for name in HouseDisputeShown.model_fields if name not in _EVIDENCE}
    return HouseDisputeShown(
        **{**plain, "note": viewer.words(row.note), "answer": viewer.words(row.answer)},
        answers=[AnswerShown(**one) for one in seen_answers(row.evidence.get("answers") or [], viewer)],
        recordings=(row.evidence.get("recordings") or []) if viewer.sees(Seen.RECORDINGS) else [],
    )


_EVIDENCE = ("answers", "recordings")


async def _disputes(asked: Asked) -> Answered | Problem:
    below = id_of(asked.query.cursor)
    async with asked.engine.connect() as connection:
        found = await queries.read_disputes(connection, state="", below_id=below, limit=PAGE_LENGTH + 1)
    page = found[:PAGE_LENGTH]
    following = str(page[-1].id) if len(found) > PAGE_LENGTH else None
    items = [_dispute_shown(row, viewer_of(asked.user)) for row in page]
    return Answered(content=Page[HouseDisputeShown](items=items, next=following))


async def _rule(asked: Asked) -> Answered | Problem:
    body = asked.body
    async with asked.engine.begin() as connection:
        if await queries.read_dispute(connection, asked.path["id"]) is None:
            return not_found("dispute")
        done = await work.rule(
            connection,
            asked.actor,
            asked.path["id"],
            credit_micros=body.credit_micros,
            claw_back_micros=body.claw_back_micros,
            answer=body.answer,
            now=asked.now,
        )
    if isinstance(done, DisputeRefused):
        return conflict(done.reason)
    return Answered(
        content=RulingShown(
            state=done.state.value,
            credit_micros=done.credit_micros,
            claw_back_micros=done.claw_back_micros,
        )
    )


async def _reopen(asked: Asked) -> Answered | Problem:
    async with asked.engine.begin() as connection:
        if await queries.read_dispute(connection, asked.path["id"]) is None:
            return not_found("dispute")
        done = await work.reopen(
            connection, asked.actor, asked.path["id"], note=asked.body.note, now=asked.now
        )
    if isinstance(done, DisputeRefused):
        return conflict(done.reason)
    return Answered(content=DisputeReopened(id=done.dispute_id, price_micros=done.price_micros))


async def _exposures(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        found = await read_exposures(connection)
    return Answered(content=[ExposureShown(**vars(one)) for one in found])


OPERATIONS: Sequence[Operation] = (
    Operation(
        method="GET",
        path="/disputes",
        name="list_disputes",
        summary="Calls that buyers sent back, newest first, with what their callers answered",
        tag=TAG,
        roles=HOUSE,
        handler=_disputes,
        answer=Page[HouseDisputeShown],
        query=CursorQuery,
    ),
    Operation(
        method="POST",
        path="/disputes/{id}/ruling",
        name="rule_on_dispute",
        summary="Decide a dispute",
        tag=TAG,
        roles=EDITORS,
        handler=_rule,
        body=NewRuling,
        answer=RulingShown,
    ),
    Operation(
        method="POST",
        path="/disputes/{id}/reopening",
        name="reopen_dispute",
        summary="Open a refused dispute again",
        tag=TAG,
        roles=EDITORS,
        handler=_reopen,
        body=Reopening,
        answer=DisputeReopened,
        status=201,
    ),
    Operation(
        method="GET",
        path="/dispute-exposures",
        name="list_dispute_exposures",
        summary="What buyers dispute and nobody has decided, the largest first",
        tag=TAG,
        roles=HOUSE,
        handler=_exposures,
        answer=list[ExposureShown],
    ),
)
