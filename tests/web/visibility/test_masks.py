"""Who reads whole numbers of callers: a caller's number is put wherever one can be, and each role looks everywhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from router.caller_list_queries import rule_columns
from rules.masking import is_telling, masked_number, without_numbers
from store import tables
from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from tests.web.market import CALLER, STARTED_AT, Market, add_sold_call
from web.auth import UserCreated, create_user
from web.keys import HOUSE, Role
from web.visibility import SEEN_BY, Field

DIGITS = CALLER.removeprefix("+1")
EXAMPLE = "Such as +1 614 555 0123."
WHOLE = re.compile(rf"{DIGITS[:3]}\D{{0,3}}{DIGITS[3:6]}\D{{0,2}}{DIGITS[6:]}")
"""The number in any spelling of ours."""


def test_who_sees_whole_numbers_is_one_table() -> None:
    whole = {role for role in Role if Field.WHOLE_CALLER in SEEN_BY[role]}
    assert whole == {Role.ADMIN, Role.MANAGER, Role.BUYER}


@asynccontextmanager
async def signed_in(engine: AsyncEngine, site: TestServer, role: Role, **of: int) -> AsyncIterator[Client]:
    email = f"{role}@example.com"
    assert isinstance(await create_user(engine, email, PASSWORD, str(role), **of), UserCreated)
    async with open_client(site) as client:
        assert await sign_in(client, email) == 303
        yield client


async def leave_the_number_everywhere(engine: AsyncEngine, market: Market) -> UUID:
    """Store a sold call whose caller's number stands in all that is stored of it, and two lists that name it."""
    call_id = await add_sold_call(engine, market)
    told = f"the caller, (614) 555-0123, {CALLER}"
    async with engine.begin() as connection:
        calls, decisions = tables.calls, tables.decisions
        await connection.execute(
            update(calls).values(
                tags={"loan_type": "refinance", "phone": DIGITS},
                conversion={"verdict": "converted", "detail": told, "connected_ms": 92_418},
            )
        )
        inputs = {"caller": CALLER, "tags": {"phone": DIGITS}}
        await connection.execute(update(decisions).values(decision={"problem": told, "inputs": inputs}))
        await connection.execute(update(tables.rejections).values(detail=told))
        await connection.execute(
            update(tables.answers).where(tables.answers.c.tag == "state").values(value=DIGITS, heard=DIGITS)
        )
        detail = {"tag": "phone", "value": DIGITS}
        await connection.execute(
            insert(tables.call_events).values(
                call_id=call_id, at=STARTED_AT, kind="tag_set", node="ask", detail=detail
            )
        )
        await connection.execute(
            insert(tables.blocked_callers).values(**rule_columns("number", CALLER), reason=told)
        )
        await connection.execute(
            insert(tables.buyer_suppressions).values(
                buyer_id=market.buyer_id, caller_sealed=CALLER, reason=told
            )
        )
        evidence = {"answers": [{"tag": "phone", "value": DIGITS, "heard": DIGITS}]}
        await connection.execute(
            insert(tables.disputes).values(
                call_id=call_id,
                buyer_id=market.buyer_id,
                reason="wrong_number",
                note=told,
                price_micros=1,
                opened_at=STARTED_AT,
                evidence=evidence,
            )
        )
    return call_id


def addresses(call_id: UUID, market: Market, dispute_id: int, blocked_id: int) -> list[str]:
    of_house = [
        "/",
        "/calls",
        f"/calls/{call_id}",
        "/calls/export.csv",
        "/live",
        "/blocked-callers",
        "/blocked-callers?q=0123",
        f"/blocked-callers/{blocked_id}",
        "/blocked-callers/suggestions?q=+1614",
        f"/buyers/{market.buyer_id}/suppressions",
        f"/buyers/{market.buyer_id}/suppressions?q=614",
        "/money/disputes",
        f"/money/disputes/{dispute_id}",
        "/reports",
        "/reports/calls?from=2026-11-24&to=2026-11-24",
    ]
    api = [
        "/calls",
        "/calls/export.csv",
        f"/calls/{call_id}",
        "/live/calls",
        "/blocked-callers",
        f"/blocked-callers/{blocked_id}",
        f"/buyers/{market.buyer_id}/suppressions",
        "/money/disputes",
        "/reports/calls?from=2026-11-24&to=2026-11-24",
    ]
    return of_house + [f"/api/v1{path}" for path in api]


