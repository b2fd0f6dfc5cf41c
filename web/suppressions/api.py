"""A buyer's book of business for machines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from router.caller_lists import ListRefused
from web.api.cursor import read_cursor, write_cursor
from web.api.operation import (
    Answered,
    Asked,
    Body,
    FieldProblem,
    Operation,
    Page,
    Problem,
    Query,
    not_found,
    refused,
)
from web.keys import EDITORS, HOUSE
from web.suppressions import queries
from web.suppressions.lists import (
    LIST_BYTES_MAXIMUM,
    REASON_CHARACTERS_MAXIMUM,
    NoBuyer,
    add_numbers,
    beginning_of,
    remove_number,
)

NUMBERS_MAXIMUM = 100_000
PROBLEMS_MAXIMUM = 50
PATH = "/buyers/{id}/suppressions"


class SuppressedNumber(BaseModel):
    """A caller that the buyer does not buy again."""

    caller: str
    reason: str
    created_at: datetime
    expires_at: datetime | None


class NumbersQuery(Query):
    begins: str = Field(default="", max_length=40, description="Only numbers that begin so")
    cursor: str | None = Field(default=None, max_length=400, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=200)


class NumbersBody(Body):
    """Numbers in E.164, or of ten digits in the US. All are taken, or none."""

    numbers: list[str] = Field(min_length=1, max_length=NUMBERS_MAXIMUM)
    reason: str = Field(default="", max_length=REASON_CHARACTERS_MAXIMUM)


class NumbersTaken(BaseModel):
    added: int
    known: int


async def _list(asked: Asked) -> Answered | Problem:
    query: NumbersQuery = asked.query
    after = ("",) if query.cursor is None else read_cursor(query.cursor, (str,))
    if after is None:
        return Problem(
            status=400,
            title="Cannot be right",
            fields=(FieldProblem(field="cursor", problem="this is no cursor of this list"),),
        )
    async with asked.engine.connect() as connection:
        if await queries.buyer_name(connection, asked.path["id"]) is None:
            return not_found("buyer")
        rows = await queries.page_of(
            connection,
            asked.path["id"],
            begins=beginning_of(query.begins),
            after=str(after[0]),
            limit=query.limit + 1,
        )
    shown = rows[: query.limit]
    following = write_cursor([shown[-1]["caller"]]) if len(rows) > query.limit else None
    return Answered(content={"items": shown, "next": following})


async def _add(asked: Asked) -> Answered | Problem:
    body: NumbersBody = asked.body
    found = await add_numbers(asked.engine, asked.actor, asked.path["id"], body.numbers, body.reason)
    if isinstance(found, NoBuyer):
        return not_found("buyer")
    if isinstance(found, ListRefused):
        shown = found.problems[:PROBLEMS_MAXIMUM]
        return refused(*(FieldProblem(field="numbers", problem=problem) for problem in shown))
    return Answered(content={"added": found.added, "known": found.known})


async def _remove(asked: Asked) -> Answered | Problem:
    done = await remove_number(asked.engine, asked.actor, asked.path["id"], asked.path["caller"])
    return Answered() if done else not_found("number on this list")


OPERATIONS: Sequence[Operation] = (
    Operation(
        method="GET",
        path=PATH,
        name="list_suppressions",
        summary="List callers that a buyer does not buy again",
        tag="buyers",
        handler=_list,
        roles=HOUSE,
        query=NumbersQuery,
        answer=Page[SuppressedNumber],
        problems=frozenset({404}),
    ),
    Operation(
        method="POST",
        path=PATH,
        name="add_suppressions",
        summary="Add callers that a buyer does not buy again: all of them, or none",
        tag="buyers",
        handler=_add,
        roles=EDITORS,
        body=NumbersBody,
        answer=NumbersTaken,
        problems=frozenset({404, 422}),
        body_bytes_maximum=LIST_BYTES_MAXIMUM,
    ),
    Operation(
        method="DELETE",
        path=PATH + "/{caller}",
        name="remove_suppression",
        summary="Take a caller off a buyer's list",
        tag="buyers",
        handler=_remove,
        roles=EDITORS,
        path_types={"caller": str},
        status=204,
        problems=frozenset({404}),
    ),
)
