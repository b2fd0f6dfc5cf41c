"""One call's page: its whole way, from the number that was dialled to the postings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp.test_utils import TestServer
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import Decision, RouteRequest
from router.market_archive import archive_market
from router.market_reader import MarketReader
from store import tables
from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from tests.web.market import STARTED_AT, Market, add, add_call, add_sold_call
from tollbridge.call_story.queries import read_call
from tollbridge.call_story.story import tell
from web.app import make_app
from web.auth import UserCreated, create_user

HOSTILE = "<script>alert(1)</script>"


async def shown(client: Client, call_id: UUID, **headers: str) -> str:
    async with client.get(f"/calls/{call_id}", headers=headers) as answer:
        assert answer.status == 200
        return " ".join((await answer.text()).split())


async def test_a_decision_says_what_it_went_by_when_the_database_did_not_answer(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    call_id = await add_sold_call(engine, market)
    counts = {"not_known": [["suppression", 12_000], ["wallets", 7_200_000], ["turns", None]]}
    async with engine.begin() as connection:
        await connection.execute(
            update(tables.decisions)
            .where(tables.decisions.c.sequence == 1)
            .values(decision={"inputs": {"counts": counts}})
        )
    words = (
        "he database did not answer; went by what was known last: suppressed callers 12.0 s old, wallets 2 h old; "
        "not known: whose turn it is"
    )
    assert f"T{words}." in await shown(admin, call_id)
    story = await read_call(engine, call_id)
    assert story is not None and f"    t{words}" in list(tell(story))


async def test_a_sold_call_tells_its_whole_way(admin: Client, engine: AsyncEngine, market: Market) -> None:
    text = await shown(admin, await add_sold_call(engine, market))
    for fact in (
        "+1 614-555-0123 dialled +1 800-555-0100",
        "Arrived through demo",
        "Example Carrier",
        "Mortgage, national",
        "Clickworks",
        "mortgage, version 1",
        # answers
        "“i want to refinance”",
        "93 %",
        "moonshine",
        "by voice",
        "by keys",
        "no answer",
        # decisions
        "By the router in 1.284 ms",
        "By the survival script",
        "NMLS 123456, OH, refinance",
        "opens Wednesday 08:00 in America/New_York",
        "no active licence for refinance in OH",
        "Lakeside Home Loans",
        # legs
        "busy (17)",
        "92.418 s",
        "ended normally (16)",
        # money
        "The call met the buyer’s terms.",
        "connected 92.418 s of 90.000 s needed",
        "-$45.00",
        "$0.0084",
        "$14.9916",
        '<td role="cell" class="amount">$0.00</td>',
        # evidence
        "Disagreement",
        "0.001 s",
    ):
        assert fact in text, fact
    assert "Alarm:" not in text


async def test_a_call_that_has_just_arrived(admin: Client, engine: AsyncEngine) -> None:
    text = await shown(admin, await add_call(engine, trunk_name=None))
    for fact in (
        "In progress",
        "has answered no question yet",
        "Nothing is decided yet",
        "No buyer was rung yet",
        "Judged when the call is settled",
        "Nothing is posted before",
        'hx-trigger="live"',
    ):
        assert fact in text, fact


async def test_a_settled_call_stands_still(admin: Client, engine: AsyncEngine, market: Market) -> None:
    call_id = await add_sold_call(engine, market)
    assert "data-live-switch" not in await shown(admin, call_id)
    part = await shown(admin, call_id, **{"HX-Request-Type": "partial"})
    assert "<html" not in part and "Buyers rung" in part


async def test_the_failing_term_is_told(admin: Client, engine: AsyncEngine) -> None:
    conversion = {"verdict": "too_short", "detail": "connected 41.007 s", "minimum_connected_ms": 90_000}
    settled: dict[str, Any] = {
        "state": "settled",
        "outcome": "sold",
        "converted": False,
        "connected_ms": 41_007,
    }
    text = await shown(admin, await add_call(engine, **settled, conversion=conversion))
    for fact in (
        "did not meet",
        "<b>Too short</b>: connected 41.007 s",
        "90.000 s",
        "This call moved no money",
    ):
        assert fact in text, fact


async def test_a_duplicate_leads_to_the_call_that_was_billed(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    billed = await add_sold_call(engine, market)
    conversion = {
        "verdict": "duplicate",
        "detail": "the same caller converted before",
        "duplicate_of": str(billed),
    }
    call_id = await add_call(engine, state="settled", outcome="sold", converted=False, conversion=conversion)
    assert f'<a href="/calls/{billed}">The call that was billed</a>' in await shown(admin, call_id)
    odd = await add_call(engine, "a-7.1", converted=False, conversion={"duplicate_of": "javascript:alert(1)"})
    assert "javascript" not in await shown(admin, odd)


async def test_an_alarm_is_loud(admin: Client, engine: AsyncEngine) -> None:
    evidence = {
        "witness": "last_witness",
        "alarm": True,
        "legs": [{"disagreement_ms": 1500}, {"odd": [1, 2]}],
        "more": {},
    }
    text = await shown(admin, await add_call(engine, state="settled", outcome="sold", evidence=evidence))
    assert "Alarm:" in text and "last_witness" in text and "1.500 s" in text


async def test_a_clock_that_was_set_is_told_with_what_is_billed(admin: Client, engine: AsyncEngine) -> None:
    set_back = {"witness": "leg", "alarm": True, "leg_clock_stepped_ms": -60_000}
    text = await shown(admin, await add_call(engine, state="settled", outcome="sold", evidence=set_back))
    assert "set back by 60.000 s while they talked. The call is billed by its true length" in text
    unseen = {"witness": "leg", "alarm": True, "leg_clock_step_unseen": True}
    text = await shown(
        admin, await add_call(engine, "a-7.2", state="settled", outcome="sold", evidence=unseen)
    )
    assert "billed by the wall clock: check its length" in text


async def test_what_strangers_sent_is_text_everywhere(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    call_id = await add_call(
        engine,
        caller=HOSTILE,
        dialled=HOSTILE,
        trunk_name=HOSTILE,
        tags={HOSTILE: HOSTILE},
        conversion={HOSTILE: HOSTILE},
        evidence={HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]},
        outcome=HOSTILE,
    )
    decision = {
        "problem": HOSTILE,
        "inputs": {HOSTILE: HOSTILE},
        "chosen": {"licences": [{"nmls_id": HOSTILE}]},
    }
    async with engine.begin() as connection:
        await connection.execute(
            insert(tables.answers).values(
                call_id=call_id,
                sequence=1,
                node=HOSTILE,
                tag=HOSTILE,
                value=HOSTILE,
                source=HOSTILE,
                heard=HOSTILE,
                engine=HOSTILE,
                answered_at=STARTED_AT,
            )
        )
        await connection.execute(
            insert(tables.decisions).values(
                call_id=call_id,
                sequence=1,
                decided_by=HOSTILE,
                decided_at=STARTED_AT + timedelta(seconds=1),
                duration_us=1,
                decision=decision,
            )
        )
        await connection.execute(
            insert(tables.rejections).values(
                call_id=call_id, sequence=1, target_id=market.closed_id, code=HOSTILE, detail=HOSTILE
            )
        )
    text = await shown(admin, call_id)
    assert HOSTILE not in text and "<script>alert" not in text
    assert text.count("&lt;script&gt;") > 15


async def test_a_decision_of_another_version_is_shown_as_far_as_it_is_understood(
    admin: Client, engine: AsyncEngine
) -> None:
    call_id = await add_call(engine)
    for sequence, decision in enumerate(
        ({}, {"chosen": 7, "inputs": []}, {"chosen": {"licences": ["x", {}]}}), 1
    ):
        async with engine.begin() as connection:
            await connection.execute(
                insert(tables.decisions).values(
                    call_id=call_id,
                    sequence=sequence,
                    decided_by="router",
                    decided_at=STARTED_AT,
                    duration_us=1,
                    decision=decision,
                )
            )
    assert "NMLS ?" in await shown(admin, call_id)


async def test_what_the_flow_did_stands_in_its_way(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    call_id = await add_sold_call(engine, market)
    events = [
        ("waiting", "loan_type", {"waits_for": "ask"}),
        ("prompts", "", {"sounds": {"p-1": "ab"}}),
        ("web_hook", "score", {"took_ms": 41, "given": ["tier"], "reason": ""}),
        ("hung_up_by_house", "", {"by": "<b>ada</b>"}),
        ("something_newer", "x", {}),
    ]
    async with engine.begin() as connection:
        for kind, node, detail in events:
            row = {"call_id": call_id, "at": STARTED_AT, "kind": kind, "node": node, "detail": detail}
            await connection.execute(insert(tables.call_events).values(row))
        ping = {"call_id": call_id, "stage_id": 1, "target_id": market.closed_id, "outcome": "late"}
        await connection.execute(
            insert(tables.pings).values(**ping, sent_at=STARTED_AT, arrived_us=512_300, bid_micros=31_000_000)
        )
    text = await shown(admin, call_id)
    for told in (
        "“loan type” asks the caller",
        "1 sound",
        "The web hook of “score” gave tier",
        "41 ms",
        "Hung up by the house",
        "&lt;b&gt;ada&lt;/b&gt;",
        "Something newer",
        "Lakeside Home Loans, Day desk was asked: late $31.00",
        "512.3 ms",
    ):
        assert told in text, told


async def test_a_recording_is_heard_by_parts_and_each_hearing_is_noted(
    engine: AsyncEngine, market: Market, tmp_path: Path
) -> None:
    call_id = await add_sold_call(engine, market)
    file = f"{call_id}-1.wav"
    (tmp_path / file).write_bytes(bytes(range(100)))
    stored = {"state": "stored", "length_ms": 92_000, "sha256": "ab", "started_at": STARTED_AT}
    async with engine.begin() as connection:
        await connection.execute(
            insert(tables.recordings).values(call_id=call_id, part=1, node="a", file=file, **stored)
        )
    for role, status in (("admin", 206), ("analyst", 403)):
        assert isinstance(await create_user(engine, f"{role}@example.com", PASSWORD, role), UserCreated)
        app = make_app(
            engine,
            secure_cookies=False,
            snapshot_file=tmp_path / "market.json",
            prompts_dir=tmp_path,
            recordings_dir=tmp_path,
        )
        async with open_client(TestServer(app)) as client:
            assert await sign_in(client, f"{role}@example.com") == 303
            for span in ("bytes=0-9", "bytes=40-49"):
                address = f"/calls/{call_id}/recordings/1"
                async with client.get(address, headers={"Range": span}) as answer:
                    assert answer.status == status
                    if status == 206:
                        assert len(await answer.read()) == 10
            async with client.get(f"/calls/{call_id}/recordings/2") as answer:
                assert answer.status in (403, 404)
            text = await shown(client, call_id)
            assert ("<audio" in text) is (role == "admin")
            assert ("555-0123" in text) is (role == "admin"), "an analyst sees no whole number, anywhere"
    async with engine.connect() as connection:
        noted = (
            await connection.execute(select(tables.audit_log).where(tables.audit_log.c.kind == "recordings"))
        ).all()
    assert [(row.action, row.ref, row.actor) for row in noted] == [
        ("hear", f"{call_id}-1", "admin@example.com")
    ]


async def test_a_decision_is_made_again_and_as_if_a_target_had_been_free(
    admin: Client, engine: AsyncEngine, market: Market, tmp_path: Path
) -> None:
    async with engine.begin() as connection:
        stage = {"campaign_id": market.campaign_id, "position": 1, "method": "priority"}
        stage_id = await add(connection, tables.plan_stages, **stage)
        await connection.execute(
            insert(tables.plan_entries).values(stage_id=stage_id, target_id=market.closed_id, priority=1)
        )
    snapshot = await MarketReader(engine, tmp_path / "read.json").read()
    request = RouteRequest(
        call_id="c",
        campaign_id=market.campaign_id,
        caller=None,
        tags={"loan_type": "refinance", "state": "OH"},
        tried=(),
        now=STARTED_AT,
    )
    decision = decide(snapshot.snapshot, request, Counts())
    assert isinstance(decision, Decision)
    await archive_market(engine, snapshot.snapshot, snapshot.parts)
    call_id = await add_call(engine)
    async with engine.begin() as connection:
        await connection.execute(
            insert(tables.decisions).values(
                call_id=call_id,
                sequence=1,
                decided_by="router",
                decided_at=STARTED_AT,
                duration_us=900,
                decision=decision.to_json(),
            )
        )
    async with admin.post(f"/calls/{call_id}/replay") as answer:
        assert "the same, byte for byte" in await answer.text()
    wish: dict[str, str] = {"sequence": "1", "target": str(market.closed_id), "rule": "schedule"}
    async with admin.post(f"/calls/{call_id}/what-if", data=wish) as answer:
        assert answer.status == 200
        assert "nobody would have had it" in await answer.text()
    both = [*wish.items(), ("rule", "licences")]
    async with admin.post(f"/calls/{call_id}/what-if", data=both) as answer:
        assert "Lakeside Home Loans, Day desk would have had the call." in await answer.text()
    async with admin.post(f"/calls/{call_id}/what-if", data={**wish, "target": "999"}) as answer:
        assert answer.status == 404
    async with admin.post(f"/calls/{call_id}/what-if", data={"sequence": "1"}) as answer:
        assert answer.status == 422
        assert "Choose a target" in await answer.text()
