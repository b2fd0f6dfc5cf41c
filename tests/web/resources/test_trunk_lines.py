"""Whether trunks are registered and carriers answer: on the list, the trunk's page, the home, and for machines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest_asyncio
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client
from tests.web.market import add
from tests.web.plans.house import api
from tollbridge.doctor import Verdict, examine
from tollbridge.settings import Settings

REGISTRAR = "sip:sip.carrier.example"
REFUSED = "it does not accept our user name and password (401)"


@pytest_asyncio.fixture
async def trunk_id(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        return await add(
            connection,
            tables.trunks,
            name="coast",
            carrier_name="Coast",
            addresses=[],
            registrar_uri=REGISTRAR,
            username="acct-7",
            password="w",
        )


async def says(engine: AsyncEngine, trunk_id: int, node: str, state: str, **more: object) -> None:
    values = {"node": node, "trunk_id": trunk_id, "peer": REGISTRAR, "state": state, **more}
    async with engine.begin() as connection:
        await connection.execute(insert(tables.trunk_states).values(**values))


async def page(client: Client, path: str) -> str:
    async with client.get(path) as answer:
        assert answer.status == 200
        return " ".join((await answer.text()).split())


async def test_a_refused_registration_is_seen_wherever_somebody_looks(
    admin: Client, engine: AsyncEngine, trunk_id: int, database_url: str
) -> None:
    assert "no running node has said anything yet" in await page(admin, f"/trunks/{trunk_id}")
    await says(engine, trunk_id, "east", "registered")
    assert "registered</span>" in await page(admin, "/trunks")
    assert "coast" not in await page(admin, "/")

    since = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    await says(engine, trunk_id, "west", "refused", reason=REFUSED, changed_at=since)
    assert "registration refused (1 of 2)" in await page(admin, "/trunks")
    text = await page(admin, f"/trunks/{trunk_id}")
    assert "node west" in text and f"05:06:00: {REFUSED}" in text
    text = await page(admin, "/")
    assert f'<a href="/trunks/{trunk_id}">The trunk coast: registration refused</a>' in text
    assert f"{REFUSED}; since 04 March, 05:06 UTC" in text

    status, content, _ = await api(admin, "GET", "/trunk-states")
    assert status == 200
    told = [(line["node"], line["health"], line["reason"]) for line in content]
    assert told == [("east", "well", ""), ("west", "ill", REFUSED)]
    findings = await examine(Settings(database_url=database_url))
    verdicts = [(one.verdict, one.detail) for one in findings if one.part == "trunk coast"]
    assert [verdict for verdict, _ in verdicts] == [Verdict.FINE, Verdict.BROKEN]
    assert verdicts[1][1].endswith(REFUSED)


async def test_a_node_that_says_nothing_any_more_is_not_believed(
    admin: Client, engine: AsyncEngine, trunk_id: int
) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    await says(engine, trunk_id, "east", "registered", seen_at=long_ago, changed_at=long_ago)
    assert "not known, was registered" in await page(admin, "/trunks")
    assert "the node east has said nothing since" in await page(admin, f"/trunks/{trunk_id}")


async def test_only_single_addresses_can_be_asked(admin: Client) -> None:
    form = {"name": "wide", "carrier_name": "Wide", "addresses": "192.0.2.0/24", "check_every_seconds": "30"}
    async with admin.post("/trunks/new", data=form) as answer:
        assert answer.status == 422 and "there is no single address to ask" in await answer.text()
    async with admin.post("/trunks/new", data={**form, "addresses": "192.0.2.7\n192.0.2.0/24"}) as answer:
        assert answer.status == 200
