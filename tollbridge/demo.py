"""The demo: starts a node, puts a small market into it, and sells a real call before the newcomer's eyes."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from ivr_flows.library import load
from store.migrate import upgrade
from store.session import open_engine
from tollbridge.call_story.story import dollars
from tollbridge.demo_market import GREETING, NUMBER, SPEAKS, DemoDesks, demo_market
from tollbridge.faults import CannotRun
from tollbridge.node import run_node
from tollbridge.node_config import layout_of
from tollbridge.node_state import read_state
from tollbridge.output import print_json, progress
from tollbridge.phone import mulaw
from tollbridge.phone.clock import now_ms
from tollbridge.phone.sipp_buyer import SCENARIOS, SippBuyer, SippUnavailable
from tollbridge.phone.sipp_log import BuyerLeg
from tollbridge.phone.voice import VoiceUnavailable, clips
from tollbridge.postgres import stop_embedded_postgres
from tollbridge.run import database_url_of, owner_url_of
from tollbridge.sample_market.queries import seed_market
from tollbridge.sealed_database import keys_at
from tollbridge.settings import Settings
from tollbridge.testcall import TestCallPlan, TestCallResult, place_test_call
from web.auth import create_user, set_password
from web.person_fields import UserRefusal

TALK_MS = 4_000
CALL_SECONDS = 60.0
CLOCK_MS = 20
"""How far the billed time may be from the telephones' own clocks."""
ADMIN_EMAIL = "admin@tollbridge.example"
_NARRATE_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Desks:
    """The two buyers' telephones, real SIPp processes."""

    answering: SippBuyer
    busy: SippBuyer


@dataclass(frozen=True, kw_only=True)
class Sale:
    """The call as its caller, the switch and the buyer each saw it."""

    result: TestCallResult
    leg: BuyerLeg


async def run_demo(settings: Settings, *, once: bool) -> int:
    """Run the demo; without `once` the node stays up until Ctrl-C. Returns an exit status. Raises CannotRun."""
    if read_state(layout_of(settings)) is not None:
        raise CannotRun("a node already runs here: stop it with `tollbridge down`, then start the demo again")
    try:
        async with AsyncExitStack() as stack:
            desks = await _start_desks(settings, stack)
            password = await _prepare(settings, desks)
            return await _with_node(settings, desks, password, once=once)
    except (SippUnavailable, VoiceUnavailable) as problem:
        raise CannotRun(str(problem)) from problem


async def _start_desks(settings: Settings, stack: AsyncExitStack) -> Desks:
    """Start the buyers' telephones; they end with `stack`."""
    progress("starting two buyers' telephones (SIPp)")
    layout = layout_of(settings)
    folder = layout.data_dir / "demo"
    (greeting,) = await clips((GREETING,), layout.prompts_dir)
    pause = bytes([mulaw.SILENCE]) * mulaw.SAMPLES_PER_SECOND
    answering = await stack.enter_async_context(
        SippBuyer.playing(
            SCENARIOS / "answer.xml",
            folder,
            name="sacramento",
            audio=greeting + pause,
            values={"RING_MS": "1500"},
        )
    )
    busy = await stack.enter_async_context(
        SippBuyer.playing(
            SCENARIOS / "refuse.xml",
            folder,
            name="san-diego",
            values={"STATUS": "486", "REASON": "Busy Here"},
        )
    )
    return Desks(answering=answering, busy=busy)


async def _prepare(settings: Settings, desks: Desks) -> str:
    """Put market and admin into the database before the node starts; return the admin's new password."""
    progress("making the demo market")
    try:
        url = await asyncio.to_thread(database_url_of, settings)
        await keys_at(owner_url_of(settings), settings)
        await asyncio.to_thread(upgrade, owner_url_of(settings), url)
        engine = open_engine(url, application_name="tollbridge-demo", pool_size=2)
        try:
            uris = DemoDesks(answering=desks.answering.sip_uri, busy=desks.busy.sip_uri)
            await seed_market(engine, demo_market(uris, load("mortgage"), datetime.now(UTC)))
            return await _admin_password(engine)
        finally:
            await engine.dispose()
    except BaseException:
        if not settings.database_url:
            await asyncio.to_thread(stop_embedded_postgres, layout_of(settings).postgres_dir)
        raise


