"""Changes through the engine: nobody's change is lost, refusals stand at the field, what was done can be undone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.routing_tables import bidder_records
from tests.web.conftest import Client
from tests.web.market import Market
from tests.web.resources.conftest import Machine
from tests.web.resources.samples import ALWAYS, form_of, samples, with_changes
from web.resources.catalogue import RESOURCES

HOSTILE = "<img src=x onerror=alert(1)>"


async def _page(client: Client, path: str, status: int = 200) -> str:
    async with client.get(path) as answer:
        assert answer.status == status, path
        return await answer.text()


async def _post(client: Client, path: str, data: object = None) -> tuple[int, str, str]:
    """Return status, address it leads to, and page."""
    async with client.post(path, data=data, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", ""), await answer.text()


async def _newest_note(engine: AsyncEngine) -> Mapping[str, object]:
    async with engine.connect() as connection:
        query = select(tables.audit_log).order_by(tables.audit_log.c.id.desc()).limit(1)
        return dict((await connection.execute(query)).mappings().one())


async def test_nobodys_change_is_lost(machine: Machine, market: Market, engine: AsyncEngine) -> None:
    address = f"/buyers/{market.buyer_id}"
    _, seen, headers = await machine.ask("GET", address)
    body = {name: value for name, value in seen.items() if name != "id"}
    # Two admins have the page open; a machine has read the row as well.
    first = second = form_of(await _page(machine.client, address), address)
    status, leads_to, _ = await _post(
        machine.client, address, list(with_changes(first, name="Buckeye & Sons"))
    )
    assert (status, leads_to.partition("?")[0]) == (303, address)
    status, _, page = await _post(machine.client, address, list(with_changes(second, nmls_id="77")))
    assert status == 412
    assert "was changed since you read it" in page
    assert 'value="77"' in page, "what was typed stays"
    status, content, _ = await machine.ask("PUT", address, body, If_Match=headers["ETag"])
    assert (status, content["title"]) == (412, "Changed meanwhile")
    assert (await machine.ask("PUT", address, body))[0] == 428
    assert (await machine.ask("DELETE", address, If_Match=headers["ETag"]))[0] == 412
    note = await _newest_note(engine)
    assert (note["kind"], note["ref"], note["action"], note["via"], note["actor"]) == (
        "buyers",
        str(market.buyer_id),
        "change",
        "page",
        "ada@example.com",
    )
    assert note["before"]["name"] == "Buckeye Lending"  # type: ignore[index]
    assert note["after"]["name"] == "Buckeye & Sons"  # type: ignore[index]


async def test_what_the_database_refuses_stands_at_the_field(machine: Machine, market: Market) -> None:
    async def refused(path: str, body: Mapping[str, object], field: str, words: str) -> None:
        status, content, _ = await machine.ask("POST", path, body)
        assert status == 422, content
        found = {one["field"]: one["problem"] for one in content["errors"]}
        assert words in found.get(field, ""), (path, found)

    right = samples(market)
    target, licence, cap = right["targets"], right["licences"], right["caps"]
    endpoint, group = right["ping-endpoints"], right["cap-groups"]
    other_campaign = {"kind": "number", "value": "(614) 555-0123"}
    await machine.make("/blocked-callers", other_campaign)
    await machine.make("/licences", licence)
    trunk_id = await machine.make("/trunks", right["trunks"])
    for path, body, field, words in (
        ("/buyers", {"name": "Buckeye Lending"}, "name", "another buyer has this"),
        ("/buyers", {"name": "New", "prepaid": True}, "credit_limit_micros", "needs a limit"),
        ("/buyers", {"name": "New", "nmls_id": "4O1"}, "nmls_id", "digits only"),
        ("/targets", {**target, "buyer_id": 999_999}, "buyer_id", "no such row"),
        ("/targets", {**target, "sip_uri": "sip:a@b;x"}, "sip_uri", "is not sip:user@host"),
        (
            "/targets",
            {**target, "schedule": ALWAYS | {"ranges": [{"days": [0], "from": "8", "to": "20:00"}]}},
            "schedule",
            "row 1.from: '8' is not a time like 08:00",
        ),
        ("/targets", {**target, "filters": {"fact": "moon"}}, "filters", "moon is not a known fact"),
        (
            "/targets",
            {**target, "filters": {"fact": "score", ">": 20}},
            "filters",
            "no call has the fact score: no flow sets such a tag",
        ),
        (
            "/targets",
            {**target, "filters": {"not": {"fact": "zip_code", "kind": "text", "=": "94105"}}},
            "filters",
            "zip_code is called zip here",
        ),
        (
            "/targets",
            {**target, "filters": {"fact": "credit_scor", "kind": "number", ">": 620}},
            "filters",
            "did you mean credit_score",
        ),
        (
            "/targets",
            {**target, "sip_uri": "sip:+18765550142@carrier.example", "outbound_trunk_id": trunk_id},
            "sip_uri",
            "the area code 876 is of none of the fifty states",
        ),
        ("/numbers-abroad", {"prefix": "+1", "name": "all"}, "prefix", "has 1 digits, not 4 to 15"),
        ("/numbers-abroad", {"prefix": "442", "name": "UK"}, "prefix", "is not written like +1787"),
        (
            "/numbers-abroad",
            {"prefix": "+44", "name": "UK", "target_minutes_per_day": 59},
            "target_minutes_per_day",
            "less than one call takes (60 minutes)",
        ),
        ("/licences", licence, "valid_from", "is of the same licensee"),
        ("/licences", {**licence, "valid_to": "2025-01-01"}, "valid_to", "before the first day"),
        ("/licences", {**licence, "officer_name": None}, "officer_name", "an officer has both"),
        ("/licences", {**licence, "state": "ZZ"}, "state", "this is no state"),
        ("/caps", {**cap, "target_id": market.chosen_id}, "buyer_id", "one owner only"),
        ("/caps", {**cap, "period": None}, "period", "say in which period"),
        ("/caps", {**cap, "at_most_micros": None}, "at_most_micros", "fill this in"),
        ("/caps", {**cap, "kind": "attempts"}, "at_most", "fill this in"),
        ("/caps", {**cap, "range_name": "night"}, "range_name", "only a target"),
        ("/caps", {**cap, "buyer_id": 999_999}, "buyer_id", "no such row"),
        ("/cap-groups", {**group, "target_ids": [999_999]}, "target_ids", "no target 999999"),
        ("/blocked-callers", {"kind": "number", "value": "+16145550123"}, "value", "has this already"),
        ("/blocked-callers", {"kind": "number", "value": "12"}, "value", "is not written like"),
        ("/blocked-callers", {"kind": "anonymous", "value": "+1"}, "value", "which has none"),
        ("/ping-endpoints", {**endpoint, "url": "http://10.0.0.7/"}, "url", "https"),
        ("/ping-endpoints", {**endpoint, "settings": {"moon": 1}}, "settings", "moon"),
    ):
        await refused(path, body, field, words)
    # The page says the same, beside the field, and keeps what was typed.
    form = {"name": "buckeye lending ", "time_zone": "Moon/Base", "credit_limit_micros": "lots"}
    status, _, page = await _post(machine.client, "/buyers/new", form)
    assert status == 422
    assert 'id="credit_limit_micros-problem"' in page
    assert 'value="lots"' in page
    form = {"name": "Buckeye Lending", "time_zone": "America/New_York"}
    status, _, page = await _post(machine.client, "/buyers/new", form)
    assert status == 422
    assert "another buyer has this already" in page


async def test_what_was_done_can_be_undone(machine: Machine, market: Market, engine: AsyncEngine) -> None:
    client = machine.client
    # Made, and taken back.
    form = {"name": "Short-lived", "time_zone": "America/New_York", "enabled": "true"}
    _, leads_to, _ = await _post(client, "/buyers/new", form)
    address, _, saved = leads_to.partition("?saved=")
    assert (await _post(client, f"/buyers/undo/{saved}"))[0] == 303
    await _page(client, address, 404)
    # Changed, and put back; a second time there is nothing to put back.
    group = await machine.make("/cap-groups", samples(market)["cap-groups"])
    address = f"/cap-groups/{group}"
    fields = [
        (name, text) for name, text in form_of(await _page(client, address), address) if name != "target_ids"
    ]
    _, leads_to, _ = await _post(client, address, [*fields, ("target_ids", "Night desk")])
    saved = leads_to.partition("?saved=")[2]
    assert (await machine.ask("GET", address))[1]["target_ids"] == [market.unlicensed_id]
    assert (await _post(client, f"/cap-groups/undo/{saved}"))[1] == f"{address}?back=1"
    assert (await machine.ask("GET", address))[1]["target_ids"] == [market.chosen_id, market.closed_id]
    status, _, page = await _post(client, f"/cap-groups/undo/{saved}")
    assert status == 412
    assert "It cannot be put back" in page
    # Deleted, and there again with its members, under the same number.
    etag = (await machine.ask("GET", address))[2]["ETag"]
    _, leads_to, _ = await _post(client, f"{address}/delete", {"etag": etag})
    gone = leads_to.partition("?gone=")[2]
    await _page(client, address, 404)
    assert (await _post(client, f"/cap-groups/undo/{gone}"))[0] == 303
    assert (await machine.ask("GET", address))[2]["ETag"] == etag
    # Changed again by somebody else: what they did is not undone.
    _, content, headers = await machine.ask("GET", address)
    body = {"name": "Two offices", "time_zone": "America/New_York", "target_ids": []}
    assert (await machine.ask("PUT", address, body, If_Match=headers["ETag"]))[0] == 200
    changed = (await _newest_note(engine))["id"]
    _, _, headers = await machine.ask("GET", address)
    await machine.ask("PUT", address, body | {"name": "Three"}, If_Match=headers["ETag"])
    assert (await machine.ask("POST", f"/changes/cap-groups/{changed}/undo"))[0] == 412
    assert (await machine.ask("GET", address))[1]["name"] == "Three"
    # What others refer to stays.
    etag = (await machine.ask("GET", f"/buyers/{market.buyer_id}"))[2]["ETag"]
    status, content, _ = await machine.ask("DELETE", f"/buyers/{market.buyer_id}", If_Match=etag)
    assert status == 409
    assert "other things refer to this buyer" in content["detail"]
    async with engine.connect() as connection:
        count = await connection.scalar(
            select(func.count()).where(tables.audit_log.c.kind == "cap-groups").select_from(tables.audit_log)
        )
    assert count == 7, "made, changed, put back, deleted, made again, changed twice"


async def test_a_secret_goes_in_and_never_comes_out(
    machine: Machine, market: Market, engine: AsyncEngine
) -> None:
    key, secret = "the key of a campaign", "a secret of two houses"
    body = {
        "target_id": market.chosen_id,
        "dialect": "leadspedia_like",
        "url": "https://bids.example.com/ping",
        "secret": secret,
        "settings": {"campaign_id": "c7", "campaign_key": key},
    }
    address = f"/ping-endpoints/{await machine.make('/ping-endpoints', body)}"
    page = await _page(machine.client, address)
    _, content, _ = await machine.ask("GET", address)
    note = await _newest_note(engine)
    for seen in (page, str(content), str(note), await _page(machine.client, "/ping-endpoints")):
        assert key not in seen
        assert secret not in seen
    assert content["secret"] is True
    assert content["settings"] == {"campaign_id": "c7", "campaign_key": "***"}
    # Sent back as it was shown, it stays what it was.
    fields = list(with_changes(form_of(page, address), budget_per_minute="60"))
    assert (await _post(machine.client, address, fields))[0] == 303
    async with engine.connect() as connection:
        row = (await connection.execute(select(tables.ping_endpoints))).mappings().one()
    assert (row["secret"], row["settings"]["campaign_key"], row["budget_per_minute"]) == (secret, key, 60)
    # What stands for nothing is no secret.
    other = {**body, "target_id": market.closed_id, "settings": {"campaign_id": "c", "campaign_key": "***"}}
    status, content, _ = await machine.ask("POST", "/ping-endpoints", other)
    assert (status, content["errors"][0]["field"]) == (422, "settings")
    status, _, page = await _post(
        machine.client, address, list(with_changes(fields, target_id=str(market.closed_id)))
    )
    assert status == 412, "somebody changed it: the page is told first"


async def test_an_endpoint_shows_what_its_wins_came_to_and_why_it_rests(
    machine: Machine, market: Market, engine: AsyncEngine
) -> None:
    body = {"target_id": market.chosen_id, "dialect": "ringba", "url": "https://bids.example.com/ping"}
    address = f"/ping-endpoints/{await machine.make('/ping-endpoints', body)}"
    _, content, _ = await machine.ask("GET", address)
    assert (content["highest_bid_micros"], content["longest_minimum_seconds"]) == (1_000_000_000, 600)
    assert (content["most_refused_percent"], content["least_paid_percent"]) == (60, 25)
    for wrong in ({"highest_bid_micros": 0}, {"longest_minimum_seconds": 3601}, {"least_paid_percent": 101}):
        status, refused, _ = await machine.ask("POST", "/ping-endpoints", {**body, **wrong})
        assert (status, refused["errors"][0]["field"]) == (422, *wrong)
    assert "None is counted yet" in await _page(machine.client, address)
    record = {
        "won": 20,
        "refused": 8,
        "unpaid": 12,
        "worth_micros": 400_000_000,
        "lasted": [9],
        "why": "it paid $0",
    }
    until = datetime.now(UTC) + timedelta(hours=1)
    async with engine.begin() as connection:
        row = {"target_id": market.chosen_id, "hides_caller": True, "rested_until": until, **record}
        await connection.execute(insert(bidder_records).values(row))
    page = await _page(machine.client, address)
    assert "Not asked for bids until" in page and "it paid $0." in page
    assert "Won 20, refused or did not answer 8, did not pay for 12. Paid $0.00" in page
    assert "do not name the caller" in page and "its last 9 calls" in page
    assert ">Rested<" in await _page(machine.client, "/ping-endpoints")
    assert "It rests for a while: it paid $0" in await _page(machine.client, "/")


async def test_each_role_and_names_that_bite(
    machine: Machine, market: Market, clients: Mapping[str, Client]
) -> None:
    body = {**samples(market)["buyers"], "name": HOSTILE}
    hostile = await machine.make("/buyers", body)
    await machine.make("/targets", {**samples(market)["targets"], "buyer_id": hostile, "name": HOSTILE})
    for path in ("/buyers", f"/buyers/{hostile}", "/targets", "/licences/new", "/caps/new"):
        page = await _page(machine.client, path)
        assert "<img" not in page.replace('<img src="/static/', "")
        if path != "/caps/new":
            assert "&lt;img src=x onerror" in page, path
    analyst, manager = clients["analyst"], clients["manager"]
    for resource in RESOURCES:
        path = f"/{resource.name}"
        await _page(manager, path)
        page = await _page(analyst, path)
        assert "Add a " not in page
        assert (await _post(analyst, f"{path}/new", {}))[0] == 403
        await _page(analyst, f"{path}/new", 403)
        for portal in ("buyer", "publisher"):
            await _page(clients[portal], path, 403)
            status, _, _ = await Machine(clients[portal]).ask("GET", path)
            assert status == 403
        assert (await Machine(analyst).ask("POST", path, {}))[0] == 403
    page = await _page(analyst, f"/buyers/{market.buyer_id}")
    assert "<button>Save" not in page
    assert (await _post(analyst, f"/buyers/{market.buyer_id}", {}))[0] == 403


async def test_a_post_sent_twice_is_done_once(machine: Machine, engine: AsyncEngine) -> None:
    body = {"name": "Once only"}
    answers = await asyncio.gather(
        *(machine.ask("POST", "/buyers", body, Idempotency_Key="k-1") for _ in range(2))
    )
    # The second is told to wait, or is given the first one's answer.
    assert {status for status, _, _ in answers} <= {201, 409}
    status, content, headers = await machine.ask("POST", "/buyers", body, Idempotency_Key="k-1")
    assert (status, content["name"], headers["Idempotent-Replay"]) == (201, "Once only", "true")
    status, _, _ = await machine.ask("POST", "/buyers", {"name": "Other"}, Idempotency_Key="k-1")
    assert status == 422
    async with engine.begin() as connection:
        made = await connection.execute(delete(tables.buyers).where(tables.buyers.c.name == "Once only"))
        assert made.rowcount == 1


async def test_lists_take_pages_filters_and_garbage(machine: Machine, market: Market) -> None:
    for name in ("Alpha", "beta", "Gamma"):
        await machine.make("/buyers", {"name": name})
    found, cursor = [], None
    while True:
        query = "?limit=2" + (f"&cursor={cursor}" if cursor else "")
        _, content, _ = await machine.ask("GET", f"/buyers{query}")
        found += [item["name"] for item in content["items"]]
        cursor = content["next"]
        if cursor is None:
            break
    assert found == ["Alpha", "beta", "Buckeye Lending", "Gamma", "Lakeside Home Loans"]
    for garbage in ("%00", "e30", "WyJhIiwxXQ" * 30, "WzEsMl0", "%F0%9F%92%A9"):
        assert (await machine.ask("GET", f"/buyers?cursor={garbage}"))[0] == 400
        await _page(machine.client, f"/buyers?after={garbage}")
    for garbage in ("buyer_id=abc", "state=ZZ", "buyer_id=99999999999999999999", "q=%00%25_\\"):
        await _page(machine.client, f"/licences?{garbage}")
        status, _, _ = await machine.ask("GET", f"/licences?{garbage}")
        assert status == (200 if garbage.startswith("q") else 400) or "%00" in garbage
    await machine.make("/licences", samples(market)["licences"])
    for query, count in (("state=OH", 1), ("state=NY", 0), (f"buyer_id={market.buyer_id}", 1)):
        _, content, _ = await machine.ask("GET", f"/licences?{query}")
        assert len(content["items"]) == count
    _, content, _ = await machine.ask("GET", "/caps?buyer_id=1&kind=revenue")
    assert content["items"] == []
