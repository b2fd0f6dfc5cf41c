"""The house's reports: the numbers of `tollbridge reports`, as rows, pivot, plot, funnel, files and calls."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.pivots import Side, pivot_of
from billing.report_query import DEFAULT_ROWS, MAXIMUM_ROWS
from billing.reports import Report
from billing.rollup import Dimension, Measures
from billing.rollups_queries import fold_pending
from tests.web.browser import open_browser, open_visit
from tests.web.buyer.conftest import House, buyer, house, payments, publisher, site, till
from tests.web.buyer.test_money import post
from tests.web.buyer.test_own_calls import read
from tests.web.conftest import EMAIL, PASSWORD, Client
from tests.web.plans.house import api, open_analyst
from web.reports.asked import read_asked
from web.reports.tables import WEIGHED, pivot_table, rows_table

__all__ = ["buyer", "house", "payments", "publisher", "site", "till"]

ALL = "by=publisher&then=buyer"


async def test_rows_pivot_files_and_the_calls_behind_a_figure(
    admin: Client, house: House, engine: AsyncEngine
) -> None:
    page = await read(admin, f"/reports?{ALL}&compare=yes")
    assert page.count("$90.00") == 1 and page.count("$45.00") == 2, "a total, and two buyers"
    assert "Buckeye Lending" in page and "new" in page
    first = str(house.market.buyers[0])
    one = await read(admin, f"/reports?by=target&only_buyer={first}")
    assert "Columbus desk" in one and "Lakeside" not in re.sub(r"<select.*?</select>", "", one, flags=re.S)
    pivot = await read(admin, "/reports?by=buyer&then=hour&table=pivot&figure=calls")
    assert "shade-6" in pivot and pivot.count('<th scope="col" class="amount">') == 24 + 1, "and the total"
    assert re.search(r"<tfoot>.*<td class=\"amount\">3</td>\s*</tr></tfoot>", pivot, re.S), (
        "of all three calls"
    )
    rows = list(csv.reader(io.StringIO(await read(admin, f"/reports/report.csv?{ALL}"))))
    assert rows[0][:3] == ["publisher", "buyer", "calls"] and rows[-1][:3] == ["total", "", "3"]
    book = await admin.get(f"/reports/report.xlsx?{ALL}")
    assert (await book.read()).startswith(b"PK")
    async with engine.begin() as connection:
        await fold_pending(connection)
    calls = await read(admin, f"/reports/calls?only_buyer={first}")
    assert str(house.billed) in calls and str(house.others) not in calls
    assert "+1 614-555-0111" in calls
    funnel = await read(admin, "/reports/funnel")
    assert re.search(r"<b>3</b>", funnel) and re.search(r"<b>2</b> <span class=\"muted\">67 %", funnel)
    assert "total alone" in await read(admin, "/reports?by=&from=2001-01-01&to=2001-01-02")
    named = await read(admin, "/reports?only_buyer=buckeye+lending&only_campaign=-&only_publisher=No+One")
    assert f'name="only_buyer"><option value="">All</option><option value="{first}" selected>' in named
    assert "Campaign: (none)" in named and "Nothing is called “No One”" in named
    for wrong in ("from=2026-02-02&to=2026-02-01", "from=2001-01-01&to=2199-01-01"):
        assert 'role="alert"' in await read(admin, f"/reports?{wrong}", 422)
    assert await read(admin, "/reports?only_buyer=x&by=nonsense&only_state=%00&figure=y&after=z")
    await read(admin, "/reports/report.exe", 404)


async def test_the_pages_numbers_are_the_commands(
    admin: Client, buyer: Client, house: House, database_url: str
) -> None:
    day = house.started_at.date()
    first, last = day - dt.timedelta(days=1), day + dt.timedelta(days=1)
    environment = {"TOLLBRIDGE_DATABASE_URL": database_url, "PATH": "/usr/bin:/bin"}
    told = _run(
        ["reports", "show", "--by", "buyer", "--from", str(first), "--to", str(last), "--json"], environment
    )
    rows = list(
        csv.reader(io.StringIO(await read(admin, f"/reports/report.csv?by=buyer&from={first}&to={day}")))
    )
    head = rows[0]
    for row, line in zip(told["rows"], rows[1:-1], strict=True):
        assert line[0] == row["names"][0]
        for figure in ("calls", "connected", "converted"):
            assert int(line[head.index(figure)]) == row[figure]
        assert float(line[head.index("revenue")]) * 1_000_000 == row["revenue_micros"]
        assert float(line[head.index("payout")]) * 1_000_000 == row["payout_micros"]
    own = next(row for row in told["rows"] if row["names"] == ["Buckeye Lending"])
    spent = f"${own['revenue_micros'] / 1_000_000:.2f}"
    assert spent in await read(buyer, f"/buyer/spend?from={first}&to={day}")
    wallets = {one["wallet"]["buyer"]: one for one in _run(["wallet", "show", "--json"], environment)}
    owed = wallets["Buckeye Lending"]["wallet"]["state"]["owed_micros"]
    assert f"${owed / 1_000_000:.2f}" in await read(buyer, "/buyer/wallet")


def _run(command: list[str], environment: Mapping[str, str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tollbridge", *command],
        env={**environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


async def test_a_report_is_kept_found_and_forgotten_by_its_owner(admin: Client, house: House) -> None:
    await post(admin, "/reports/views", 303, name="My <week>", query="?by=day")
    page = await read(admin, "/reports")
    assert "My &lt;week&gt;" in page and 'href="/reports?by=day"' in page
    number = re.search(r'name="id" value="(\d+)"', page)
    assert number is not None
    await post(admin, "/reports/views/delete", 303, id=number[1])
    assert "My &lt;week&gt;" not in await read(admin, "/reports")
    await post(admin, "/reports/views", 303, name="x", query="https://elsewhere.example")
    assert "elsewhere" not in await read(admin, "/reports")


@pytest.mark.parametrize("path", ["/reports", "/reports/funnel", "/reports/calls", "/reports/report.csv"])
async def test_reports_are_the_houses(stranger: Client, buyer: Client, publisher: Client, path: str) -> None:
    assert (await stranger.get(path, allow_redirects=False)).status == 303
    await read(buyer, path, 403)
    await read(publisher, path, 403)


def test_an_address_is_read_and_written_alike() -> None:
    today = dt.date(2026, 11, 24)
    said = {
        "by": "state",
        "then": "day",
        "compare": "yes",
        "only_buyer": "3",
        "only_state": "-",
        "table": "pivot",
    }
    asked = read_asked(said, today)
    assert read_asked(dict(parse_qsl(asked.query()[1:])), today) == asked


async def test_a_report_by_day_is_drawn_and_readable_in_both_palettes(site: TestServer, house: House) -> None:
    async with open_browser() as browser:
        for scheme in ("light", "dark"):
            async with open_visit(browser, str(site.make_url("")).rstrip("/"), color_scheme=scheme) as visit:
                await visit.sign_in(EMAIL, PASSWORD, "/sign-in")
                await visit.go("/reports?by=day")
                await visit.page.locator("[data-plot] canvas").wait_for()
                await visit.picture(f"reports-day-{scheme}")
                assert await visit.axe_violations() == []
                await visit.go("/reports?by=day&then=hour&table=pivot&figure=calls")
                await visit.picture(f"reports-heat-{scheme}")
                assert await visit.axe_violations() == []
                await visit.page.set_viewport_size({"width": 360, "height": 700})
                assert await visit.overflow_px() == 0, await visit.wide_elements()
                await visit.go("/reports")
                assert await visit.overflow_px() == 0, await visit.wide_elements()
                await visit.picture(f"reports-360-{scheme}")
                assert visit.complaints == []


async def test_machines_keep_reports_under_a_name_as_the_page_does(
    admin: Client, site: TestServer, engine: AsyncEngine
) -> None:
    report = {"from": "2026-01-01", "to": "2026-01-31", "by": "buyer", "then": "state", "buyer": 7}
    wanted = {"name": "January", "report": report, "figure": "calls", "table": "pivot"}
    status, made, _ = await api(admin, "POST", "/reports/views", json=wanted)
    assert status == 201, made
    assert made["query"] == (
        "?by=buyer&then=state&from=2026-01-01&to=2026-01-31&figure=calls&table=pivot&only_buyer=7"
    )
    async with admin.get("/reports" + made["query"]) as page:
        assert "January" in await page.text()
    status, again, _ = await api(admin, "POST", "/reports/views", json={**wanted, "report": {"by": "day"}})
    assert again["id"] == made["id"] and "by=day" in again["query"], "in place of the one of that name"
    assert (await api(admin, "GET", "/reports/views"))[1]["items"] == [again]
    for wrong in (
        {"name": " "},
        {"figure": "luck"},
        {"report": {"from": "2026-02-02", "to": "2026-02-01"}},
        {"report": {"zone": "Mars/Olympus"}},
    ):
        assert (await api(admin, "POST", "/reports/views", json={**wanted, **wrong}))[0] == 422, wrong
    async with open_analyst(site, engine) as analyst:
        assert (await api(analyst, "GET", "/reports/views"))[1]["items"] == []
        assert (await api(analyst, "DELETE", f"/reports/views/{made['id']}"))[0] == 404
        assert (await api(admin, "DELETE", f"/reports/views/{made['id']}"))[0] == 204
        assert (await api(admin, "GET", "/reports/views"))[1]["items"] == []


def test_of_thousands_of_rows_a_page_shows_the_largest_and_what_the_others_come_to() -> None:
    """A pivot is cut to what a page holds; what there is no room for stands in a row and a column of its own."""
    asked = read_asked({"by": "buyer", "then": "day"}, dt.date(2026, 11, 28))
    assert asked.question(ZoneInfo("UTC")).rows == DEFAULT_ROWS
    assert read_asked({"by": "day"}, dt.date(2026, 11, 28)).question(ZoneInfo("UTC")).rows == MAXIMUM_ROWS
    asked = read_asked({"by": "buyer", "then": "state", "table": "pivot"}, dt.date(2026, 11, 28))
    dollar, two = Measures(calls=1, revenue_micros=1_000_000), Measures(calls=2, revenue_micros=2_000_000)
    seven = Measures(calls=7, revenue_micros=7_000_000)
    found = pivot_of(
        asked.question(ZoneInfo("UTC")),
        Side(keys=("9", "8"), totals={"9": two, "8": dollar}, left_out=1_998),
        Side(keys=("TX", "OH"), totals={"TX": two, "OH": two}, left_out=49),
        {("9", "TX"): dollar, ("9", "OH"): dollar, ("8", "TX"): dollar},
        seven,
    )
    table = pivot_table(found, asked, {(Dimension.BUYER, "9"): "Nine", (Dimension.BUYER, "8"): "Eight"})
    assert [head.text for head in table.columns] == ["OH", "TX", "All others", "Total"]
    assert [[line.heads[0].text, *(cell.text for cell in line.cells)] for line in table.lines] == [
        ["Nine", "$1.00", "$1.00", "", "$2.00"],
        ["Eight", "", "$1.00", "", "$1.00"],
        ["All others", "$1.00", "", "$3.00", "$4.00"],
    ]
    assert table.total and [cell.text for cell in table.total.cells] == ["$2.00", "$2.00", "$3.00", "$7.00"]
    assert table.lines[0].cells[0].shade and not table.lines[2].cells[2].shade
    assert table.notes == ("1,998 smaller buyers", "49 smaller states")


def test_a_page_says_among_which_buyers_its_rows_were_looked_for() -> None:
    asked = read_asked({"by": "buyer", "then": "day"}, dt.date(2026, 11, 28))
    question = asked.question(ZoneInfo("UTC"), weighed=WEIGHED)
    found = Report(query=question, rows=(), total=Measures(), groups=0, left_out={Dimension.BUYER: 1_900})
    assert rows_table(found, asked, {}, None).notes == ("the 50 largest of 1,950 buyers",)
    assert rows_table(replace(found, left_out={Dimension.BUYER: 0}), asked, {}, None).notes == ()