async def _admin_password(engine: AsyncEngine) -> str:
    password = secrets.token_urlsafe(12)
    made = await create_user(engine, ADMIN_EMAIL, password, "admin")
    if made is UserRefusal.EMAIL_TAKEN:
        await set_password(engine, ADMIN_EMAIL, password)
    return password


async def _with_node(settings: Settings, desks: Desks, password: str, *, once: bool) -> int:
    """Run the node around the sale. Raises CannotRun when the node does not come up."""
    ready, stop = asyncio.Event(), asyncio.Event()

    def follow(text: str) -> None:
        progress(f"node: {text}")
        if text == "ready":
            ready.set()

    node = asyncio.create_task(run_node(settings, follow, stop), name="node")
    story = asyncio.create_task(_sell(settings, desks, ready), name="sale")
    try:
        await asyncio.wait({node, story}, return_when=asyncio.FIRST_COMPLETED)
        if node.done():
            node.result()
            return 130
        status = _conclude(story.result())
        if not once:
            _invite_the_newcomer(settings, password)
            await node
        return status
    finally:
        story.cancel()
        stop.set()
        await asyncio.gather(story, return_exceptions=True)
        await node


async def _sell(settings: Settings, desks: Desks, ready: asyncio.Event) -> Sale | str:
    """Place the call once the node is ready. Returns the sale, or a sentence that says why there was none."""
    await ready.wait()
    state = read_state(layout_of(settings))
    url = state.database_url if state is not None else database_url_of(settings)
    engine = open_engine(url, application_name="tollbridge-demo", pool_size=2)
    narrator = asyncio.create_task(_narrate(desks))
    before = len(desks.answering.legs())
    plan = TestCallPlan(
        switch=(settings.sip_address, settings.sip_port),
        to=NUMBER,
        caller=f"+1614555{random.randrange(10_000):04d}",  # noqa: S311  a new caller each time, not a secret
        say=SPEAKS,
        seconds=CALL_SECONDS,
    )
    try:
        result = await place_test_call(
            plan,
            engine=engine,
            cache_dir=layout_of(settings).prompts_dir,
            progress=lambda text: progress(f"caller: {text}"),
            until=lambda: _has_talked(desks.answering, before),
        )
        await asyncio.sleep(2 * _NARRATE_SECONDS)
    finally:
        narrator.cancel()
        await asyncio.gather(narrator, return_exceptions=True)
        await engine.dispose()
    legs = desks.answering.legs()
    if len(legs) <= before:
        return "no buyer's telephone rang: `tollbridge doctor` says what is wrong"
    return Sale(result=result, leg=legs[before])


def _has_talked(buyer: SippBuyer, before: int) -> bool:
    legs = buyer.legs()
    answered_ms = legs[before].answered_ms if len(legs) > before else None
    return answered_ms is not None and now_ms() - answered_ms >= TALK_MS


async def _narrate(desks: Desks) -> None:
    """Tell what the buyers' telephones see, as they see it, until cancelled."""
    told: set[str] = set()
    while True:
        for desk, buyer in (("San Diego desk", desks.busy), ("Sacramento desk", desks.answering)):
            for leg in buyer.legs():
                for event in _events(desk, leg):
                    if f"{leg.sip_call_id} {event}" not in told:
                        told.add(f"{leg.sip_call_id} {event}")
                        progress(f"buyer: {event}")
        await asyncio.sleep(_NARRATE_SECONDS)


