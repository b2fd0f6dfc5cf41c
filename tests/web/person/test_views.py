"""The page of a person's data: for admins who have just shown their second factor, and nothing without a yes."""

from __future__ import annotations

import io
import json
import zipfile
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.conftest import Client
from tests.web.market import Market, add_sold_call
from tests.web.person.test_person import opened_numbers

NUMBER = "+16145550123"
FORM = {"number": "+1 614 555-0123"}


@pytest.fixture
def with_factor(engine: AsyncEngine) -> object:
    async def fresh() -> None:
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE web_sessions SET verified_at = now(), factor_at = now()"))

    return fresh


async def settled(engine: AsyncEngine, market: Market) -> UUID:
    call_id = await add_sold_call(engine, market)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE calls SET state = 'settled'"))
    return call_id


@pytest.mark.parametrize("act", ["find", "export", "erase"])
async def test_a_password_alone_opens_nothing(
    admin: Client, engine: AsyncEngine, market: Market, act: str
) -> None:
    await settled(engine, market)
    answer = await admin.post(f"/persons/{act}", data={**FORM, "sure": "yes"})
    page = await answer.text()
    assert answer.status == 403 and "Confirm that it is you" in page
    assert NUMBER in (await opened_numbers(engine))["calls"]


async def test_what_is_held_is_shown_handed_over_and_erased(
    admin: Client, engine: AsyncEngine, market: Market, with_factor: object
) -> None:
    call_id = await settled(engine, market)
    await with_factor()  # type: ignore[operator]
    page = await (await admin.post("/persons/find", data=FORM)).text()
    assert "Call" in page and "Export everything" in page and NUMBER not in str(admin.session.cookie_jar)

    answer = await admin.post("/persons/export", data=FORM)
    with zipfile.ZipFile(io.BytesIO(await answer.read())) as packed:
        assert str(call_id) in json.dumps(json.loads(packed.read("person.json")))

    unsure = await admin.post("/persons/erase", data=FORM)
    assert unsure.status == 422 and NUMBER in (await opened_numbers(engine))["calls"]
    done = await admin.post("/persons/erase", data={**FORM, "sure": "yes"})
    assert "Erased. What is kept" in await done.text()
    assert NUMBER not in (await opened_numbers(engine))["calls"]
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT action FROM audit_log WHERE kind = 'persons' ORDER BY id")
        )
        assert list(rows.scalars()) == ["look_up", "export", "look_up", "erase", "look_up"]


async def test_what_is_no_number_is_told(admin: Client, with_factor: object) -> None:
    await with_factor()  # type: ignore[operator]
    answer = await admin.post("/persons/find", data={"number": "12<b>"})
    page = await answer.text()
    assert answer.status == 422 and "no telephone number" in page and "12<b>" not in page
