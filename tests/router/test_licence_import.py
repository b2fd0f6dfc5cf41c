"""Bringing licences in, against the real tables."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from router.licence_import import Imported, Refused, expiring_licences, import_licences
from store.tables import buyers, licences

HEADER = b"buyer,nmls_id,state,product,valid_from,valid_to,status\n"
THREE = HEADER + (
    b"Keystone,401822,OH,refinance,2026-01-01,2026-12-31,active\n"
    b"Keystone,401822,MI,refinance,2026-01-01,2026-04-02,active\n"
    b"Lakeside,77,OH,reverse,2026-01-01,,active\n"
)


@pytest.fixture(autouse=True)
async def two_buyers(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(buyers), [{"name": "Keystone"}, {"name": "Lakeside"}])


async def stored(engine: AsyncEngine) -> list[tuple[str, str, date | None, str]]:
    columns = (licences.c.state, licences.c.product, licences.c.valid_to, licences.c.status)
    async with engine.connect() as connection:
        found = await connection.execute(select(*columns).order_by(licences.c.id))
    return [(row[0], row[1], row[2], row[3]) for row in found]


async def test_a_file_is_brought_in_and_bringing_it_in_again_changes_nothing(engine: AsyncEngine) -> None:
    assert await import_licences(engine, THREE) == Imported(added=3, changed=0, unchanged=0)
    assert await import_licences(engine, THREE) == Imported(added=0, changed=0, unchanged=3)
    assert [row[:2] for row in await stored(engine)] == [
        ("OH", "refinance"), ("MI", "refinance"), ("OH", "reverse"),
    ]  # fmt: skip


async def test_a_known_licence_gets_its_new_last_day_and_status(engine: AsyncEngine) -> None:
    await import_licences(engine, THREE)
    renewed = HEADER + (
        b"Keystone,401822,OH,refinance,2026-01-01,2027-12-31,active\n"
        b"Keystone,401822,MI,refinance,2026-01-01,2026-04-02,suspended\n"
        b"Keystone,401822,PA,refinance,2026-01-01,,\n"
    )
    assert await import_licences(engine, renewed) == Imported(added=1, changed=2, unchanged=0)
    assert await stored(engine) == [
        ("OH", "refinance", date(2027, 12, 31), "active"),
        ("MI", "refinance", date(2026, 4, 2), "suspended"),
        ("OH", "reverse", None, "active"),
        ("PA", "refinance", None, "active"),
    ]


async def test_one_wrong_row_and_nothing_is_taken(engine: AsyncEngine) -> None:
    await import_licences(engine, THREE)
    before = await stored(engine)
    answer = await import_licences(
        engine,
        HEADER
        + b"Keystone,401822,OH,refinance,2026-01-01,2030-12-31,active\n"
        + b"Keystone,401822,XX,refinance,2026-01-01,,active\n",
    )
    assert isinstance(answer, Refused)
    assert [str(problem) for problem in answer.problems] == [
        "line 3, state: 'XX' is not a state like OH or Ohio"
    ]
    assert await stored(engine) == before


async def test_a_check_says_what_would_change_and_changes_nothing(engine: AsyncEngine) -> None:
    assert await import_licences(engine, THREE, write=False) == Imported(added=3, changed=0, unchanged=0)
    assert await stored(engine) == []


async def test_a_file_in_another_encoding_is_refused_with_its_line(engine: AsyncEngine) -> None:
    answer = await import_licences(engine, THREE + b"Caf\xe9,77,OH,reverse,2026-01-01,,\n")
    assert isinstance(answer, Refused)
    assert str(answer.problems[0]) == "line 5: not UTF-8: byte 0xe9"


async def test_licences_that_end_soon_are_listed(engine: AsyncEngine) -> None:
    await import_licences(engine, THREE)
    found = await expiring_licences(engine, date(2026, 3, 3), 60)
    assert [(one.buyer, one.licence.state, one.days_left, one.urgency) for one in found] == [
        ("Keystone", "MI", 30, 30)
    ]
