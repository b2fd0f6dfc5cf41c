"""A second buyer, a second publisher and a colleague, with one real row of all that an address can name."""

from __future__ import annotations

import datetime as dt
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing.dispute_calls import DisputeOpened, open_dispute
from billing.disputes import Reason
from ivr_flows.library import load
from store import tables, web_tables
from store.recording_tables import recordings
from tests.market import NUMBER
from tests.postgres import as_owner
from tests.web.buyer.conftest import House
from tests.web.conftest import Client
from tests.web.market import add
from web.api.routes import PREFIX
from web.keys import User
from web.second_factor.factor import begin_setup
from web.second_factor.vault import Vault

PASSKEY = "AAAA"
VIEWS = ("calls", "reports")


def path_parts(pattern: str) -> list[tuple[str, str]]:
    """Return (word before it, name) of every parameter of a route: /buyers/{id}/keys/{key_id} has two."""
    found, word = [], ""
    for part in pattern.removeprefix(PREFIX).strip("/").split("/"):
        if "{" not in part:
            # Each page keeps views of its own.
            word = f"{word}/{part}" if part == "views" else part
            continue
        found += [(word, name.partition("}")[0]) for name in part.split("{")[1:]]
    return found


async def ids_of_house(admin: Client, house: House) -> dict[tuple[str, str], object]:
    """Have the admin make one of each thing of the second buyer, by the API; return its id by `path_parts`."""
    buyer, target = house.market.buyers[1], house.market.targets[1]
    campaign, publisher = house.market.campaign, house.market.publisher
    made: dict[tuple[str, str], object] = {
        ("buyers", "id"): buyer,
        ("targets", "id"): target,
        ("targets", "target_id"): target,
        ("campaigns", "id"): campaign,
        ("publishers", "id"): publisher,
        ("numbers", "id"): house.market.number,
        ("bid-limits", "buyer_id"): buyer,
        ("bid-limits", "campaign_id"): campaign,
        ("calls", "id"): house.others,
        ("calls", "call_id"): house.others,
    }
    licence = {"nmls_id": "401822", "state": "OH", "product": "refinance", "valid_from": "2026-01-01"}
    endpoint = {"url": "https://bids.example.com/ping", "secret": "a secret of two houses"}
    for name, body in {
        "trunks": {"name": "second", "carrier_name": "Carrier & Sons", "addresses": ["192.0.2.7"]},
        "numbers-abroad": {"prefix": "+1 (787)", "name": "Puerto Rico"},
        "licences": {"buyer_id": buyer, **licence},
        "caps": {"buyer_id": buyer, "kind": "revenue", "period": "day", "at_most_micros": 1_500_000_000},
        "cap-groups": {"name": "One office", "target_ids": [target]},
        "blocked-callers": {"kind": "number", "value": "+16145550123", "reason": "abuse"},
        "ping-endpoints": {"target_id": target, **endpoint},
        "sale-keys": {"buyer_id": buyer, "name": "theirs"},
    }.items():
        made[name, "id"] = (await post(admin, f"/{name}", body))["id"]
    made["test-calls", "id"] = (await post(admin, "/test-calls", {"dialled": NUMBER}))["test_call"]
    made["keys", "key_id"] = (
        await post(admin, f"/publishers/{publisher}/keys", {"campaign_id": campaign, "name": "theirs"})
    )["id"]
    suppressed = {"numbers": ["+16145550177"], "reason": "asked"}
    await post(admin, f"/buyers/{buyer}/suppressions", suppressed)
    made["suppressions", "caller"] = "+16145550177"
    return made