@pytest.mark.parametrize("role", sorted(HOUSE))
async def test_of_the_house_only_who_may_reads_a_whole_number(
    engine: AsyncEngine, site: TestServer, market: Market, role: Role
) -> None:
    call_id = await leave_the_number_everywhere(engine, market)
    async with engine.connect() as connection:
        dispute_id = await connection.scalar(select(tables.disputes.c.id))
        blocked_id = await connection.scalar(select(tables.blocked_callers.c.id))
    assert dispute_id is not None and blocked_id is not None
    told: dict[str, bool] = {}
    async with signed_in(engine, site, role) as client:
        for address in addresses(call_id, market, dispute_id, blocked_id):
            async with client.get(address) as answer:
                assert answer.status in (200, 404), address
                text = (await answer.text() + str(answer.headers)).replace(EXAMPLE, "")
                told[address] = bool(WHOLE.search(text))
    whole = {address for address, tells in told.items() if tells}
    if Field.WHOLE_CALLER in SEEN_BY[role]:
        assert {"/calls", "/blocked-callers", "/calls/export.csv", f"/calls/{call_id}"} <= whole
    else:
        assert whole == set()


async def test_a_publisher_reads_no_whole_number_of_its_own_callers(
    engine: AsyncEngine, site: TestServer, market: Market
) -> None:
    call_id = await leave_the_number_everywhere(engine, market)
    async with signed_in(engine, site, Role.PUBLISHER, publisher_id=market.publisher_id) as client:
        for address in ("/publisher/calls", f"/publisher/calls/{call_id}", "/api/v1/own/calls"):
            async with client.get(address) as answer:
                text = await answer.text()
                assert answer.status == 200 and not WHOLE.search(text), address
                assert "614 ••• ••23" in text


async def test_an_analyst_is_not_told_by_a_search_what_the_mask_hides(
    engine: AsyncEngine, site: TestServer, market: Market
) -> None:
    await leave_the_number_everywhere(engine, market)
    async with signed_in(engine, site, Role.ANALYST) as client:
        lists = (f"/api/v1/buyers/{market.buyer_id}/suppressions?number=", "/api/v1/blocked-callers?q=")
        for address in lists:
            found = []
            for digits in (CALLER[1:], "12125550199"):
                async with client.get(address + digits) as answer:
                    found.append(len((await answer.json())["items"]))
            assert found == [1, 1], "the same, whether there is one or not"


def test_numbers_are_masked_in_any_text_and_other_figures_stay() -> None:
    assert without_numbers(f"call {CALLER} or (614) 555-0123 or 614.555.0123") == (
        "call +1 614 ••• ••23 or +1 614 ••• ••23 or +1 614 ••• ••23"
    )
    assert without_numbers({"a": [CALLER], "b": ("+442079460958", 7)}) == {
        "a": ["+1 614 ••• ••23"],
        "b": ("••••58", 7),
    }
    for plain in (
        "2026-11-24T14:03:27",
        "a-1764000207.4",
        "1764000207123",
        "92.418 s of 90.000 s",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "NMLS 123456",
    ):
        assert without_numbers(plain) == plain
    assert masked_number(masked_number(CALLER)) == masked_number(CALLER)
    assert is_telling(CALLER) and not is_telling("+1614") and not is_telling("")


@given(
    st.from_regex(r"\A[2-9][0-9]{2}[2-9][0-9]{6}\Z"),
    st.sampled_from(
        ["{0}{1}{2}", "+1{0}{1}{2}", "({0}) {1}-{2}", "{0}-{1}-{2}", "1 {0} {1} {2}", "+1 {0}.{1}.{2}"]
    ),
    st.sampled_from(["", " ", "tel: ", "(", "sip:"]),
)
def test_no_spelling_of_a_number_stays_whole(number: str, spelling: str, before: str) -> None:
    written = before + spelling.format(number[:3], number[3:6], number[6:]) + ", thanks"
    masked = without_numbers(written)
    assert number[3:] not in re.sub(r"\D", "", masked) and masked.endswith(", thanks")


@pytest.mark.parametrize(
    "written",
    [
        "614\u2011555\u20110123",
        "614\u2013555\u20130123",
        "(614)\u00a0555\u00a00123",
        "\u202a+1 (614) 555\u20110123\u202c",
        "614/555/0123",
        "614 - 555 - 0123",
        "614 555-01-23",
        "614·555·0123",
        "614_555_0123",
        "+44 20 7946 0123",
    ],
)
def test_a_number_that_was_copied_from_elsewhere_is_masked_too(written: str) -> None:
    shown = without_numbers(f"she gave {written}, call there")
    assert "555" not in shown and "7946" not in shown and shown.startswith("she gave ")
    assert shown.count("23") == 1 and "call there" in shown


@pytest.mark.parametrize(
    "text", ["2026-11-24 12:05:33.123", "203.0.113.250:5060", "$2,500,000.00", "90 s of 120 s"]
)
def test_what_is_no_number_of_a_caller_stays(text: str) -> None:
    assert without_numbers(text) == text
