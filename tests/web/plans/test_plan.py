"""The plan of a campaign: edited by buttons, saved whole, put back; for pages and for machines."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from html.parser import HTMLParser
from uuid import uuid4
from zoneinfo import ZoneInfo

from aiohttp.test_utils import TestServer
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client
from tests.web.market import Market
from tests.web.plans.house import api, open_analyst
from web.keys import MARKET, ROUTER
from web.plans.current_market import newest_market
from web.plans.dry_run import CallerFacts, dry_run, request_of


async def form_of(client: Client, campaign_id: int) -> tuple[str, list[tuple[str, str]]]:
    """Return the plan page's text, and what a browser would post of it."""
    async with client.get(f"/campaigns/{campaign_id}/plan") as answer:
        assert answer.status == 200
        text = await answer.text()
    return text, fields_of(text)


def fields_of(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    class Reader(HTMLParser):
        form = select = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = {name: value or "" for name, value in attrs}
            if tag == "form":
                self.form = given.get("id", "")
            if self.form != "plan":
                return
            if tag == "input":
                found.append((given["name"], given.get("value", "")))
            if tag == "select":
                self.select = given["name"]
            if tag == "option" and "selected" in given:
                found.append((self.select, given["value"]))

        def handle_endtag(self, tag: str) -> None:
            if tag == "form":
                self.form = ""

    Reader().feed(text)
    return found


async def press(client: Client, campaign_id: int, fields: list[tuple[str, str]], do: str) -> tuple[int, str]:
    async with client.post(f"/campaigns/{campaign_id}/plan", data=[*fields, ("do", do)]) as answer:
        return answer.status, await answer.text()


def with_text(fields: list[tuple[str, str]], name: str, text: str) -> list[tuple[str, str]]:
    return [(one, text if one == name else value) for one, value in fields]


async def test_an_admin_builds_a_plan_by_buttons_saves_it_and_puts_it_back(
    admin: Client, engine: AsyncEngine, sellable: Market
) -> None:
    campaign_id = sellable.campaign_id
    text, fields = await form_of(admin, campaign_id)
    assert "Columbus desk" in text and "Day desk" in text
    _, text = await press(admin, campaign_id, fields, "down:e1")
    assert "priorities follow the order" in text
    _, text = await press(admin, campaign_id, fields_of(text), "add_stage")
    fields = with_text(fields_of(text), "s2.find", "desk")
    _, text = await press(admin, campaign_id, fields, "check")
    assert "Which one?" in text
    _, text = await press(admin, campaign_id, fields_of(text), f"add_target:s2:{sellable.unlicensed_id}")
    _, text = await press(admin, campaign_id, fields_of(text), "up:s2")
    assert "It is stage 1 now." in text and "Not saved yet" in text
    fields = with_text(fields_of(text), "s2.method", "ping_post")
    status, text = await press(admin, campaign_id, with_text(fields, "s2.deadline_ms", "9"), "save")
    assert status == 422 and "stage 0, deadline ms" in text
    status, text = await press(admin, campaign_id, with_text(fields, "s2.deadline_ms", "700"), "save")
    assert status == 200 and "Saved." in text and "cannot bid" in text
    status, plan, _ = await api(admin, "GET", f"/campaigns/{campaign_id}/plan")
    assert [stage["method"] for stage in plan["stages"]] == ["ping_post", "priority"]
    assert plan["stages"][0]["deadline_ms"] == 700
    assert [entry["target_id"] for entry in plan["stages"][1]["entries"]] == [
        sellable.chosen_id,
        sellable.closed_id,
    ]
    async with engine.connect() as connection:
        note = (
            await connection.execute(select(tables.audit_log).where(tables.audit_log.c.kind == "plans"))
        ).one()
    async with admin.post(f"/campaigns/{campaign_id}/plan/undo/{note.id}") as answer:
        assert answer.status == 200 and "Put back as it was" in await answer.text()
    _, plan, _ = await api(admin, "GET", f"/campaigns/{campaign_id}/plan")
    assert [stage["method"] for stage in plan["stages"]] == ["priority"]
    assert [entry["priority"] for entry in plan["stages"][0]["entries"]] == [1, 2]


async def test_saving_what_was_read_changes_nothing_and_nobody_overwrites_another(
    admin: Client, engine: AsyncEngine, sellable: Market
) -> None:
    async def state() -> tuple[object, ...]:
        async with engine.connect() as connection:
            stages = (await connection.execute(tables.plan_stages.select())).all()
            entries = (await connection.execute(tables.plan_entries.select())).all()
            version = await connection.scalar(select(tables.market_version.c.version))
            notes = await connection.scalar(select(func.count()).select_from(tables.audit_log))
        return stages, entries, version, notes

    before = await state()
    _, fields = await form_of(admin, sellable.campaign_id)
    status, text = await press(admin, sellable.campaign_id, fields, "save")
    assert status == 200 and "Nothing was changed" in text
    path = f"/campaigns/{sellable.campaign_id}/plan"
    _, plan, etag = await api(admin, "GET", path)
    status, again, same = await api(admin, "PUT", path, json=plan, headers={"If-Match": etag})
    assert (status, again, same) == (200, plan, etag)
    assert await state() == before
    # Two admins at once: the second is told, and nothing typed is lost.
    plan["stages"][0]["attempts"] = 1
    status, _, _ = await api(admin, "PUT", path, json=plan, headers={"If-Match": etag})
    assert status == 200
    status, text = await press(
        admin, sellable.campaign_id, with_text(fields, "s1.ring_timeout_seconds", "33"), "save"
    )
    assert status == 412 and "changed since you read it" in text and 'value="33"' in text
    status, _, _ = await api(admin, "PUT", path, json=plan, headers={"If-Match": etag})
    assert status == 412
    status, _, _ = await api(admin, "PUT", path, json=plan)
    assert status == 428


async def test_machines_are_told_which_part_of_a_plan_cannot_be(admin: Client, sellable: Market) -> None:
    path = f"/campaigns/{sellable.campaign_id}/plan"
    _, plan, etag = await api(admin, "GET", path)
    stage = plan["stages"][0]
    wrong = {
        "stages": [
            {**stage, "method": "guess", "entries": [*stage["entries"], {"target_id": 999_999}]},
            {**stage, "entries": [stage["entries"][0], stage["entries"][0]]},
        ]
    }
    status, problem, _ = await api(admin, "PUT", path, json=wrong, headers={"If-Match": etag})
    assert status == 422
    assert {one["field"] for one in problem["errors"]} == {
        "stages.0.method",
        "stages.1.id",
        "stages.0.entries.2.target_id",
        "stages.1.entries.1.target_id",
    }


async def test_who_may_see_and_change_a_plan(
    site: TestServer, engine: AsyncEngine, stranger: Client, admin: Client, sellable: Market
) -> None:
    path = f"/campaigns/{sellable.campaign_id}/plan"
    async with stranger.get(path, allow_redirects=False) as answer:
        assert answer.status == 303
    for missing in ("/campaigns/99999/plan", "/campaigns/99999/dry-run"):
        async with admin.get(missing) as answer:
            assert answer.status == 404
    assert (await api(admin, "GET", "/campaigns/99999/plan"))[0] == 404
    async with open_analyst(site, engine) as analyst:
        async with analyst.get(path) as answer:
            assert answer.status == 200 and "Save the plan" not in await answer.text()
        async with analyst.post(path, data={"do": "save"}) as answer:
            assert answer.status == 403


async def test_what_no_browser_posts_breaks_nothing(admin: Client, sellable: Market) -> None:
    strange = [
        ("entry", "e1"),
        ("stage", "s²"),
        ("s².method", "\x00"),
        ("s².find", "%\x00_"),
        ("entry", "e²"),
        ("e².target", "²"),
        ("e².priority", "9" * 5000),
    ]
    for do in ("save", "check", "up:e²", "add_target:s²:²", f"add_target:s²:{'9' * 5000}", "add_stage", "x"):
        status, _ = await press(admin, sellable.campaign_id, strange, do)
        assert status == (422 if do == "save" else 200)


async def test_a_dry_run_says_who_would_get_a_call_or_be_asked_and_why_the_others_would_not(
    admin: Client, engine: AsyncEngine, sellable: Market
) -> None:
    facts = {"loan_type": "refinance", "state": "OH", "day": "2026-11-24", "time": "19:00"}
    async with admin.get(f"/campaigns/{sellable.campaign_id}/dry-run", params=facts) as answer:
        text = await answer.text()
    assert (
        "A refinance caller from Ohio on Tue 24 Nov 2026 at 19:00 (America/New_York) would go to"
        " Columbus desk of Buckeye Lending." in text
    )
    assert "Day desk of Lakeside Home Loans: closed: " in text
    async with admin.get(
        f"/campaigns/{sellable.campaign_id}/dry-run", params={"caller": "12", "tags": "veteran"}
    ) as answer:
        assert "write one a line, such as veteran=yes" in await answer.text()
    status, told, _ = await api(
        admin,
        "POST",
        f"/campaigns/{sellable.campaign_id}/dry-run",
        json={"loan_type": "refinance", "caller": "(212) 555-0123", "day": "2026-11-24", "time": "10:00"},
    )
    assert status == 200 and told["chosen"] is None
    assert "from New York" in told["sentence"] and {one["code"] for one in told["refused"]} == {"unlicensed"}
    # With an auction: who would be asked, and who gets it when nobody bids.
    path = f"/campaigns/{sellable.campaign_id}"
    _, plan, etag = await api(admin, "GET", f"{path}/plan")
    plan["stages"][0] |= {"method": "ping_post", "floor_micros": 20_000_000}
    entry = {"target_id": sellable.unlicensed_id}
    plan["stages"].append({"method": "priority", "entries": [entry]})
    status, _, _ = await api(admin, "PUT", f"{path}/plan", json=plan, headers={"If-Match": etag})
    assert status == 200
    facts = {"loan_type": "refinance", "state": "OH", "day": "2026-11-24", "time": "10:00"}
    _, told, _ = await api(admin, "POST", f"{path}/dry-run", json=facts)
    assert [one["target"] for one in told["asked"][0]["bidders"]] == ["Day desk", "Columbus desk"]
    assert told["asked"][0]["least_bid_micros"] == 20_000_000
    assert told["chosen"]["target"] == "Night desk"
    assert "be put to 2 bidders: the best bid of $20.00 or more gets it" in told["sentence"]
    async with engine.connect() as connection:
        for table in (tables.pings, tables.leases, tables.decisions):
            assert await connection.scalar(select(func.count()).select_from(table)) == 0


async def test_the_dry_run_and_the_call_agree(admin: Client, sellable: Market) -> None:

    app = admin.app
    assert app is not None
    snapshot = await newest_market(app)
    assert snapshot is not None and app[MARKET].current is snapshot
    now = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
    for clock in (time(10, 0), time(18, 30), time(23, 0)):
        facts = CallerFacts(
            loan_type="refinance",
            state="OH",
            caller="+16145550123",
            day=date(2026, 11, 24),
            clock=clock,
            zone=ZoneInfo("America/New_York"),
            now=now,
        )
        call_id = str(uuid4())
        told = await dry_run(app[ROUTER], snapshot, facts, sellable.campaign_id, call_id)
        routed = await app[ROUTER].route_call(request_of(facts, snapshot, sellable.campaign_id, call_id), 1)
        assert told.decision.to_json() == routed.decision.to_json()
        assert (told.chosen is None) is (clock == time(23, 0))
