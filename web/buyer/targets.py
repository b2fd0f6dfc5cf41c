"""A buyer's targets: pause and resume at once, hours, calls at once and a day, states, rules, price. Pages.

The router reads a changed market before its next decision: what is changed here holds from the next call on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.find_losses import loses_by_price
from rules.money import MoneyError, format_dollars, parse_dollars
from rules.places import STATES
from rules.schedule import DAY_NAMES
from web.audit import Actor, write_audit
from web.buyer import target_queries as queries
from web.buyer.hours import RANGES_A_DAY, RANGES_A_DAY_MAXIMUM, Week, hours_text, week_of
from web.buyer.limits import LimitProblem, OwnTarget, Wanted, settle
from web.buyer.only_when import FACTS, RULES_MAXIMUM, TEST_NAMES, VALUE_LENGTH_MAXIMUM, Rule, Test
from web.keys import ENGINE, USER
from web.pages import render
from web.portal.keyset import id_of

BLANK_RULES = 2
"""Empty rows below what is there: whoever needs more saves first."""

OWN_PRICE_AFTER_SECONDS = 10
"""Every router knows a new price by then: calls are ranked by the price that they are billed by."""


async def pause(
    connection: AsyncConnection, actor: Actor, target_id: int, *, paused: bool, now: datetime
) -> OwnTarget | None:
    """Stop a target of one's own, or let it take calls again; None when it is none of theirs. The caller commits."""
    assert actor.user is not None
    target = await queries.read_target(connection, actor.user, target_id, lock=True)
    if target is None or paused == (target.paused_at is not None):
        return target
    await queries.set_paused(connection, target_id, now if paused else None)
    await write_audit(
        connection, actor, action="pause" if paused else "resume", kind="targets", ref=target_id
    )
    return target


async def change(
    connection: AsyncConnection, actor: Actor, target_id: int, wanted: Wanted
) -> OwnTarget | list[LimitProblem] | None:
    """Change a target within what the house allows. The caller commits."""
    assert actor.user is not None
    target = await queries.read_target(connection, actor.user, target_id, lock=True)
    if target is None:
        return None
    settings = settle(target, wanted)
    if isinstance(settings, list):
        return settings
    await queries.write_settings(connection, target, settings)
    after = await queries.read_target(connection, actor.user, target_id)
    assert after is not None
    await write_audit(
        connection,
        actor,
        action="narrow",
        kind="targets",
        ref=target_id,
        before=_noted(target),
        after=_noted(after),
    )
    return after


def _noted(target: OwnTarget) -> dict[str, Any]:
    return {
        "schedule": dict(target.schedule),
        "concurrency_cap": target.concurrency_cap,
        "calls_a_day": target.calls_a_day,
        "dropped_states": list(target.dropped_states),
        "only_when": [f"{one.fact} {TEST_NAMES[Test(one.test)]} {one.value}" for one in target.rules],
    }


def own_price_from(now: datetime) -> datetime:
    """Return when a price set `now` goes live: at a whole second, as a call's own name tells its start in seconds."""
    whole = now.replace(microsecond=0)
    return whole + timedelta(seconds=OWN_PRICE_AFTER_SECONDS + (whole < now))