async def post(client: Client, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Post to the API; return what it says."""
    async with client.post(PREFIX + path, json=body) as answer:
        said: dict[str, Any] = await answer.json()
        assert answer.status in (200, 201, 202), (path, said)
    return said


async def ids_of_person(engine: AsyncEngine, user: User, vault: Vault) -> dict[tuple[str, str], object]:
    """Give somebody a session, a token, a passkey, views, and a second factor that is being set up."""
    session, token, passkey = await _access_of(engine, user.user_id)
    setup = await begin_setup(engine, vault, user, dt.datetime.now(dt.UTC))
    async with engine.begin() as connection:
        views = {
            page: await add(
                connection,
                web_tables.saved_views,
                user_id=user.user_id,
                page=page,
                name="mine",
                query="page=1",
            )
            for page in VIEWS
        }
    return {
        ("sessions", "id"): session,
        ("tokens", "id"): token,
        ("tokens", "token_id"): token,
        ("passkeys", "id"): passkey,
        ("passkeys", "passkey"): passkey,
        ("second-factor", "token"): setup,
        ("users", "id"): user.user_id,
        ("calls/views", "view_id"): views["calls"],
        ("calls/views", "id"): views["calls"],
        ("reports/views", "id"): views["reports"],
    }


async def _access_of(engine: AsyncEngine, user_id: int) -> tuple[UUID, int, str]:
    async with engine.begin() as connection:
        session = await connection.scalar(
            select(tables.web_sessions.c.id).where(tables.web_sessions.c.user_id == user_id)
        )
        now = dt.datetime.now(dt.UTC)
        token = await add(
            connection,
            tables.api_tokens,
            user_id=user_id,
            name="theirs",
            token_digest=b"theirs" + user_id.to_bytes(4, "big"),
            beginning="tbt_thei",
            scopes=["read:account"],
            created_at=now,
            expires_at=now + dt.timedelta(days=7),
        )
        key = {"public_key": b"\xa0", "sign_count": 0, "name": "theirs"}
        await connection.execute(
            insert(tables.passkeys).values(credential_id=b"\x00\x00\x00", user_id=user_id, **key)
        )
    assert session is not None
    return session, token, PASSKEY


async def ids_of_money(engine: AsyncEngine, house: House, publisher: int) -> dict[tuple[str, str], object]:
    """A dispute of the second buyer's call, its invoice, and a statement of the second publisher."""
    now = dt.datetime.now(dt.UTC)
    async with engine.begin() as connection:
        dispute = await open_dispute(connection, house.others, reason=Reason.SPAM, note="noise", now=now)
        assert isinstance(dispute, DisputeOpened)
        invoice = await _paper(connection, "invoice", "buyer", house.market.buyers[1], "INV-2026-000077")
        statement = await _paper(connection, "statement", "publisher", publisher, "ST-2026-000077")
    return {
        ("disputes", "id"): dispute.dispute_id,
        ("disputes", "dispute_id"): dispute.dispute_id,
        ("invoices", "invoice_id"): invoice,
        ("invoices", "id"): invoice,
        ("invoices", "format"): "csv",
        ("invoices", "action"): "issue",
        ("statements", "invoice_id"): statement,
        ("statements", "format"): "csv",
        ("documents", "id"): invoice,
    }


async def _paper(connection: AsyncConnection, kind: str, party: str, party_id: int, number: str) -> int:
    return await add(
        connection,
        tables.invoices,
        kind=kind,
        party=party,
        party_id=party_id,
        number=number,
        state="issued",
        time_zone="UTC",
        total_micros=1,
        issued_at=dt.datetime.now(dt.UTC),
        period_start=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
        period_end=dt.datetime(2026, 12, 1, tzinfo=dt.UTC),
    )


async def second_publisher(engine: AsyncEngine, house: House) -> int:
    """Make a publisher, and the second buyer's call one of its calls."""
    async with as_owner(engine) as connection:
        publisher = await add(connection, tables.publishers, name="Adworks")
        await connection.execute(
            update(tables.calls).where(tables.calls.c.id == house.others).values(publisher_id=publisher)
        )
    return publisher


async def ids_of_work(engine: AsyncEngine, house: House, user_id: int) -> dict[tuple[str, str], object]:
    """A flow, a campaign that only the second buyer has terms in, a draft's call, a change to undo."""
    now = dt.datetime.now(dt.UTC)
    async with engine.begin() as connection:
        flow = {"version": 1, "definition": load("mortgage"), "published_at": now}
        await connection.execute(insert(tables.flows).values(name="mortgage", **flow))
        campaign = await add(connection, tables.campaigns, name="Theirs alone", flow_name="mortgage")
        terms = await add(
            connection,
            tables.buyer_terms,
            buyer_id=house.market.buyers[1],
            campaign_id=campaign,
            goes_live_at=now + dt.timedelta(days=1),
            price_micros=7_000_000,
        )
        change = await connection.scalar(
            select(tables.audit_log.c.id).where(tables.audit_log.c.kind == "trunks")
        )
        group = await add(connection, web_tables.directory_groups, name="sales", role="analyst")
        draft = await connection.scalar(
            insert(web_tables.dial_codes)
            .values(
                code_digest=b"code",
                purpose="draft",
                user_id=user_id,
                flow_name="mortgage",
                definition={},
                expires_at=now + dt.timedelta(hours=1),
            )
            .returning(web_tables.dial_codes.c.id)
        )
    return {
        ("prices", "campaign_id"): campaign,
        ("directory-groups", "id"): group,
        ("terms", "party"): "buyer",
        ("terms", "terms_id"): terms,
        ("flows", "name"): "mortgage",
        ("versions", "version"): 1,
        ("draft-call", "id"): draft,
        ("draft-calls", "id"): draft,
        ("undo", "audit_id"): change,
        ("undo", "change_id"): change,
        ("put-back", "change_id"): change,
        ("changes", "resource"): "trunks",
        ("changes", "change_id"): change,
        ("recordings", "part"): 1,
        ("sound", "file"): "nothing.wav",
        ("map", "state"): "OH",
        ("reports", "format"): "csv",
    }


async def record(engine: AsyncEngine, call_id: UUID, folder: Path) -> None:
    """Store a second of silence as the recording of a call."""
    name = f"{call_id}-1.wav"
    with wave.open(str(folder / name), "wb") as file:
        file.setparams((1, 2, 8000, 8000, "NONE", ""))
        file.writeframes(bytes(16_000))
    async with engine.begin() as connection:
        await connection.execute(
            insert(recordings).values(
                call_id=call_id,
                part=1,
                node="a",
                file=name,
                state="stored",
                started_at=dt.datetime.now(dt.UTC),
                length_ms=1000,
                file_bytes=16_044,
                sha256="0" * 64,
                stored_at=dt.datetime.now(dt.UTC),
            )
        )


async def all_rows(engine: AsyncEngine, but: frozenset[str]) -> dict[str, list[str]]:
    """Return every row of every table but those named, to compare before and after."""
    found: dict[str, list[str]] = {}
    async with as_owner(engine) as connection:
        for table in sorted(tables.metadata.tables.values(), key=lambda one: str(one.name)):
            if table.name not in but:
                found[table.name] = await _rows(connection, table)
    return found


async def _rows(connection: AsyncConnection, table: Table) -> list[str]:
    return sorted(str(tuple(row)) for row in (await connection.execute(select(table))).all())
