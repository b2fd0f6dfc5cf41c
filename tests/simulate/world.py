"""The market and the calls of one shard of a simulation, all from one seed."""

from __future__ import annotations

import datetime as dt
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Table, insert, select
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from store import tables
from tests.asterisk_files import CallStory, cel_line, cel_lines
from tests.market import TRUNK
from tests.simulate.oracle import HOUR_MS, Happened, Terms

STATES = ("OH", "CA", "TX", "NY", "")
EDITS = 4
SPAN_MS = 10 * HOUR_MS


@dataclass(frozen=True, kw_only=True)
class World:
    """Ids of one shard's market. All shards share publisher and carrier, so that they meet on the same accounts."""

    shard: int
    publisher: int
    campaign: int
    number: int
    e164: str
    buyers: tuple[int, ...]
    targets: tuple[int, ...]
    edits: tuple[Terms, ...]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A call that will be written: what the oracle is told, and what Asterisk would write of it."""

    happened: Happened
    buyer: int
    linkedid: str
    cel: tuple[str, ...]
    journal: tuple[str, ...]


def terms_edits(rng: random.Random, start_ms: int) -> tuple[Terms, ...]:
    """Terms that change while calls come in; the first have always been there."""
    lives = [0, *(start_ms + SPAN_MS * place // EDITS for place in range(1, EDITS))]
    return tuple(
        Terms(
            live_ms=live,
            minimum_ms=rng.choice((60_000, 90_000, 90_001)),
            price=rng.randrange(1_000, 6_000) * 10_000,
            payout=rng.randrange(500, 900) * 10_000,
        )
        for live in lives
    )


async def shared_market(connection: AsyncConnection) -> None:
    """What all shards share: the publisher and the carrier's trunk."""
    await connection.execute(insert(tables.publishers).values(name="ads"))
    await connection.execute(
        insert(tables.trunks).values(
            name=TRUNK, carrier_name="Carrier", addresses=["127.0.0.1"], cost_per_minute_micros=6_000
        )
    )


async def make_world(connection: AsyncConnection, shard: int, rng: random.Random) -> World:
    """Write a campaign, a number and two buyers; only the first terms are live yet (see save_edit)."""
    publisher = int((await connection.execute(select(tables.publishers.c.id))).scalar_one())

    async def make(table: Table, **values: object) -> int:
        made = await connection.execute(insert(table).values(**values).returning(table.c.id))
        return int(made.scalar_one())

    e164 = f"+1800555{shard:04d}"
    campaign = await make(
        tables.campaigns, name=f"mortgage {shard}", flow_name="mortgage", duplicate_window_seconds=3600
    )
    number = await make(tables.tracking_numbers, e164=e164, campaign_id=campaign, publisher_id=publisher)
    # Buyers of a simulation dispute more than they may elsewhere.
    limits = {"disputes_percent": 100, "open_disputes_maximum": 1_000}
    buyers = [await make(tables.buyers, name=f"buyer {shard} {place}", **limits) for place in range(2)]
    schedule = {"time_zone": "UTC", "ranges": []}
    rest = {"name": "desk", "sip_uri": "sip:a@127.0.0.1", "loan_types": ["refinance"], "schedule": schedule}
    targets = [await make(tables.targets, buyer_id=buyer, **rest) for buyer in buyers]
    start_ms = (int(time.time()) - 12 * 3600) * 1000
    world = World(
        shard=shard,
        publisher=publisher,
        campaign=campaign,
        number=number,
        e164=e164,
        buyers=tuple(buyers),
        targets=tuple(targets),
        edits=terms_edits(rng, start_ms),
    )
    await save_edit(connection, world, 0)
    return world


async def save_edit(connection: AsyncConnection, world: World, edit: int) -> None:
    """Write the terms that go live next, as an admin would while calls come in."""
    terms = world.edits[edit]
    live = dt.datetime.fromtimestamp(terms.live_ms / 1000, dt.UTC)
    for buyer in world.buyers:
        await connection.execute(
            _new(
                tables.buyer_terms,
                buyer_id=buyer,
                campaign_id=world.campaign,
                goes_live_at=live,
                minimum_connected_ms=terms.minimum_ms,
                price_micros=terms.price,
            )
        )
    await connection.execute(
        _new(
            tables.publisher_terms,
            publisher_id=world.publisher,
            campaign_id=world.campaign,
            goes_live_at=live,
            payout_micros=terms.payout,
        )
    )


