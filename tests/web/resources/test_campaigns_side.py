"""Campaigns, tracking numbers, trunks and the publisher's page, through the pages and the API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp.test_utils import TestServer
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client
from tests.web.market import STARTED_AT, Market, add_call
from tests.web.plans.house import api, open_analyst
from web.resources.campaigns import CAMPAIGNS, CampaignForm, columns_of, values_of
from web.resources.carriers import PRESETS
from web.resources.trunks import TrunkForm

CAMPAIGN = {
    "name": "Refinance, Ohio",
    "flow_name": "mortgage",
    "time_zone": "America/New_York",
    "maximum_attempts": "4",
    "enabled": "true",
    "recording": "true",
    "duplicate_window_seconds": "30 days",
    "duplicate_policy_window_seconds": "36 hours",
    "duplicate_policy_scope": "buyer",
    "duplicate_policy_after": "connect",
    "duplicate_policy_action": "other_target",
    "no_buyer_treatment": "hold_and_retry",
    "no_buyer_every_seconds": "20",
    "no_buyer_then_treatment": "voicemail",
    "no_buyer_then_maximum_seconds": "90",
    "platform_fee_micros": "1.50",
    "platform_fee_ppm": "2.5",
    "sells_at_loss": "true",
    "daily_loss_micros": "250",
}


async def publish_flow(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            insert(tables.flows).values(
                name="mortgage", version=1, definition={}, published_at=STARTED_AT, published_by="ada"
            )
        )


async def post(client: Client, path: str, form: dict[str, str]) -> tuple[int, str, str]:
    async with client.post(path, data=form) as answer:
        return answer.status, await answer.text(), str(answer.url.path)


async def test_a_campaign_is_made_with_every_setting_and_stored_as_the_router_reads_it(
    admin: Client, engine: AsyncEngine
) -> None:
    status, text, _ = await post(admin, "/campaigns/new", CAMPAIGN)
    assert status == 422 and "no version of this flow is published yet" in text and "36 hours" in text
    await publish_flow(engine)
    status, text, _ = await post(
        admin, "/campaigns/new", {**CAMPAIGN, "duplicate_policy_action": "", "no_buyer_every_seconds": "1"}
    )
    assert status == 422 and "leave all four" in text and "not a whole number from 3 to 300" in text
    status, text, path = await post(admin, "/campaigns/new", CAMPAIGN)
    assert status == 200 and "Saved." in text and "no call can reach it" in text
    async with engine.connect() as connection:
        row = (await connection.execute(select(tables.campaigns))).one()
    assert row.duplicate_policy == {
        "window_seconds": 129_600,
        "scope": "buyer",
        "after": "connect",
        "action": "other_target",
    }
    assert row.no_buyer == {
        "treatment": "hold_and_retry",
        "every_seconds": 20,
        "then": {"treatment": "voicemail", "maximum_seconds": 90},
    }
    assert (row.platform_fee_micros, row.platform_fee_ppm, row.sells_at_loss) == (1_500_000, 25_000, True)
    assert row.daily_loss_micros == 250_000_000
    async with admin.get(path) as answer:
        text = await answer.text()
    for shown in ('value="36 hours"', 'value="2.5"', 'value="30 days"', "Make a plan", "Set what buyers pay"):
        assert shown in text


def test_a_campaign_goes_through_its_form_unchanged() -> None:
    for no_buyer in (
        {},
        {"treatment": "message"},
        {"treatment": "hold_and_retry", "then": {"treatment": "message"}},
    ):
        row: dict[str, Any] = {
            **columns_of(CampaignForm(name="x", flow_name="y")),
            "duplicate_policy": None,
            "no_buyer": no_buyer,
        }
        assert columns_of(CampaignForm.model_validate(values_of(row))) == row
    assert set(CampaignForm.model_fields) == {one.name for one in CAMPAIGNS.fields}


async def test_a_number_is_typed_as_people_write_it(admin: Client, market: Market) -> None:
    form = {
        "e164": "(614) 555-01",
        "campaign_id": str(market.campaign_id),
        "publisher_id": str(market.publisher_id),
        "monthly_cost_micros": "1.15",
        "rented_from": "2026-11-01",
        "rented_to": "2026-10-01",
        "enabled": "true",
    }
    status, text, _ = await post(admin, "/numbers/new", form)
    assert status == 422 and "no such number can be given out" in text
    status, text, _ = await post(admin, "/numbers/new", {**form, "e164": "(614) 555-0187"})
    assert status == 422 and "say who is paid" in text and "before it was rented" in text
    good = {**form, "e164": "(614) 555-0187", "carrier_name": "Example Carrier", "rented_to": ""}
    status, text, path = await post(admin, "/numbers/new", good)
    assert status == 200 and "+1 614-555-0187" in text
    status, text, _ = await post(admin, "/numbers/new", {**good, "e164": "+1 614 555 0187"})
    assert status == 422 and "another tracking number has this already" in text
    async with admin.get("/numbers", params={"q": "614 555-0187"}) as answer:
        text = await answer.text()
    assert path in text and "+1 800-555-0100" not in text
    _, told, _ = await api(admin, "GET", f"{path}")
    assert (told["e164"], told["monthly_cost_micros"]) == ("+16145550187", 1_150_000)


async def test_a_trunk_begins_as_for_a_carrier_and_never_shows_its_password(
    admin: Client, engine: AsyncEngine
) -> None:
    async with admin.get("/trunks/new", params={"preset": "telnyx"}) as answer:
        text = await answer.text()
    assert "192.76.120.10" in text and "sip.telnyx.com" in text
    form = {
        "name": "voipms",
        "carrier_name": "VoIP.ms",
        "addresses": "10.0.0.0/4",
        "registrar_uri": "sip:atlanta1.voip.ms",
        "username": "100000_tollbridge",
        "password": "Tr0ub4dor",
        "cost_per_minute_micros": "0.0085",
        "enabled": "true",
    }
    status, text, _ = await post(admin, "/trunks/new", form)
    assert status == 422 and "wider than /8" in text and "Tr0ub4dor" not in text
    status, text, path = await post(admin, "/trunks/new", {**form, "addresses": ""})
    assert status == 200 and "Tr0ub4dor" not in text
    assert "no running node has said anything yet" in text and "none within a day" in text
    etag = text.split('name="etag" value="')[1].split("&#34;")[1]
    kept = {**form, "addresses": "", "password": "", "username": "100000_other", "etag": f'"{etag}"'}
    status, text, _ = await post(admin, path, kept)
    assert status == 200 and "Saved." in text
    async with engine.connect() as connection:
        row = (await connection.execute(select(tables.trunks))).one()
        notes = (await connection.execute(select(tables.audit_log.c.after))).scalars().all()
    assert (row.password, row.username, row.cost_per_minute_micros) == ("Tr0ub4dor", "100000_other", 8_500)
    assert "Tr0ub4dor" not in str(notes)
    _, told, _ = await api(admin, "GET", path)
    assert told["password"] is True


def test_every_preset_fills_in_fields_that_there_are() -> None:
    for preset in PRESETS.values():
        assert set(preset.values) <= set(TrunkForm.model_fields) - {"username", "password"}
        TrunkForm.model_validate(preset.values)


async def test_the_market_is_a_houses_trunks_are_an_admins_and_a_publisher_is_seen_at_a_glance(
    site: TestServer, engine: AsyncEngine, stranger: Client, admin: Client, market: Market
) -> None:
    now = datetime.now(UTC)
    await add_call(engine, "a-1.9", publisher_id=market.publisher_id, started_at=now, converted=True)
    async with admin.get(f"/publishers/{market.publisher_id}") as answer:
        text = await answer.text()
    assert "+1 800-555-0100" in text and "it earns nothing" in text and "1, 1 converted" in text
    async with open_analyst(site, engine) as analyst:
        for path in ("/campaigns", "/numbers", "/trunks", f"/publishers/{market.publisher_id}"):
            async with analyst.get(path) as answer:
                assert answer.status == 200
            async with stranger.get(path, allow_redirects=False) as answer:
                assert answer.status == 303
        for path in ("/campaigns/new", "/numbers/new", "/trunks/new"):
            async with analyst.get(path) as answer:
                assert answer.status == 403
