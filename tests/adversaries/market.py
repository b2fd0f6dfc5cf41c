"""Writes the contracts of the suite into a database, as an admin would have made them. One campaign, two stages.

Stage 1 is an auction among the bidders, stage 2 goes by priority through the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store import tables as t
from store.routing_tables import dial_destinations
from tests.adversaries.contracts import (
    BIDS_WITHIN_MS,
    BUYERS,
    CARRIER_INCREMENT_SECONDS,
    CARRIER_RATE_MICROS,
    DESK,
    DOLLAR,
    FEE_PPM,
    LISTED_ABROAD,
    LISTED_SECONDS,
    PUBLISHERS,
    RING_TOGETHER,
    SUPPRESSED,
    BuyerContract,
    PublisherContract,
    Rule,
)
from tests.market import TRUNK

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LOAN_TYPE = "refinance"
DUPLICATE_WINDOW_SECONDS = 30 * 86_400


@dataclass(frozen=True, kw_only=True)
class Ids:
    """Ids of what was written, by the names of the contracts."""

    campaign: int
    publishers: Mapping[str, int]
    numbers: Mapping[str, int]
    buyers: Mapping[str, int]
    targets: Mapping[str, int]

    def buyer_of_target(self, target_id: int) -> str:
        return next(name for name, known in self.targets.items() if known == target_id)


async def write_market(engine: AsyncEngine) -> Ids:
    """Write everything but endpoints and deposits. The database must be fresh."""
    async with engine.begin() as connection:
        await _make(
            connection,
            t.flows,
            name="direct",
            version=1,
            definition={"start": "hello"},
            published_at=LONG_AGO,
        )
        campaign = await _make(
            connection,
            t.campaigns,
            name="Mortgage",
            flow_name="direct",
            duplicate_window_seconds=DUPLICATE_WINDOW_SECONDS,
            platform_fee_ppm=FEE_PPM,
            pings_yield_after_seconds=0,
        )
        await _make(
            connection,
            t.trunks,
            name=TRUNK,
            carrier_name="Carrier",
            addresses=["127.0.0.1"],
            cost_per_minute_micros=CARRIER_RATE_MICROS,
            cost_increment_seconds=CARRIER_INCREMENT_SECONDS,
            cost_minimum_seconds=CARRIER_INCREMENT_SECONDS,
        )
        await _make(
            connection,
            dial_destinations,
            prefix=LISTED_ABROAD,
            name="the Bahamas",
            target_minutes_per_day=LISTED_SECONDS // 60,
            target_micros_per_day=1_000_000 * DOLLAR,
            trunk_minutes_per_day=10**6,
            trunk_micros_per_day=1_000_000 * DOLLAR,
        )
        auction = await _make(
            connection,
            t.plan_stages,
            campaign_id=campaign,
            position=1,
            method="ping_post",
            deadline_ms=BIDS_WITHIN_MS,
        )
        waterfall = await _make(
            connection,
            t.plan_stages,
            campaign_id=campaign,
            position=2,
            method="priority",
            simultaneous=RING_TOGETHER,
        )
        publishers = {one.name: await _publisher(connection, campaign, one) for one in PUBLISHERS}
        numbers = {
            one.name: await _make(
                connection,
                t.tracking_numbers,
                e164=one.number,
                campaign_id=campaign,
                publisher_id=publishers[one.name],
            )
            for one in PUBLISHERS
        }
        buyers: dict[str, int] = {}
        targets: dict[str, int] = {}
        for place, contract in enumerate(BUYERS, 1):
            buyers[contract.name], targets[contract.name] = await _buyer(connection, campaign, contract)
            stage = auction if contract.bids else waterfall
            entry = {"stage_id": stage, "target_id": targets[contract.name], "priority": place}
            await connection.execute(insert(t.plan_entries).values(entry))
    return Ids(campaign=campaign, publishers=publishers, numbers=numbers, buyers=buyers, targets=targets)


async def _publisher(connection: AsyncConnection, campaign: int, contract: PublisherContract) -> int:
    publisher = await _make(connection, t.publishers, name=contract.name)
    row = {"publisher_id": publisher, "campaign_id": campaign, "goes_live_at": LONG_AGO}
    document = None
    if contract.sale_micros is not None:
        document = terms(
            rules=[{"name": "call", "price": _dollars(contract.payout_micros)}],
            sale={"within_days": 30, "price": _dollars(contract.sale_micros)},
        )
    await connection.execute(
        insert(t.publisher_terms).values(**row, payout_micros=contract.payout_micros, document=document)
    )
    return publisher


async def _buyer(connection: AsyncConnection, campaign: int, contract: BuyerContract) -> tuple[int, int]:
    prepaid = contract.deposit_micros is not None
    buyer = await _make(
        connection,
        t.buyers,
        name=contract.name,
        prepaid=prepaid,
        credit_limit_micros=0 if prepaid else None,
    )
    target = await _make(
        connection,
        t.targets,
        buyer_id=buyer,
        name=f"{contract.name} desk",
        sip_uri=DESK,
        loan_types=[LOAN_TYPE],
        schedule={"time_zone": "UTC", "ranges": [{"days": list(range(7)), "from": "00:00", "to": "24:00"}]},
        concurrency_cap=contract.cap,
    )
    for state in contract.states:
        await connection.execute(
            insert(t.licences).values(
                buyer_id=buyer,
                nmls_id=f"9{buyer:05d}",
                state=state,
                product=LOAN_TYPE,
                valid_from=date(2020, 1, 1),
                status="active",
            )
        )
    await connection.execute(
        insert(t.buyer_terms).values(
            buyer_id=buyer,
            campaign_id=campaign,
            goes_live_at=LONG_AGO,
            minimum_connected_ms=contract.rules[0].minimum_ms,
            price_micros=contract.rules[0].price_micros,
            document=_document(contract),
        )
    )
    if not contract.bids:
        await connection.execute(
            insert(t.buyer_suppressions).values(buyer_id=buyer, caller_sealed=SUPPRESSED)
        )
    return buyer, target


def _document(contract: BuyerContract) -> dict[str, Any] | None:
    """Terms of several rules as JSON; None where a price and a minimum say it all."""
    if len(contract.rules) == 1:
        return None
    sale = (
        {}
        if contract.sale_micros is None
        else {"sale": {"within_days": 30, "price": _dollars(contract.sale_micros)}}
    )
    return terms(rules=[_rule(place, rule) for place, rule in enumerate(contract.rules, 1)], **sale)


def terms(**said: Any) -> dict[str, Any]:
    """Return a document of terms."""
    return {"currency": "USD", "time_zone": "UTC", "rounding": {"to": "0.01", "mode": "half_up"}, **said}


def _dollars(micros: int) -> str:
    return f"{micros / 1_000_000:.2f}"


def _rule(place: int, rule: Rule) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": f"rule {place}",
        "minimum_connected_seconds": rule.minimum_ms / 1000,
        "price": _dollars(rule.price_micros),
    }
    if rule.when:
        parts = [{"fact": name, "=": _value(value)} for name, value in rule.when.items()]
        said["when"] = parts[0] if len(parts) == 1 else {"all": parts}
    return said


def _value(text: str) -> str | bool:
    return text == "yes" if text in ("yes", "no") else text


async def _make(connection: AsyncConnection, table: Table, **values: Any) -> int:
    made = await connection.execute(insert(table).values(**values).returning(table.c.id))
    return int(made.scalar_one())
