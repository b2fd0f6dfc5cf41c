"""Which group of the directory is what here: an admin says so on a page, and one group never means two people."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import audit_log, directory_groups
from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from tests.web.market import Market
from web.api_tokens import TokenMade, make_token
from web.audit import Actor, Via
from web.auth import create_user
from web.directory_groups.groups import GROUPS_MAXIMUM, GroupRefusal, NoRole, give_role, role_of_groups
from web.keys import Role, User
from web.users.people import Belonging

SOMEBODY = Actor(user=None, via=Via.COMMAND, name="test")
_HOUSE = st.sampled_from([Role.ADMIN, Role.MANAGER, Role.ANALYST]).map(lambda role: Belonging(role=role))
_BUYERS = st.integers(1, 3).map(lambda buyer_id: Belonging(role=Role.BUYER, buyer_id=buyer_id))
_PUBLISHERS = st.integers(1, 3).map(lambda one: Belonging(role=Role.PUBLISHER, publisher_id=one))


@given(st.dictionaries(st.text(max_size=3), _HOUSE | _BUYERS | _PUBLISHERS), st.lists(st.text(max_size=3)))
def test_nobody_is_more_than_their_groups_and_never_one_of_two_parties_by_chance(
    mapped: dict[str, Belonging], groups: list[str]
) -> None:
    role = role_of_groups(groups, mapped)
    theirs = {mapped[group] for group in groups if group in mapped}
    assert role == role_of_groups(groups[::-1], mapped)
    if isinstance(role, Belonging):
        assert role in theirs
        assert role.role in (Role.ADMIN, Role.MANAGER, Role.ANALYST) or len(theirs) == 1
    else:
        assert (role is NoRole.NONE_MAPPED) == (not theirs)


async def test_an_admin_gives_and_takes_roles(admin: Client, engine: AsyncEngine, market: Market) -> None:
    async with admin.get("/directory-groups") as page:
        text = await page.text()
    assert "No group has a role" in text and "TOLLBRIDGE_OIDC_ISSUER" in text
    given_ = {"name": " sales <b>", "role": "buyer", "buyer": "nobody"}
    async with admin.post("/directory-groups", data=given_) as page:
        text = await page.text()
        assert page.status == 422 and "say which buyer" in text and 'value="sales &lt;b&gt;"' in text
    for role in ("admin", "owner", ""):
        async with admin.post("/directory-groups", data={"name": "", "role": role}) as page:
            assert page.status == 422
    async with admin.post("/directory-groups", data={"name": "sales <b>", "role": "manager"}) as page:
        text = await page.text()
        assert page.status == 200 and "Saved." in text and "<bdi>sales &lt;b&gt;</bdi>" in text
    async with admin.post("/directory-groups", data={"name": "sales <b>", "role": "admin"}) as page:
        assert page.status == 422 and "has a role already" in await page.text()
    async with engine.connect() as connection:
        group_id = (await connection.execute(select(directory_groups.c.id))).scalar_one()
    async with admin.post(f"/directory-groups/{group_id}/remove") as page:
        assert "Its role is gone" in await page.text()
    async with admin.post(f"/directory-groups/{group_id}/remove") as page:
        assert page.status == 404
    async with engine.connect() as connection:
        where = audit_log.c.kind == "directory_groups"
        entries = (await connection.execute(select(audit_log).where(where).order_by(audit_log.c.id))).all()
    assert [(one.action, one.actor) for one in entries] == [
        ("create", "ada@example.com"), ("delete", "ada@example.com"),
    ]  # fmt: skip
    assert entries[0].after == {
        "name": "sales <b>",
        "role": "manager",
        "buyer_id": None,
        "publisher_id": None,
    }


async def test_a_buyers_group_and_the_limit(engine: AsyncEngine, market: Market) -> None:
    role = Belonging(role=Role.BUYER, buyer_id=market.buyer_id)
    for number in range(GROUPS_MAXIMUM):
        assert isinstance(await give_role(engine, SOMEBODY, f"g{number}", role), int)
    assert await give_role(engine, SOMEBODY, "one more", role) is GroupRefusal.MANY
    for name in ("", " ", "a\nb", "x" * 301):
        assert await give_role(engine, SOMEBODY, name, role) is GroupRefusal.NAME


async def test_only_admins_and_a_token_only_reads(site: TestServer, engine: AsyncEngine) -> None:
    made = await create_user(engine, "max@example.com", PASSWORD, "manager")
    await give_role(engine, SOMEBODY, "sales", Belonging(role=Role.ANALYST))
    async with open_client(site) as manager:
        assert await sign_in(manager, "max@example.com") == 303
        for path in ("/directory-groups", "/directory-groups/1/remove"):
            async with manager.post(path, data={"name": "x", "role": "admin"}) as page:
                assert page.status == 403
        async with manager.get("/api/v1/directory-groups") as answer:
            assert answer.status == 403
        owner = User(user_id=1, email="ada@example.com", role=Role.ADMIN)
        token = await make_token(
            engine, SOMEBODY, owner, name="t", scopes=["read:users"], lifetime_days=1, now=datetime.now(UTC)
        )
        assert isinstance(token, TokenMade) and made is not None
        headers = {"Authorization": f"Bearer {token.secret}"}
        async with manager.get("/api/v1/directory-groups", headers=headers) as answer:
            (item,) = (await answer.json())["items"]
        assert (item["name"], item["role"]) == ("sales", "analyst")
        async with manager.post("/api/v1/directory-groups", headers=headers, json={}) as answer:
            assert answer.status in (404, 405)
