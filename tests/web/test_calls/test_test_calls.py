"""A test call is asked for at a page or by a machine, and what becomes of it is read there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.web_tables import test_calls
from tests.web.conftest import Client
from tests.web.market import Market
from tests.web.plans.house import api

FORM = {"caller": "+16145550188", "says": "refinance\r\n ohio \r\n", "presses": "1#"}


@pytest.fixture
async def number(engine: AsyncEngine, market: Market) -> str:
    async with engine.connect() as connection:
        found = await connection.scalar(select(tables.tracking_numbers.c.e164).limit(1))
    assert found is not None
    return str(found)


async def page(client: Client, path: str) -> str:
    async with client.get(path) as answer:
        assert answer.status == 200
        return " ".join((await answer.text()).split())


async def test_it_is_stored_for_a_worker_and_told_as_it_goes(
    admin: Client, engine: AsyncEngine, number: str
) -> None:
    async with admin.post("/test-calls/new", data={**FORM, "dialled": number}) as answer:
        assert answer.status == 200 and "waiting for a node" in await answer.text()
        path = answer.url.path
    async with engine.connect() as connection:
        row = (await connection.execute(select(test_calls))).one()
        noted = (
            await connection.execute(
                select(tables.audit_log.c.ref, tables.audit_log.c.after).where(
                    tables.audit_log.c.action == "test_call"
                )
            )
        ).one()
        number_id = await connection.scalar(select(tables.tracking_numbers.c.id).limit(1))
    assert (row.dialled, row.caller_sealed, row.says, row.presses) == (
        number,
        "+16145550188",
        ["refinance", "ohio"],
        ["1#"],
    )
    assert noted.ref == str(number_id) and noted.after["says"] == ["refinance", "ohio"]

    assert f'hx-get="{path}/progress"' in await page(admin, f"{path}/progress")
    async with engine.begin() as connection:
        await connection.execute(
            update(test_calls).values(
                state="failed",
                node="east",
                lines=["calling", "<b>refused</b>: 404"],
                problem="nobody answered",
            )
        )
    text = await page(admin, f"{path}/progress")
    assert "&lt;b&gt;refused&lt;/b&gt;: 404" in text and "by node east" in text
    assert "Nobody answered." in text and "hx-get" not in text, "it is not asked for again"


async def test_what_cannot_be_dialled_or_pressed_is_refused_where_it_stands(
    admin: Client, engine: AsyncEngine, number: str
) -> None:
    for changed, word in (
        ({"dialled": "+18005559999"}, "none of your tracking numbers"),
        ({"caller": "sip:me"}, "write it as"),
        ({"presses": "1;rm"}, "keys are"),
        ({"says": "...\n"}, "words in plain letters"),
        ({"says": "yes\n" * 9}, "at most 8 turns"),
    ):
        async with admin.post("/test-calls/new", data={**FORM, "dialled": number, **changed}) as answer:
            assert answer.status == 422 and word in (await answer.text()).lower()
    async with engine.connect() as connection:
        assert (await connection.execute(select(test_calls))).first() is None


async def test_only_a_few_wait_and_nobody_waits_for_ever(
    admin: Client, engine: AsyncEngine, number: str
) -> None:
    values = {"dialled": number, "caller_sealed": ""}
    async with engine.begin() as connection:
        await connection.execute(insert(test_calls), [values] * 5)
    async with admin.post("/test-calls/new", data={**FORM, "dialled": number}) as answer:
        assert answer.status == 422 and "several test calls wait" in (await answer.text()).lower()
    async with engine.begin() as connection:
        long_ago = datetime.now(UTC) - timedelta(minutes=2)
        await connection.execute(update(test_calls).values(asked_at=long_ago))
        some = await connection.scalar(select(test_calls.c.id).limit(1))
    text = await page(admin, f"/test-calls/{some}")
    assert "No node has taken it" in text and "hx-get" not in text
    async with admin.post("/test-calls/new", data={**FORM, "dialled": number}) as answer:
        assert answer.status == 200


async def test_a_machine_places_and_reads_one(admin: Client, number: str) -> None:
    status, made, _ = await api(admin, "POST", "/test-calls", json={"dialled": number, "presses": ["1#"]})
    assert status == 202
    status, shown, _ = await api(admin, "GET", f"/test-calls/{made['test_call']}")
    assert status == 200 and (shown["state"], shown["lines"], shown["call_id"]) == ("waiting", [], None)
    status, problem, _ = await api(admin, "POST", "/test-calls", json={"dialled": "+18005559999"})
    assert status == 422 and problem["errors"][0]["field"] == "dialled"


async def test_the_number_leads_to_it(admin: Client, engine: AsyncEngine, number: str) -> None:
    async with engine.connect() as connection:
        number_id = await connection.scalar(select(tables.tracking_numbers.c.id).limit(1))
    text = await page(admin, f"/numbers/{number_id}")
    address = f"/test-calls/new?number=%2B{number[1:]}"
    assert f'href="{address}"' in text
    assert f'value="{number}"' in await page(admin, address)
