"""The house says between what a buyer may set its price of a campaign itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from aiohttp import web
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from rules.money import MAXIMUM_MICROS, MoneyError, parse_dollars
from web.api.cursor import read_cursor, write_cursor
from web.api.operation import Answered, Asked, Body, FieldProblem, Operation, Problem, not_found, refused
from web.audit import Actor, write_audit
from web.keys import EDITORS, ENGINE, USER
from web.money.bid_limit_queries import read_limit, read_limits, write_limit
from web.pages import render
from web.portal.keyset import id_of

PAGE_LENGTH = 50
SEARCH_CHARACTERS_MAXIMUM = 200

Micros = Annotated[int, Field(ge=0, le=MAXIMUM_MICROS)]


async def set_limits(
    connection: AsyncConnection,
    actor: Actor,
    buyer_id: int,
    campaign_id: int,
    limits: tuple[int, int] | None,
    now: datetime,
) -> str | None:
    """Set floor and ceiling (None: the buyer may not set its price); return why not, or "". None: no such terms."""
    terms = await read_limit(connection, now, buyer_id, campaign_id)
    if terms is None:
        return None
    if limits is not None and not 0 <= limits[0] <= limits[1] <= MAXIMUM_MICROS:
        return "The floor is not above the ceiling, and neither is below nothing."
    if limits is not None and terms.document is not None:
        return "This buyer pays by a contract with rules: change its terms instead."
    await write_limit(connection, buyer_id, campaign_id, limits)
    after = None if limits is None else {"floor_micros": limits[0], "ceiling_micros": limits[1]}
    before = {"floor_micros": terms.floor_micros, "ceiling_micros": terms.ceiling_micros}
    ref = f"{buyer_id}/{campaign_id}"
    await write_audit(
        connection, actor, action="limit", kind="bid_limits", ref=ref, before=before, after=after
    )
    return ""


async def show(request: web.Request) -> web.Response:
    return await _show(request)


async def _show(request: web.Request, *, status: int = 200, **more: Any) -> web.Response:
    search = request.query.get("q", "").replace("\x00", "").strip()[:SEARCH_CHARACTERS_MAXIMUM]
    after = read_cursor(request.query.get("after", ""), (str, str))
    async with request.app[ENGINE].connect() as connection:
        found = await read_limits(
            connection,
            datetime.now(UTC),
            search=search,
            after=None if after is None else (str(after[0]), str(after[1])),
            limit=PAGE_LENGTH + 1,
        )
    following = None
    if len(found) > PAGE_LENGTH:
        last = found[PAGE_LENGTH - 1]
        following = urlencode({"q": search, "after": write_cursor([last.buyer, last.campaign])})
    said: dict[str, Any] = {"problem": "", "typed": {}} | more
    return render(
        request,
        "money/bid_limits.html",
        status=status,
        terms=found[:PAGE_LENGTH],
        search=search,
        following=following,
        at_top=after is None,
        done="done" in request.query,
        **said,
    )


async def submit(request: web.Request) -> web.Response:
    form = await request.post()
    buyer_id, campaign_id = (id_of(request.match_info[name]) for name in ("buyer_id", "campaign_id"))
    floor, ceiling = (str(form.get(name, ""))[:20].strip() for name in ("floor", "ceiling"))
    if buyer_id is None or campaign_id is None:
        raise web.HTTPNotFound
    typed = {(buyer_id, campaign_id): (floor, ceiling)}
    try:
        limits = (parse_dollars(floor), parse_dollars(ceiling)) if floor or ceiling else None
    except MoneyError:
        problem = "Write both amounts like 40 and 60.50, or leave both empty."
        return await _show(request, status=422, problem=problem, typed=typed)
    async with request.app[ENGINE].begin() as connection:
        actor = Actor(user=request[USER])
        why = await set_limits(connection, actor, buyer_id, campaign_id, limits, datetime.now(UTC))
    if why is None:
        raise web.HTTPNotFound
    if why:
        return await _show(request, status=422, problem=why, typed=typed)
    raise web.HTTPSeeOther("/money/bid-limits?done")


class BidLimits(Body):
    """Both, or neither: then only the house sets the price."""

    floor_micros: Micros | None
    ceiling_micros: Micros | None


async def _set(asked: Asked) -> Answered | Problem:
    floor, ceiling = asked.body.floor_micros, asked.body.ceiling_micros
    if (floor is None) != (ceiling is None):
        return refused(FieldProblem(field="ceiling_micros", problem="give both, or neither"))
    limits = None if floor is None or ceiling is None else (floor, ceiling)
    async with asked.engine.begin() as connection:
        why = await set_limits(
            connection, asked.actor, asked.path["buyer_id"], asked.path["campaign_id"], limits, asked.now
        )
    if why is None:
        return not_found("price")
    return refused(FieldProblem(field="floor_micros", problem=why)) if why else Answered()


OPERATIONS: Sequence[Operation] = (
    Operation(
        method="PUT",
        path="/bid-limits/{buyer_id}/{campaign_id}",
        name="set_bid_limits",
        summary="Say between what a buyer may set its price itself",
        tag="money",
        handler=_set,
        roles=EDITORS,
        body=BidLimits,
        status=204,
    ),
)
