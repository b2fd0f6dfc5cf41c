"""A secret that is kept stays with the host it was entered for: nobody reads it by sending it elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from tests.web.conftest import Client
from tests.web.market import Market
from tests.web.resources.conftest import Machine
from tests.web.resources.samples import form_of, with_changes

SECRET, KEY = "a secret of two houses", "the key in a header"
STRANGE = "https://strange.example/take"


def template(**more: Any) -> dict[str, Any]:
    ping = {
        "headers": {"X-Key": KEY, "X-Secret": "{secret}"},
        "body_format": "json",
        "body": {"s": "{state}"},
    }
    return {"ping": {**ping, **more}, "bid": {"amount": "bid"}}


@pytest.fixture
async def endpoint(machine: Machine, market: Market) -> dict[str, Any]:
    """An endpoint as its PUT takes it: nothing changed, secrets as they are shown."""
    body: dict[str, Any] = {
        "target_id": market.chosen_id,
        "dialect": "template",
        "url": "https://bids.example.com/ping",
        "secret": SECRET,
        "settings": template(),
    }
    await machine.make("/ping-endpoints", body)
    _, shown, _ = await machine.ask("GET", f"/ping-endpoints/{market.chosen_id}")
    assert shown.pop("id") and shown["settings"]["ping"]["headers"] == {"X-Key": "***", "X-Secret": "***"}
    return {**shown, "secret": None}


async def put(machine: Machine, body: Mapping[str, Any]) -> tuple[int, Any]:
    address = f"/ping-endpoints/{body['target_id']}"
    _, _, headers = await machine.ask("GET", address)
    status, content, _ = await machine.ask("PUT", address, body, If_Match=headers["ETag"])
    return status, content


async def kept(engine: AsyncEngine) -> Mapping[str, Any]:
    async with engine.connect() as connection:
        return (await connection.execute(select(tables.ping_endpoints))).mappings().one()


MOVES: Mapping[str, Mapping[str, Any]] = {
    "another host": {"url": STRANGE},
    "another port": {"url": "https://bids.example.com:8443/ping"},
    "another path of a host that many share": {"url": "https://bids.example.com/mine"},
    "another dialect": {"dialect": "retreaver", "settings": {}},
    "a host of the ping alone": {"settings": template(url=STRANGE)},
    "a host of the post alone": {
        "settings": {**template(), "post": {"url": STRANGE}, "posted": {"accepted": "ok"}}
    },
}


@pytest.mark.parametrize("name", MOVES)
async def test_a_manager_does_not_change_where_a_kept_secret_goes(
    machine: Machine, endpoint: dict[str, Any], clients: Mapping[str, Client], engine: AsyncEngine, name: str
) -> None:
    before = await kept(engine)
    for secret in (None, "a new secret of theirs"):
        status, content = await put(
            Machine(clients["manager"]), {**endpoint, **MOVES[name], "secret": secret}
        )
        assert status == 403 and "an admin" in content["detail"]
    assert await kept(engine) == before


async def test_a_manager_changes_everything_else_and_the_secret_stays(
    machine: Machine, endpoint: dict[str, Any], clients: Mapping[str, Client], engine: AsyncEngine
) -> None:
    status, _ = await put(Machine(clients["manager"]), {**endpoint, "budget_per_minute": 7})
    row = await kept(engine)
    assert (status, row["budget_per_minute"], row["secret"]) == (200, 7, SECRET)
    assert row["settings"]["ping"]["headers"]["X-Key"] == KEY


@pytest.mark.parametrize("name", [name for name in MOVES if "path" not in name])
async def test_an_admin_types_secrets_again_when_host_or_dialect_change(
    machine: Machine, endpoint: dict[str, Any], engine: AsyncEngine, name: str
) -> None:
    before = await kept(engine)
    moved = {**endpoint, **MOVES[name]}
    status, content = await put(machine, moved)
    assert status == 422 and "secret" in {one["field"] for one in content["errors"]}
    if "settings" not in MOVES[name]:
        # Headers that are kept go nowhere else either.
        status, content = await put(machine, {**moved, "secret": "typed again for it"})
        assert status == 422 and {one["field"] for one in content["errors"]} == {"settings"}
        moved["settings"] = template()
    assert await kept(engine) == before
    status, content = await put(machine, {**moved, "secret": "typed again for it"})
    assert status == 200, content
    assert (await kept(engine))["secret"] == "typed again for it"


async def test_a_move_is_not_undone_with_the_other_hosts_secret(
    machine: Machine, endpoint: dict[str, Any], engine: AsyncEngine
) -> None:
    moved = {**endpoint, "url": STRANGE, "secret": "for the other host", "settings": template()}
    assert (await put(machine, moved))[0] == 200
    async with engine.connect() as connection:
        newest = await connection.scalar(
            select(tables.audit_log.c.id).order_by(tables.audit_log.c.id.desc()).limit(1)
        )
    status, content, _ = await machine.ask("POST", f"/changes/ping-endpoints/{newest}/undo")
    assert status == 422 and (await kept(engine))["url"] == STRANGE, content


async def test_the_page_says_who_may_and_what_to_type(
    machine: Machine,
    endpoint: dict[str, Any],
    clients: Mapping[str, Client],
    market: Market,
    engine: AsyncEngine,
) -> None:
    address = f"/ping-endpoints/{market.chosen_id}"
    for client, status, words in (
        (clients["manager"], 403, "an admin changes where a kept secret goes"),
        (machine.client, 422, "type it again"),
    ):
        async with client.get(address) as answer:
            fields = form_of(await answer.text(), address)
        async with client.post(address, data=list(with_changes(fields, url=STRANGE))) as answer:
            page = await answer.text()
            assert (answer.status, words in page, STRANGE in page) == (status, True, True)
    assert (await kept(engine))["url"] == endpoint["url"]


@pytest.mark.parametrize(
    "body",
    [
        {"body_format": "json", "body": {"deep": [{"er": "x{secret}"}]}},
        {"body_format": "form", "body": {"key": "{secret}"}},
        {"body_format": "xml", "body": "<k>{secret}</k>"},
    ],
)
async def test_no_body_holds_the_secret(
    machine: Machine, endpoint: dict[str, Any], body: dict[str, Any]
) -> None:
    status, content = await put(machine, {**endpoint, "settings": template(**body)})
    assert status == 422
    assert "header or the address" in content["errors"][0]["problem"]


async def test_a_key_that_a_body_must_hold_is_kept_under_a_name_that_hides_it(
    machine: Machine, endpoint: dict[str, Any], engine: AsyncEngine
) -> None:
    body = {"api_key": KEY, "nested": {"AuthToken": KEY}, "state": "{state}"}
    assert (await put(machine, {**endpoint, "settings": template(body=body)}))[0] == 200
    _, shown, _ = await machine.ask("GET", f"/ping-endpoints/{endpoint['target_id']}")
    assert KEY not in str(shown) and shown["settings"]["ping"]["body"]["state"] == "{state}"
    again = {**shown, "secret": None}
    again.pop("id")
    assert (await put(machine, again))[0] == 200
    assert (await kept(engine))["settings"]["ping"]["body"] == body


async def test_a_trunks_password_is_typed_again_for_another_registrar(
    machine: Machine, engine: AsyncEngine, clients: Mapping[str, Client]
) -> None:
    trunk: dict[str, Any] = {
        "name": "t",
        "carrier_name": "c",
        "registrar_uri": "sip:sip.example.com",
        "username": "me",
        "password": "canary-of-a-trunk",
    }
    address = f"/trunks/{await machine.make('/trunks', trunk)}"

    async def change(who: Machine = machine, **more: Any) -> tuple[int, Any]:
        _, _, headers = await machine.ask("GET", address)
        body = {**trunk, "password": None, **more}
        status, content, _ = await who.ask("PUT", address, body, If_Match=headers["ETag"])
        return status, content

    assert (await change(cost_per_minute_micros=5))[0] == 200
    for uri in ("sip:strange.example", "sip:sip.example.com:5080", "sip:sip.example.com;transport=tcp"):
        status, content = await change(registrar_uri=uri)
        assert status == 422 and {one["field"] for one in content["errors"]} == {"password"}, uri
    assert (await change(Machine(clients["manager"]), registrar_uri="sip:strange.example", password="x"))[
        0
    ] == 403
    async with engine.connect() as connection:
        row = (
            (await connection.execute(select(tables.trunks).where(tables.trunks.c.name == "t")))
            .mappings()
            .one()
        )
    assert (row["registrar_uri"], row["password"]) == ("sip:sip.example.com", "canary-of-a-trunk")
    assert (await change(registrar_uri="sip:strange.example", password="another"))[0] == 200
    assert (await change(registrar_uri=None))[0] == 422, "the address is missing, not the password"


async def test_no_column_of_any_table_holds_a_secret_in_clear(
    machine: Machine, endpoint: dict[str, Any], market: Market, engine: AsyncEngine
) -> None:
    trunk = {
        "name": "t",
        "carrier_name": "c",
        "registrar_uri": "sip:sip.example.com",
        "username": "me",
        "password": "canary-of-a-trunk",
    }
    await machine.make("/trunks", trunk)
    assert (await put(machine, {**endpoint, "budget_per_minute": 9}))[0] == 200
    await machine.ask("POST", f"/ping-endpoints/{market.chosen_id}/test", {"deadline_ms": 50})
    canaries = (SECRET, KEY, trunk["password"])
    spelled = [one for canary in canaries for one in (canary, canary.encode().hex())]
    looked_at = 0
    async with engine.connect() as connection:
        for table in tables.metadata.sorted_tables:
            for row in await connection.scalars(text(f'SELECT t::text FROM "{table.name}" t')):
                looked_at += 1
                assert not [one for one in spelled if one in row], table.name
    assert looked_at > 20