async def set_price(
    connection: AsyncConnection, actor: Actor, campaign_id: int, price_micros: int, now: datetime
) -> datetime | str | None:
    """Set the buyer's standing price of a campaign; return from when it holds, or why not. None: no such campaign."""
    assert actor.user is not None and actor.user.buyer_id is not None
    goes_live_at = own_price_from(now)
    # Beside the terms of that moment: another price may be on its way, or a contract.
    found = await queries.read_prices(connection, actor.user, goes_live_at)
    terms = next((one for one in found if one.campaign_id == campaign_id), None)
    if terms is None:
        return None
    if terms.floor_micros is None or terms.document is not None:
        return "This price is agreed in writing: ask us to change it."
    if not terms.floor_micros <= price_micros <= terms.ceiling_micros:
        low, high = format_dollars(terms.floor_micros), format_dollars(terms.ceiling_micros)
        return f"Your price may be {low} to {high}."
    said = {"buyer_id": actor.user.buyer_id, "campaign_id": campaign_id}
    lower = price_micros < terms.price_micros
    if lower and await loses_by_price(connection, **said, price_micros=price_micros, now=goes_live_at):
        return "At this price a call of the campaign may cost more than it pays: ask us about it."
    if price_micros != terms.price_micros:
        await queries.insert_price(
            connection,
            **said,
            price_micros=price_micros,
            minimum_connected_ms=terms.minimum_connected_ms,
            goes_live_at=goes_live_at,
        )
        before = {"price_micros": terms.price_micros}
        after = {"price_micros": price_micros, "goes_live_at": goes_live_at.isoformat()}
        await write_audit(
            connection, actor, action="bid", kind="campaigns", ref=campaign_id, before=before, after=after
        )
    return goes_live_at


# --- pages ---------------------------------------------------------------------------------------------------


async def show_all(request: web.Request) -> web.Response:
    return await _show_all(request)


async def _show_all(
    request: web.Request, *, status: int = 200, typed: Mapping[int, str] | None = None, problem: str = ""
) -> web.Response:
    async with request.app[ENGINE].connect() as connection:
        found = await queries.read_targets(connection, request[USER])
        prices = await queries.read_prices(connection, request[USER], datetime.now(UTC))
    return render(
        request,
        "buyer/targets.html",
        status=status,
        targets=found,
        prices=prices,
        typed=typed or {},
        problem=problem,
        week_of=week_of,
        hours_text=hours_text,
        days=DAY_NAMES,
        changed="changed" in request.query,
        priced="priced" in request.query,
        own_price_after_seconds=OWN_PRICE_AFTER_SECONDS,
    )


async def show_one(request: web.Request) -> web.Response:
    async with request.app[ENGINE].connect() as connection:
        target = await queries.read_target(connection, request[USER], _target_id(request))
    if target is None:
        raise web.HTTPNotFound
    return _form(request, target, week_of(target.schedule), _typed_of(target), [])


def _form(
    request: web.Request,
    target: OwnTarget,
    week: Week,
    typed: Mapping[str, Any],
    problems: list[LimitProblem],
) -> web.Response:
    rows = max(RANGES_A_DAY, *(len(spans) for spans in week))
    padded = [[*spans, *([("", "")] * (rows - len(spans)))] for spans in week]
    return render(
        request,
        "buyer/target.html",
        status=422 if problems else 200,
        target=target,
        week=padded,
        agreed=[hours_text(spans) for spans in week_of(target.house_schedule)],
        days=DAY_NAMES,
        states=STATES,
        facts=FACTS,
        tests=TEST_NAMES,
        typed=typed,
        problems={one.field: one.problem for one in problems},
        changed="changed" in request.query,
    )


def _typed_of(target: OwnTarget) -> dict[str, Any]:
    return {
        "concurrency_cap": str(target.concurrency_cap),
        "calls_a_day": "" if target.calls_a_day is None else str(target.calls_a_day),
        "dropped_states": target.dropped_states,
        "rules": _with_blanks(target.rules),
    }


async def submit_pause(request: web.Request) -> web.Response:
    return await _submit_pause(request, paused=True)


async def submit_resume(request: web.Request) -> web.Response:
    return await _submit_pause(request, paused=False)


async def _submit_pause(request: web.Request, *, paused: bool) -> web.Response:
    async with request.app[ENGINE].begin() as connection:
        actor = Actor(user=request[USER])
        done = await pause(connection, actor, _target_id(request), paused=paused, now=datetime.now(UTC))
    if done is None:
        raise web.HTTPNotFound
    raise web.HTTPSeeOther("/buyer/targets")


