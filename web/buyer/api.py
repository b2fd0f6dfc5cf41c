"""What a buyer does, for machines: send calls back, stop and narrow targets, set prices, top up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from billing.dispute_calls import DisputeRefused, allowance_of
from billing.payment_provider import ProviderRefused
from web.api.operation import (
    Answered,
    Asked,
    FieldProblem,
    Operation,
    Page,
    Problem,
    changed_meanwhile,
    conflict,
    not_found,
    refused,
)
from web.buyer import dispute_queries, queries, target_queries
from web.buyer.api_shapes import (
    DayQuery,
    DisputeLimits,
    DisputeMade,
    DisputeShown,
    LicenceShown,
    NewDispute,
    PassedShown,
    PriceChange,
    PriceSet,
    PriceShown,
    ReasonShown,
    RuleShown,
    Span,
    TargetChange,
    TargetShown,
    TopUp,
    TopUpPage,
)
from web.buyer.disputes import send_back
from web.buyer.fewer_calls import passed_by
from web.buyer.hours import week_of
from web.buyer.limits import OwnTarget
from web.buyer.only_when import Test
from web.buyer.reasons import counted
from web.buyer.targets import change, pause, set_price
from web.buyer.wallet import ask_for_page, why_not_top_up
from web.keys import Role
from web.portal.api import NO_ZONE, CursorQuery
from web.portal.figures import midnight
from web.portal.keyset import id_of
from web.portal.listing import PAGE_LENGTH
from web.zones import zone_named

BUYERS = frozenset({Role.BUYER})
TAG = "buying"
ETAG_KIND = "own targets"


async def _open_dispute(asked: Asked) -> Answered | Problem:
    async with asked.engine.begin() as connection:
        done = await send_back(
            connection,
            asked.actor,
            asked.path["id"],
            reason=asked.body.reason,
            note=asked.body.note,
            now=asked.now,
        )
    if done is None:
        return not_found("call")
    if isinstance(done, DisputeRefused):
        return conflict(done.reason)
    return Answered(content=DisputeMade(id=done.dispute_id, price_micros=done.price_micros))


def _dispute_shown(row: Any) -> DisputeShown:
    return DisputeShown(**{name: getattr(row, name) for name in DisputeShown.model_fields})


async def _dispute_limits(asked: Asked) -> Answered | Problem:
    if asked.user.buyer_id is None:
        return not_found("buyer")
    async with asked.engine.connect() as connection:
        found = await allowance_of(connection, asked.user.buyer_id, now=asked.now)
    names = set(DisputeLimits.model_fields) - {"why_not"}
    return Answered(
        content=DisputeLimits(**{name: getattr(found, name) for name in names}, why_not=found.why_not or "")
    )


async def _disputes(asked: Asked) -> Answered | Problem:
    below = id_of(asked.query.cursor)
    async with asked.engine.connect() as connection:
        found = await dispute_queries.read_disputes(
            connection, asked.user, below_id=below, limit=PAGE_LENGTH + 1
        )
    page = found[:PAGE_LENGTH]
    following = str(page[-1].id) if len(found) > PAGE_LENGTH else None
    return Answered(content=Page[DisputeShown](items=[_dispute_shown(row) for row in page], next=following))


async def _dispute(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        found = await dispute_queries.read_dispute(connection, asked.user, asked.path["id"])
    return not_found("dispute") if found is None else Answered(content=_dispute_shown(found))


def _target_shown(target: OwnTarget) -> TargetShown:
    def hours(schedule: Any) -> list[list[Span]]:
        return [[Span(start=start, end=end) for start, end in spans] for spans in week_of(schedule)]

    return TargetShown(
        id=target.id,
        name=target.name,
        takes_calls=target.takes_calls,
        paused_at=target.paused_at,
        time_zone=str(target.schedule.get("time_zone", "")),
        hours=hours(target.schedule),
        most_hours=hours(target.house_schedule),
        concurrency_cap=target.concurrency_cap,
        most_concurrency_cap=target.house_concurrency_cap,
        calls_a_day=target.calls_a_day,
        dropped_states=list(target.dropped_states),
        only_when=[RuleShown(fact=one.fact, test=Test(one.test), value=one.value) for one in target.rules],
    )


def _named(asked: Asked, target: OwnTarget) -> Answered:
    shown = _target_shown(target)
    return Answered(
        content=shown, etag=asked.etags.name(ETAG_KIND, asked.path["id"], shown.model_dump(mode="json"))
    )


async def _targets(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        found = await target_queries.read_targets(connection, asked.user)
    return Answered(content=[_target_shown(target) for target in found])


async def _target(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        found = await target_queries.read_target(connection, asked.user, asked.path["id"])
    if found is None:
        return not_found("target")
    return _named(asked, found)


async def _change_target(asked: Asked) -> Answered | Problem:
    async with asked.engine.begin() as connection:
        before = await target_queries.read_target(connection, asked.user, asked.path["id"], lock=True)
        if before is None:
            return not_found("target")
        seen = asked.unchanged(ETAG_KIND, asked.path["id"])
        if seen is None or not seen(_target_shown(before).model_dump(mode="json")):
            return changed_meanwhile("target")
        done = await change(connection, asked.actor, asked.path["id"], asked.body.wanted)
    if isinstance(done, list):
        return refused(*(FieldProblem(field=one.field, problem=one.problem) for one in done))
    if done is None:
        return not_found("target")
    return _named(asked, done)


def _pausing(*, paused: bool) -> Callable[[Asked], Awaitable[Answered | Problem]]:
    async def handle(asked: Asked) -> Answered | Problem:
        async with asked.engine.begin() as connection:
            await pause(connection, asked.actor, asked.path["id"], paused=paused, now=asked.now)
            found = await target_queries.read_target(connection, asked.user, asked.path["id"])
        return not_found("target") if found is None else Answered(content=_target_shown(found))

    return handle


async def _prices(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        found = await target_queries.read_prices(connection, asked.user, asked.now)
    return Answered(
        content=[
            PriceShown(**{name: getattr(row, name) for name in PriceShown.model_fields}) for row in found
        ]
    )


async def _set_price(asked: Asked) -> Answered | Problem:
    if asked.user.buyer_id is None:
        return not_found("price")
    async with asked.engine.begin() as connection:
        done = await set_price(
            connection, asked.actor, asked.path["campaign_id"], asked.body.price_micros, asked.now
        )
    if done is None:
        return not_found("price")
    if isinstance(done, str):
        return refused(FieldProblem(field="price_micros", problem=done))
    return Answered(content=PriceSet(price_micros=asked.body.price_micros, goes_live_at=done))


async def _licences(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        found = await queries.read_own_licences(connection, asked.user)
    return Answered(
        content=[
            LicenceShown(**{name: getattr(row, name) for name in LicenceShown.model_fields}) for row in found
        ]
    )


async def _passed(asked: Asked) -> Answered | Problem:
    zone = zone_named(asked.query.zone)
    if zone is None:
        return refused(NO_ZONE)
    day = asked.query.day or asked.now.astimezone(zone).date()
    async with asked.engine.connect() as connection:
        found = await passed_by(
            connection, asked.user, midnight(day, zone), midnight(day + timedelta(days=1), zone)
        )
    reasons = [
        ReasonShown(
            title=one.reason.title, meaning=one.reason.meaning, advice=one.reason.advice, calls=one.calls
        )
        for one in counted(found.codes)
    ]
    return Answered(content=PassedShown(reasons=reasons, looked_at=found.looked_at, complete=found.complete))


async def _top_up(asked: Asked) -> Answered | Problem:
    if asked.user.buyer_id is None:
        return not_found("wallet")
    why = why_not_top_up(asked.body.amount_micros)
    if why:
        return refused(FieldProblem(field="amount_micros", problem=why))
    key = f"{asked.user.buyer_id}-{asked.body.key}"
    page = await ask_for_page(asked.request, asked.actor, asked.body.amount_micros, key)
    if isinstance(page, ProviderRefused):
        return conflict(page.reason)
    return Answered(content=TopUpPage(reference=page.reference, url=page.url))


def _buying(method: str, path: str, name: str, summary: str, **more: Any) -> Operation:
    return Operation(method=method, path=path, name=name, summary=summary, tag=TAG, roles=BUYERS, **more)


OPERATIONS = (
    _buying(
        "POST",
        "/own/calls/{id}/disputes",
        "dispute_own_call",
        "Send a call back",
        handler=_open_dispute,
        path_types={"id": UUID},
        body=NewDispute,
        answer=DisputeMade,
        status=201,
    ),
    _buying(
        "GET",
        "/own/disputes",
        "list_own_disputes",
        "Calls that you sent back",
        handler=_disputes,
        query=CursorQuery,
        answer=Page[DisputeShown],
    ),
    _buying(
        "GET",
        "/own/dispute-limits",
        "read_own_dispute_limits",
        "How many more calls you may send back",
        handler=_dispute_limits,
        answer=DisputeLimits,
    ),
    _buying(
        "GET", "/own/disputes/{id}", "read_own_dispute", "One of them", handler=_dispute, answer=DisputeShown
    ),
    _buying(
        "GET",
        "/own/targets",
        "list_own_targets",
        "Where your calls ring",
        handler=_targets,
        answer=list[TargetShown],
    ),
    _buying(
        "GET", "/own/targets/{id}", "read_own_target", "One of them", handler=_target, answer=TargetShown
    ),
    _buying(
        "PATCH",
        "/own/targets/{id}",
        "narrow_own_target",
        "Narrow it, within what the house allows",
        handler=_change_target,
        body=TargetChange,
        answer=TargetShown,
        takes_etag=True,
    ),
    _buying(
        "POST",
        "/own/targets/{id}/pause",
        "pause_own_target",
        "Stop its calls from the next one on",
        handler=_pausing(paused=True),
        answer=TargetShown,
    ),
    _buying(
        "POST",
        "/own/targets/{id}/resume",
        "resume_own_target",
        "Let it take calls again",
        handler=_pausing(paused=False),
        answer=TargetShown,
    ),
    _buying(
        "GET",
        "/own/prices",
        "list_own_prices",
        "What you pay by campaign",
        handler=_prices,
        answer=list[PriceShown],
    ),
    _buying(
        "PUT",
        "/own/prices/{campaign_id}",
        "set_own_price",
        "Set your price, between floor and ceiling, for calls that begin ten seconds later or after",
        handler=_set_price,
        body=PriceChange,
        answer=PriceSet,
    ),
    _buying(
        "GET",
        "/own/licences",
        "list_own_licences",
        "Your licences",
        handler=_licences,
        answer=list[LicenceShown],
    ),
    _buying(
        "GET",
        "/own/fewer-calls",
        "explain_fewer_calls",
        "Why calls of a day went elsewhere",
        handler=_passed,
        query=DayQuery,
        answer=PassedShown,
        problems=frozenset({422}),
    ),
    _buying(
        "POST",
        "/own/top-ups",
        "top_up_own_wallet",
        "Ask for a page on which to pay",
        handler=_top_up,
        body=TopUp,
        answer=TopUpPage,
        problems=frozenset({404}),
    ),
)