def _events(desk: str, leg: BuyerLeg) -> list[str]:
    events = [f"the {desk}'s telephone gets the call"]
    if leg.refused_ms is not None:
        events.append(f"the {desk} is busy ({leg.status}): the next one is tried")
    if leg.answered_ms is not None:
        events.append(f"the {desk} answers, both talk")
    if leg.ended_ms is not None:
        events.append(f"the {desk}'s telephone is hung up after {(leg.connected_ms or 0) / 1000:.3f} s")
    return events


def _conclude(sale: Sale | str) -> int:
    """Print the line of JSON; return 0 when the call was sold and timed as it must be."""
    problem = sale if isinstance(sale, str) else why_not_shown(sale)
    if not isinstance(sale, str):
        line = sale_line(sale)
        if line is not None:
            _tell_money(line)
            print_json(line)
    if problem:
        progress(f"the demo did not work: {problem}")
    return 1 if problem else 0


def _tell_money(line: Mapping[str, Any]) -> None:
    earned = dollars(line["revenue_micros"] - line["payout_micros"])
    progress(
        f"sold: {line['buyer']} owes {dollars(line['revenue_micros'])}, the publisher gets "
        f"{dollars(line['payout_micros'])}, {earned} stay (less the carrier)"
    )


def why_not_shown(sale: Sale) -> str:
    """Return what is wrong with a sale in one sentence, or nothing."""
    line = sale_line(sale)
    if line is None:
        return "the call was not settled in time: see log/worker.log in the data directory"
    if not line["converted"]:
        return f"the call did not convert (answers: {line['answers']}): see `tollbridge call {line['call']}`"
    if abs(line["connected_ms"] - line["caller_clock_ms"]) > CLOCK_MS:
        return f"billed {line['connected_ms']} ms, but the telephones talked {line['caller_clock_ms']} ms"
    return ""


def sale_line(sale: Sale) -> dict[str, Any] | None:
    """Return the sale for programs; None when the switch has not settled it.

    `caller_clock_ms` is from the buyer's 200 to the first BYE by the telephones' own clocks, `setup_ms` from the
    caller's INVITE to the switch's answer, `decision_ms` the time of the decision that sold.
    """
    story, times = sale.result.story, sale.result.times
    if story is None or not story.is_settled or times.answered_ms is None or times.invited_ms is None:
        return None
    talked = None
    if sale.leg.answered_ms is not None and times.ended_ms is not None:
        talked = round(times.ended_ms - sale.leg.answered_ms, 1)
    return {
        "call": str(story.call_id),
        "tracking_number": story.dialled,
        "answers": {answer.tag: answer.value for answer in story.answers},
        "buyer": story.buyer,
        "target": story.target,
        "licence": story.licence,
        "attempts": len(story.legs),
        "connected_ms": story.connected_ms or 0,
        "caller_clock_ms": talked or 0.0,
        "converted": bool(story.converted),
        "revenue_micros": story.revenue_micros,
        "payout_micros": story.payout_micros,
        "decision_ms": story.decisions[-1].duration_us / 1000 if story.decisions else None,
        "setup_ms": round(times.answered_ms - times.invited_ms, 1),
    }


def _invite_the_newcomer(settings: Settings, password: str) -> None:
    sip = f"{settings.sip_address}:{settings.sip_port}"
    for line in (
        "the node stays up until Ctrl-C",
        f"pages:   http://{settings.web_address}:{settings.web_port}/  sign in as {ADMIN_EMAIL}, password {password}",
        f"again:   .venv/bin/tollbridge testcall --to {NUMBER} --say refinance --say california",
        f"a phone: on this machine, call sip:{NUMBER}@{sip} directly (no account; mu-law, RFC 4733 keys)",
        "a trunk: set TOLLBRIDGE_SIP_ADDRESS to an address of this machine, put the carrier's addresses on the page",
        f"         Trunks, and have the carrier send {NUMBER} there",
    ):
        progress(line)