async def submit_change(request: web.Request) -> web.Response:
    form = await request.post()
    typed: dict[str, Any] = {
        "concurrency_cap": str(form.get("concurrency_cap", ""))[:12].strip(),
        "calls_a_day": str(form.get("calls_a_day", ""))[:12].strip(),
        "dropped_states": tuple(str(state) for state in form.getall("dropped_states", []))[:100],
    }
    rules = _rules(form)
    typed["rules"] = _with_blanks(rules)
    week = _week(form)
    wanted = Wanted(
        week=week,
        concurrency_cap=_whole(typed["concurrency_cap"], 0),
        calls_a_day=_whole(typed["calls_a_day"], 0) if not typed["calls_a_day"] else _positive(typed),
        dropped_states=typed["dropped_states"],
        rules=rules,
    )
    async with request.app[ENGINE].begin() as connection:
        done = await change(connection, Actor(user=request[USER]), _target_id(request), wanted)
        if isinstance(done, list):
            target = await queries.read_target(connection, request[USER], _target_id(request))
    if done is None:
        raise web.HTTPNotFound
    if isinstance(done, list):
        assert target is not None
        return _form(request, target, week, typed, done)
    raise web.HTTPSeeOther(f"/buyer/targets/{done.id}?changed")


def _rules(form: Any) -> tuple[Rule, ...]:
    """Return the rules as typed; a row that names no fact and no value is none."""
    texts = [[str(one) for one in form.getall(f"rule.{name}", [])] for name in ("fact", "test", "value")]
    rows = list(zip(*texts, strict=False))[: RULES_MAXIMUM + BLANK_RULES]
    return tuple(
        Rule(fact=fact[:60], test=test[:20], value=value[:VALUE_LENGTH_MAXIMUM].strip())
        for fact, test, value in rows
        if fact or value.strip()
    )


def _with_blanks(rules: Sequence[Rule]) -> Sequence[Rule]:
    blanks = min(BLANK_RULES, max(RULES_MAXIMUM - len(rules), 0))
    return [*rules, *[Rule(fact="", test=Test.IS, value="")] * blanks]


def _week(form: Any) -> Week:
    def span(day: int, row: int) -> tuple[str, str]:
        name = f"day{day}.{row}"
        return str(form.get(f"{name}.from", ""))[:5].strip(), str(form.get(f"{name}.to", ""))[:5].strip()

    return tuple(tuple(span(day, row) for row in range(RANGES_A_DAY_MAXIMUM)) for day in range(7))


def _whole(text: str, otherwise: int) -> int:
    """Return a whole number; what is none is out of every range."""
    return int(text) if text.isascii() and text.isdigit() else (otherwise if not text else -1)


def _positive(typed: Mapping[str, Any]) -> int:
    """Return calls a day as typed; 0 would say that there is no limit, which an empty field says."""
    return _whole(typed["calls_a_day"], 0) or -1


async def submit_price(request: web.Request) -> web.Response:
    campaign_id, form = id_of(request.match_info["campaign_id"]), await request.post()
    text = str(form.get("price", ""))[:20].strip()
    if campaign_id is None or request[USER].buyer_id is None:
        raise web.HTTPNotFound
    try:
        price_micros = parse_dollars(text)
    except MoneyError:
        problem = "Write a price like 45 or 45.50."
        return await _show_all(request, status=422, typed={campaign_id: text}, problem=problem)
    async with request.app[ENGINE].begin() as connection:
        actor = Actor(user=request[USER])
        done = await set_price(connection, actor, campaign_id, price_micros, datetime.now(UTC))
    if done is None:
        raise web.HTTPNotFound
    if isinstance(done, str):
        return await _show_all(request, status=422, typed={campaign_id: text}, problem=done)
    raise web.HTTPSeeOther("/buyer/targets?priced")


def _target_id(request: web.Request) -> int:
    target_id = id_of(request.match_info["target_id"])
    if target_id is None:
        raise web.HTTPNotFound
    return target_id
