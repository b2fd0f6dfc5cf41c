"""The audit log: who sees it, how it is filtered and followed, and what a change looks like."""

from __future__ import annotations

import csv
import io
import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import audit_log
from tests.postgres import as_owner
from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from web.audit_log.difference import Change, difference
from web.audit_log.listing import Cursor, read_cursor, read_typed
from web.auth import create_user

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def add_notes(engine: AsyncEngine, count: int) -> None:
    """Fill the log: every third note is of a buyer, all three of a second have the same moment."""
    rows = [
        {
            "at": START + timedelta(seconds=n // 3),
            "actor": "ada@example.com" if n % 2 else "tollbridge terms",
            "via": "page" if n % 2 else "command",
            "action": "change",
            "kind": "buyers" if n % 3 == 0 else "targets",
            "ref": str(n),
            "before": {"name": "=1+1", "credit_limit_micros": n},
            "after": {"name": "<img src=x onerror=alert(1)>", "credit_limit_micros": n},
        }
        for n in range(count)
    ]
    async with as_owner(engine) as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(delete(audit_log))
        await connection.execute(insert(audit_log), rows)


async def test_it_is_followed_to_its_end_and_each_note_comes_once(admin: Client, engine: AsyncEngine) -> None:
    await add_notes(engine, 120)
    seen: list[str] = []
    address: str | None = "/audit"
    while address:
        async with admin.get(address) as page:
            text = await page.text()
        assert "&lt;img src=x" in text and "<img src=x" not in text
        seen += re.findall(r"kind=\w+&amp;ref=(\d+)", text)
        found = re.search(r'href="(/audit[^"]*)" rel="next"', text)
        address = found[1].replace("&amp;", "&") if found else None
    assert [int(ref) for ref in seen] == list(range(119, -1, -1))


async def test_it_is_filtered_by_person_kind_and_day(admin: Client, engine: AsyncEngine) -> None:
    await add_notes(engine, 30)
    for query, count in (
        ("kind=buyers", 10),
        ("person=Ada@example.com", 15),
        ("person=tollbridge+terms&kind=buyers", 5),
        ("kind=buyers&ref=3", 1),
        ("from=2026-11-24&to=2026-11-24", 30),
        ("to=2026-11-23", 0),
        ("from=2026-11-25", 0),
        ("from=nonsense&to=9999-12-31&before=nonsense", 30),
        ("from=0001-01-01&person=%00", 30),
        ("ref=%ED%A0%80", 0),
    ):
        async with admin.get(f"/audit?{query}") as page:
            text = await page.text()
        assert (page.status, text.count('role="rowheader"')) == (200, count), query
        assert (count == 0) is ("Nothing of that kind" in text)


async def test_it_is_given_out_as_csv_without_formulas(admin: Client, engine: AsyncEngine) -> None:
    await add_notes(engine, 1500)
    async with admin.get("/audit.csv?kind=buyers") as answer:
        assert answer.content_type == "text/csv" and "attachment" in answer.headers["Content-Disposition"]
        rows = list(csv.reader(io.StringIO(await answer.text())))
    assert rows[0] == ["at_utc", "who", "via", "action", "kind", "ref", "before", "after"]
    assert [int(row[5]) for row in rows[1:]] == list(range(1497, -1, -3))
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


async def test_editors_read_it_and_nobody_else(engine: AsyncEngine, site: TestServer) -> None:
    async with AsyncExitStack() as open_ones:
        for role, status in (("manager", 200), ("analyst", 403), ("buyer", 403), ("publisher", 403)):
            await create_user(engine, f"{role}@example.com", PASSWORD, role)
            client = await open_ones.enter_async_context(open_client(site))
            assert await sign_in(client, f"{role}@example.com") == 303
            for path in ("/audit", "/audit.csv", "/api/v1/audit"):
                async with client.get(path) as page:
                    assert page.status == status, (role, path)
        stranger = await open_ones.enter_async_context(open_client(site))
        async with stranger.get("/audit.csv", allow_redirects=False) as answer:
            assert answer.status == 303


async def test_machines_read_it_page_by_page(admin: Client, engine: AsyncEngine) -> None:
    await add_notes(engine, 7)
    async with admin.get("/api/v1/audit?limit=5&since=2026-11-24T12:00:00Z") as answer:
        first = await answer.json()
    async with admin.get(f"/api/v1/audit?limit=5&cursor={first['next']}") as answer:
        second = await answer.json()
    refs = [int(one["ref"]) for one in first["items"] + second["items"]]
    assert refs == [6, 5, 4, 3, 2, 1, 0] and second["next"] is None
    for query in ("cursor=x", "since=yesterday", "actor=%00", "limit=0", "since=0001-01-01T00:00:00%2B14:00"):
        async with admin.get(f"/api/v1/audit?{query}") as answer:
            assert answer.status in (400, 422), query


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (None, {"name": "A", "note": "", "cap": None}, [("name", None, "A")]),
        ({"name": "A"}, None, [("name", "A", None)]),
        ({"a": 1, "b": 2}, {"a": 1, "b": None}, [("b", "2", "nothing")]),
        ({"a": {"b": True, "c": [1]}}, {"a": {"b": False, "c": [1]}}, [("a.b", "yes", "no")]),
        ({"a": "x"}, {"a": "x", "b": ""}, [("b", None, "empty")]),
        ({}, {}, []),
        (None, None, []),
    ],
)
def test_a_change_is_told_field_by_field(
    before: Any, after: Any, changes: list[tuple[str, str, str]]
) -> None:
    assert difference(before, after).changes == [Change(field=f, was=w, now=n) for f, w, n in changes]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
documents = st.none() | st.dictionaries(st.text(max_size=3), json_values, max_size=4)


@given(before=documents, after=documents)
def test_nothing_is_told_exactly_when_nothing_differs(before: Any, after: Any) -> None:
    assert difference(before, before).changes == []
    if before and after and before != after:
        assert difference(before, after).changes or str(before) != str(after)


@given(text=st.text(max_size=50), moment=st.datetimes(timezones=st.just(UTC)), note_id=st.integers(1, 2**62))
def test_any_address_is_read(text: str, moment: datetime, note_id: int) -> None:
    typed = read_typed({"person": text, "from": text, "to": text, "ref": text})
    typed.filter(ZoneInfo("Pacific/Kiritimati"))
    read_cursor(text)
    if moment.year > 1970:
        cursor = Cursor(at=moment, note_id=note_id)
        assert read_cursor(str(cursor)) == cursor