def _new(table: Table, **values: object) -> Insert:
    """An INSERT that may be tried again after a commit of which nobody heard."""
    return upsert(table).values(**values).on_conflict_do_nothing()


def plan_clusters(world: World, rng: random.Random, calls: int) -> Iterator[list[Planned]]:
    """Yield the calls in the order of their start, those of one caller together."""
    start_ms = world.edits[1].live_ms - SPAN_MS // EDITS
    serial = 0
    while serial < calls:
        size = min(rng.choice((1, 1, 1, 1, 1, 1, 1, 2, 3)), calls - serial)
        at_ms = start_ms + SPAN_MS * serial // calls
        buyer, caller = rng.randrange(2), _caller(world.shard * 100_000 + serial)
        state, known = rng.choice(STATES), rng.random() > 0.01
        yield [
            _planned(world, rng, serial + place, at_ms, buyer, caller, state, known=known)
            for place in range(size)
        ]
        serial += size


def _caller(number: int) -> str:
    """Return one of many telephone numbers that may exist."""
    area_code, rest = divmod(number, 7_900_000)
    return f"+1{201 + area_code}{2_000_000 + rest}"


def _planned(
    world: World,
    rng: random.Random,
    serial: int,
    at_ms: int,
    buyer: int,
    caller: str,
    state: str,
    *,
    known: bool,
) -> Planned:
    minimum = max(
        (one for one in world.edits if one.live_ms <= at_ms), key=lambda one: one.live_ms
    ).minimum_ms
    connected = rng.choice((None, 0, minimum - 1, minimum, minimum + 1, rng.randrange(1, 400_000)))
    step = rng.choice((-HOUR_MS, HOUR_MS)) if rng.random() < 0.01 else 0
    happened = Happened(
        start_ms=at_ms,
        connected_ms=connected,
        state=state if known else "",
        known_number=known,
        clock_step_ms=0 if connected is None else step,
    )
    story = CallStory(
        serial=serial,
        node=f"s{world.shard}",
        start_ms=at_ms,
        caller=caller,
        dialled=world.e164 if known else "+18885550000",
        target_id=world.targets[buyer],
        connected_ms=connected,
    )
    return Planned(
        happened=happened,
        buyer=buyer,
        linkedid=story.linkedid,
        cel=tuple(_stepped(story, happened)),
        journal=tuple(_journal(world, story, state)) if known else (),
    )


def _stepped(story: CallStory, happened: Happened) -> list[str]:
    """The call's lines; when the clock steps, all that is written after the buyer's answer is off by the step."""
    if not happened.clock_step_ms:
        return cel_lines(story)
    moved = CallStory(
        **{**story.__dict__, "connected_ms": (story.connected_ms or 0) + happened.clock_step_ms}
    )
    lines = cel_lines(moved)
    # The story's own arithmetic is the clock's: what was answered stays, what ended moved.
    assert cel_line("LINKEDID_END", happened.end_ms + 5, "x", "x").split(",")[1] == lines[-1].split(",")[1]
    return lines


def _journal(world: World, story: CallStory, state: str) -> Iterator[str]:
    head = {"linkedid": story.linkedid, "at_ms": story.start_ms + 20}
    matched = {
        "kind": "call_matched",
        "tracking_number_id": world.number,
        "campaign_id": world.campaign,
        "publisher_id": world.publisher,
        "flow_name": "mortgage",
        "flow_version": 1,
    }
    decided = {
        "kind": "decided",
        "sequence": 1,
        "decided_by": "router",
        "target_id": story.target_id,
        "duration_us": 900,
        "decision": {"chosen": story.target_id},
        "rejections": [],
    }
    for body in (matched, {"kind": "tagged", "tags": {"state": state} if state else {}}, decided):
        yield json.dumps({**body, **head}) + "\n"
