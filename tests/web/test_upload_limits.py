"""So many files an hour from one person; a plain sentence after that; and nobody else waits for a large one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import FormData
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client
from tests.web.market import Market
from web import upload_limits
from web.upload_limits import FILES_MAXIMUM, MEGABYTES_MAXIMUM, TooManyFiles, count_file

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


async def test_files_and_bytes_of_an_hour_are_counted_for_each_person(engine: AsyncEngine) -> None:
    for _ in range(FILES_MAXIMUM):
        await count_file(engine, 1, 1_000, NOW)
    with pytest.raises(TooManyFiles) as refused:
        await count_file(engine, 1, 1_000, NOW + timedelta(minutes=20))
    assert "60 files within an hour" in refused.value.sentence and "40 minutes" in refused.value.sentence
    assert refused.value.retry_after_seconds == 2400
    await count_file(engine, 2, 1_000, NOW)
    await count_file(engine, 1, 1_000, NOW + timedelta(hours=1))
    await count_file(engine, 3, (MEGABYTES_MAXIMUM - 1) * 1024 * 1024, NOW)
    with pytest.raises(TooManyFiles, match="256 MB"):
        await count_file(engine, 3, 2 * 1024 * 1024, NOW)


async def test_the_page_and_the_api_say_so(
    admin: Client, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_limits, "FILES_MAXIMUM", 1)
    csv = b"buyer,nmls_id,state,product,valid_from\n"
    for status in (200, 429):
        form = FormData()
        form.add_field("file", csv, filename="licences.csv")
        async with admin.post("/licences/import", data=form) as page:
            assert page.status == status
            text = await page.text()
    assert "You have brought in 1 files within an hour" in text and int(page.headers["Retry-After"]) > 3000
    async with admin.post("/api/v1/licence-files?write=false", json={"csv": csv.decode()}) as answer:
        assert answer.status == 429
        assert "within an hour" in (await answer.json())["detail"]


async def test_a_large_list_is_read_elsewhere_and_pages_open_meanwhile(
    admin: Client, market: Market, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("web.suppressions.lists.read_numbers")
    numbers = "\n".join(f"(614) 2{n // 10000:02d}-{n % 10000:04d}" for n in range(100_000))
    path, form, opened = f"/buyers/{market.buyer_id}/suppressions", FormData(), 0
    form.add_field("file", numbers.encode(), filename="book.txt")

    async def bring() -> int:
        async with admin.post(path, data=form, allow_redirects=False) as answer:
            return answer.status

    bringing = asyncio.ensure_future(bring())
    while not bringing.done():
        async with admin.get("/health") as answer:
            assert answer.status == 200
        opened += 1
        await asyncio.sleep(0.02)
    assert await bringing == 303 and opened > 10
    async with engine.connect() as connection:
        count = await connection.scalar(select(func.count()).select_from(tables.buyer_suppressions))
    assert count == 100_000


async def test_wrong_lines_of_a_large_list_are_named(admin: Client, market: Market) -> None:
    path, form = f"/buyers/{market.buyer_id}/suppressions", FormData()
    form.add_field("file", b"no number\n" + b"+16145550123\n" * 10_000, filename="book.txt")
    async with admin.post(path, data=form) as page:
        assert page.status == 422 and "line 1: &#39;no number&#39;" in await page.text()
