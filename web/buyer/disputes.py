"""A buyer sends calls back: opens a dispute, and sees what became of it. Pages and API do it by the same steps."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.dispute_calls import DisputeOpened, DisputeRefused, allowance_of, open_dispute
from billing.disputes import SHARE_DAYS, Allowance, Reason
from billing.wallet_queries import wallet_of
from web.audit import Actor, write_audit
from web.buyer.dispute_queries import read_dispute, read_disputes
from web.buyer.views import show_call
from web.keys import ENGINE, USER, User
from web.pages import render
from web.portal.call_queries import read_own_call, read_own_recordings
from web.portal.keyset import id_of, read_below
from web.portal.views import call_id_of

PAGE_LENGTH = 50
NOTE_CHARACTERS_MAXIMUM = 2_000


async def send_back(
    connection: AsyncConnection, actor: Actor, call_id: UUID, *, reason: Reason, note: str, now: datetime
) -> DisputeOpened | DisputeRefused | None:
    """Open a dispute of one of the buyer's own calls; None when it is none of theirs. The caller commits."""
    assert actor.user is not None
    if await read_own_call(connection, actor.user, call_id) is None:
        return None
    done = await open_dispute(connection, call_id, reason=reason, note=note, now=now)
    if isinstance(done, DisputeOpened):
        said = {"call": str(call_id), "reason": reason.value, "price_micros": done.price_micros}
        await write_audit(connection, actor, action="open", kind="disputes", ref=done.dispute_id, after=said)
    return done


async def submit(request: web.Request) -> web.Response:
    """The form on a call's page."""
    call_id, form = call_id_of(request), await request.post()
    code, note = str(form.get("reason", "")), str(form.get("note", "")).replace("\x00", "")
    typed = {"typed_reason": code, "typed_note": note[:NOTE_CHARACTERS_MAXIMUM]}
    if code not in tuple(Reason):
        return await show_call(request, status=422, problem="Choose what was wrong with the call.", **typed)
    if len(note) > NOTE_CHARACTERS_MAXIMUM:
        problem = f"A note is at most {NOTE_CHARACTERS_MAXIMUM} characters; yours has {len(note)}."
        return await show_call(request, status=422, problem=problem, **typed)
    async with request.app[ENGINE].begin() as connection:
        actor = Actor(user=request[USER])
        done = await send_back(
            connection, actor, call_id, reason=Reason(code), note=note.strip(), now=datetime.now(UTC)
        )
    if done is None:
        raise web.HTTPNotFound
    if isinstance(done, DisputeRefused):
        problem = f"{done.reason[:1].upper()}{done.reason[1:]}."
        return await show_call(request, status=409, problem=problem, **typed)
    raise web.HTTPSeeOther(f"/buyer/disputes/{done.dispute_id}")


async def show_all(request: web.Request) -> web.Response:
    below = read_below(request.query)
    async with request.app[ENGINE].connect() as connection:
        found = await read_disputes(connection, request[USER], below_id=below, limit=PAGE_LENGTH + 1)
        wallet = await wallet_of(connection, request[USER].buyer_id or 0)
        allowance = await _own_allowance(connection, request[USER])
    page = found[:PAGE_LENGTH]
    older = page[-1].id if len(found) > PAGE_LENGTH else None
    return render(
        request,
        "buyer/disputes.html",
        disputes=page,
        at_top=below is None,
        older=older,
        allowance=allowance,
        share_days=SHARE_DAYS,
        wallet=wallet,
    )


async def _own_allowance(connection: AsyncConnection, user: User) -> Allowance | None:
    if user.buyer_id is None:
        return None
    return await allowance_of(connection, user.buyer_id, now=datetime.now(UTC))


async def show_one(request: web.Request) -> web.Response:
    dispute_id = id_of(request.match_info["dispute_id"])
    async with request.app[ENGINE].connect() as connection:
        found = dispute_id and await read_dispute(connection, request[USER], dispute_id)
        if not found:
            raise web.HTTPNotFound
        recordings = await read_own_recordings(connection, request[USER], found.call_id)
    return render(request, "buyer/dispute.html", dispute=found, recordings=recordings)
