"""A POST that is repeated: answered as before, but for what was shown once, which is kept nowhere."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import api_answers, users
from tests.web.conftest import EMAIL, Client
from tests.web.market import CALLER, Market
from web.api.operation import Operation
from web.api.operations import OPERATIONS
from web.api.queries import delete_old_answers

SECRETS = {"token", "link", "key", "code", "password", "secret"}


def fields_of(operation: Operation) -> set[str]:
    """Its answer's fields that are texts: of a secret that is kept, an answer says only whether there is one."""
    fields = getattr(operation.answer, "model_fields", {})
    return {name for name, field in fields.items() if field.annotation is str}


async def asked_twice(
    admin: Client, path: str, body: dict[str, Any] | None
) -> tuple[int, dict[str, Any], int, dict[str, Any]]:
    """Post the same with the same key two times; return both answers."""
    found: list[Any] = []
    for _ in range(2):
        async with admin.post(f"/api/v1{path}", json=body, headers={"Idempotency-Key": path}) as answer:
            found += [answer.status, await answer.json()]
    return found[0], found[1], found[2], found[3]


async def test_what_was_shown_once_is_kept_nowhere_and_a_repeat_says_how_to_go_on(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    async with engine.connect() as connection:
        user_id = (await connection.execute(select(users.c.id).where(users.c.email == EMAIL))).scalar_one()
    asked: list[tuple[str, dict[str, Any] | None, str, str]] = [
        ("/account/tokens", {"name": "Report", "scopes": ["read:calls"]}, "token", "/account/tokens"),
        ("/users", {"email": "new@example.com", "role": "analyst"}, "link", "/users/{id}/link"),
        (f"/users/{user_id}/link", None, "link", "ask again with a new key"),
        (
            f"/publishers/{market.publisher_id}/keys",
            {"campaign_id": market.campaign_id, "dialect": "tollbridge"},
            "key",
            "revoke",
        ),
        ("/sale-keys", {"buyer_id": market.buyer_id}, "key", "revoke"),
    ]
    for path, body, field, way in asked:
        status, content, again, problem = await asked_twice(admin, path, body)
        assert status in (200, 201), (path, content)
        secret = str(content[field]).rpartition("/")[2]
        async with engine.connect() as connection:
            rows = (await connection.execute(select(api_answers))).all()
        assert secret not in " ".join(str(row) for row in rows), path
        assert (again, problem["title"]) == (409, "Done before"), path
        assert way in problem["detail"] and secret not in json.dumps(problem), problem


async def test_a_number_in_a_request_is_nowhere_in_the_clear(
    admin: Client, engine: AsyncEngine, market: Market
) -> None:
    """Neither by the answer that is kept, nor by trying all numbers against the digest of the request."""
    body = {"kind": "number", "value": CALLER, "reason": "rude"}
    status, content, again, repeated = await asked_twice(admin, "/blocked-callers", body)
    assert (status, again) == (201, 201) and content == repeated and CALLER in str(content)
    async with admin.get("/api/v1/blocked-callers") as answer:
        assert len((await answer.json())["items"]) == 1
    query = text("SELECT encode(body, 'escape') AS body, request_digest FROM api_answers")
    async with engine.connect() as connection:
        row = (await connection.execute(query)).one()
    assert CALLER[1:] not in row.body
    sent = b"/api/v1/blocked-callers\n" + json.dumps(body).encode()
    assert row.request_digest != hashlib.sha256(sent).digest()


async def test_nothing_is_done_twice(admin: Client, engine: AsyncEngine) -> None:
    """The key of an answer that is not kept is used all the same."""
    body = {"name": "Report", "scopes": ["read:calls"]}
    await asked_twice(admin, "/account/tokens", body)
    async with admin.get("/api/v1/account/tokens") as answer:
        assert len(await answer.json()) == 1
    # Refusals hold no secret: they are repeated as they were.
    status, first, again, second = await asked_twice(admin, "/account/tokens", body | {"scopes": ["x"]})
    assert (status, again) == (422, 422) and first == second


async def test_an_answer_that_an_older_version_kept_is_forgotten_its_key_is_not(
    admin: Client, engine: AsyncEngine
) -> None:
    body, headers = {"name": "Buckeye"}, {"Idempotency-Key": "old"}
    async with admin.post("/api/v1/publishers", json=body, headers=headers) as answer:
        assert answer.status == 201
    async with engine.begin() as connection:
        await connection.execute(update(api_answers).values(body=None, headers=None))
    async with admin.post("/api/v1/publishers", json=body, headers=headers) as answer:
        assert answer.status == 409 and (await answer.json())["title"] == "Done before"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_whatever_shows_a_secret_says_so(operation: Operation) -> None:
    if operation.method == "POST" and fields_of(operation) & SECRETS:
        assert operation.shown_once, "an answer with a secret must not be kept"


async def test_the_worker_forgets_answers_of_yesterday_whoever_asked(
    admin: Client, engine: AsyncEngine
) -> None:
    for key in ("a", "b"):
        async with admin.post(
            "/api/v1/publishers", json={"name": key}, headers={"Idempotency-Key": key}
        ) as answer:
            assert answer.status == 201
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await connection.execute(
            update(api_answers).where(api_answers.c.key == "a").values(created_at=now - timedelta(hours=25))
        )
        await delete_old_answers(connection, now)
        assert (await connection.execute(select(api_answers.c.key))).scalars().all() == ["b"]
        assert (await connection.execute(select(func.count()).select_from(api_answers))).scalar_one() == 1
