"""Our calls beside a carrier's file: every difference has a name."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.reconcile import CdrError, Difference, OurCall, Told, read_cdr, reconcile
from billing.reconcile_queries import answered_calls
from store.tables import calls, cel_rows
from tests.billing.test_settle_call import START_MS, a_call, settled
from tests.market import CALLER, NUMBER, TRUNK, make_market

NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
HALF_A_MINUTE = dt.timedelta(seconds=30)
HEAD = "started_at,caller,dialled,seconds,cost\n"


def ours(
    name: str, *, after: int = 0, seconds: int = 60, cost: int = 6_000, seen: int | None = 60
) -> OurCall:
    told = Told(
        name=name,
        started_at=NOON + dt.timedelta(seconds=after),
        caller="16145550123",
        dialled="18005550100",
        seconds=seconds,
        cost_micros=cost,
    )
    return OurCall(told=told, asterisk_seconds=seen)


def cdr(*rows: str) -> list[Told]:
    return read_cdr((HEAD + "\n".join(rows)).encode())


def test_calls_that_agree_and_each_kind_of_difference() -> None:
    carrier = cdr(
        "2026-11-24T12:00:03Z,+1 614 555 0123,18005550100,61,0.006",  # a: a second is rounding
        "2026-11-24T07:01:00-05:00,16145550123,8005550100,120,0.012",  # b: longer and dearer
        "2026-11-24T12:02:30.001Z,16145550123,8005550100,60,0.006",  # too late for c
    )
    calls = [ours("a"), ours("b", after=60), ours("c", after=120, seen=None), ours("d", after=3600, seen=55)]
    result = reconcile(calls, carrier, HALF_A_MINUTE)
    assert [(one.difference, one.call) for one in result.findings] == [
        (Difference.SECONDS, "b"),
        (Difference.COST, "b"),
        (Difference.NOT_IN_ASTERISK, "c"),
        (Difference.NOT_AT_CARRIER, "c"),
        (Difference.ASTERISK_SECONDS, "d"),
        (Difference.NOT_AT_CARRIER, "d"),
        (Difference.NOT_HERE, "line 4"),
    ]
    assert result.findings[0].detail == "we say 60 s, the carrier 120 s (line 3)"
    assert (result.ours.calls, result.ours.seconds, result.ours.cost_micros) == (4, 240, 24_000)
    assert (result.carrier.calls, result.carrier.seconds, result.carrier.cost_micros) == (3, 241, 24_000)
    assert (result.asterisk.calls, result.asterisk.seconds) == (3, 175)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2026-11-24T12:00:00Z,6145550123,8005550100,60", "line 2, columns: 4 where the header has 5"),
        (
            "2026-11-24T12:00:00,6145550123,8005550100,60,1",
            "line 2, started_at: '2026-11-24T12:00:00' has no zone",
        ),
        ("noon,6145550123,8005550100,60,1", "line 2, started_at: 'noon' is not a time"),
        ("2026-11-24T12:00:00Z,6145550123,8005550100,-60,1", "line 2, seconds: '-60'"),
        ("2026-11-24T12:00:00Z,6145550123,8005550100,60,free", "line 2, cost: 'free'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(row: str, problem: str) -> None:
    with pytest.raises(CdrError) as refused:
        cdr(row)
    assert problem in str(refused.value)


async def test_our_side_is_read_from_what_was_settled(engine: AsyncEngine) -> None:
    market = await make_market(engine)
    record = a_call(market)  # answered for 108 s: 18 increments of 6 s at 0.0006 dollars
    await settled(engine, record)
    async with engine.begin() as connection:
        await connection.execute(update(calls).values(trunk_name=TRUNK))
        for place, (event, ms) in enumerate((("ANSWER", 0), ("HANGUP", 108_000))):
            row = {"event": event, "event_us": (START_MS + ms) * 1000, "position": place}
            same = {"node": "a", "file": "f", "channel": "c", "extra": ""}
            ids = {"uniqueid": record.linkedid, "linkedid": record.linkedid}
            await connection.execute(insert(cel_rows).values(**row, **same, **ids))
        at = dt.datetime.fromtimestamp(START_MS / 1000, dt.UTC)
        found = await answered_calls(connection, from_=at, until=at + HALF_A_MINUTE, carrier="Carrier")
        assert not await answered_calls(connection, from_=at, until=at + HALF_A_MINUTE, carrier="Other")
    carrier = cdr(f"{at.isoformat()},{CALLER},{NUMBER},108,0.0108")
    assert reconcile(found, carrier, HALF_A_MINUTE).findings == ()
