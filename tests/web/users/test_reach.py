"""How far a session and a token reach: what a stolen one cannot take over, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import api_tokens, passkeys, users, web_sessions
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from tests.web.users.test_users import COMMAND, link_on
from web.api_tokens import make_token, scopes_for
from web.audit import Actor
from web.auth import UserCreated, Visitor, create_user, digest_of, open_session, renew_session, set_password
from web.authority import RULES, Act, Credential, NotAllowed
from web.directory_groups.groups import give_role
from web.ends import end_everything
from web.keys import Role, User
from web.users.people import Belonging, LinkMade, change_person, disable, enable, make_person_link

NEW = "quite another battery"
SECRET = "tbt_made_before_for_a_day"
OLD = datetime(2026, 1, 1, tzinfo=UTC)


async def add_token(engine: AsyncEngine, user_id: int, role: Role, *, secret: str = SECRET) -> dict[str, str]:
    """Give somebody a token that may do all they may, for a day; return the header it is sent in."""
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await connection.execute(
            insert(api_tokens).values(
                user_id=user_id,
                name="stolen",
                token_digest=digest_of(secret),
                beginning=secret[:8],
                scopes=scopes_for(role),
                created_at=now,
                expires_at=now + timedelta(days=1),
            )
        )
    return {"Authorization": f"Bearer {secret}"}


async def add_person(engine: AsyncEngine, role: Role, *, with_factor: bool = True) -> User:
    email = f"{role}-{with_factor}@example.com"
    made = await create_user(engine, email, PASSWORD, role)
    assert isinstance(made, UserCreated)
    if with_factor:
        async with engine.begin() as connection:
            await connection.execute(
                update(users).where(users.c.id == made.user_id).values(totp_secret=b"x", totp_last_step=1)
            )
    return User(user_id=made.user_id, email=email, role=role)


async def add_passkey(engine: AsyncEngine, user_id: int) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            insert(passkeys).values(
                credential_id=b"key %d" % user_id,
                user_id=user_id,
                public_key=b"\xa0",
                sign_count=0,
                name="Key",
            )
        )


async def admins_id(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(select(users.c.id).where(users.c.email == EMAIL))).scalar_one())


async def make_worth(engine: AsyncEngine, user_id: int, credential: Credential) -> None:
    """Make the sessions of somebody worth this much."""
    now = datetime.now(UTC)
    verified = OLD if credential is Credential.STALE else now
    factor = now if credential is Credential.FACTOR else None
    async with engine.begin() as connection:
        await connection.execute(
            update(web_sessions)
            .where(web_sessions.c.user_id == user_id)
            .values(verified_at=verified, factor_at=factor)
        )


async def by_link(engine: AsyncEngine, client: Client, person: User) -> None:
    actor = Actor(user=person, credential=Credential.PASSWORD)
    admin = Actor(user=User(user_id=person.user_id, email="x", role=Role.ADMIN), credential=actor.credential)
    made = await make_person_link(engine, admin, person.user_id, datetime.now(UTC))
    assert isinstance(made, LinkMade)
    async with client.post(made.path, data={"password": NEW, "again": NEW}) as page:
        assert page.status == 200, await page.text()


async def by_changing_it(engine: AsyncEngine, client: Client, person: User) -> None:
    assert await sign_in(client, person.email) == 303
    form = {"old": PASSWORD, "new": NEW, "again": NEW}
    async with client.post("/account/password", data=form) as page:
        assert page.status == 200, await page.text()


async def by_signing_out_everywhere(engine: AsyncEngine, client: Client, person: User) -> None:
    assert await sign_in(client, person.email) == 303
    async with client.post("/account/sign-out-everywhere") as page:
        assert page.url.path == "/sign-in"


async def by_an_admin(engine: AsyncEngine, client: Client, person: User) -> None:
    assert await sign_in(client) == 303
    async with client.post(f"/users/{person.user_id}/end-sessions") as page:
        assert "signed out everywhere" in await page.text()


async def by_command(engine: AsyncEngine, client: Client, person: User) -> None:
    assert await set_password(engine, person.email, NEW) is None


@pytest.mark.parametrize("end", [by_link, by_changing_it, by_signing_out_everywhere, by_an_admin, by_command])
async def test_what_a_thief_had_before_opens_nothing_after(
    engine: AsyncEngine,
    site: TestServer,
    end: Callable[[AsyncEngine, Client, User], Awaitable[None]],
) -> None:
    person = await add_person(engine, Role.MANAGER, with_factor=False)
    async with open_client(site) as thief, open_client(site) as owner:
        assert await sign_in(thief, person.email) == 303
        token = await add_token(engine, person.user_id, Role.MANAGER)
        await add_passkey(engine, person.user_id)
        async with thief.get("/api/v1/account") as answer:
            assert answer.status == 200
        async with owner.get("/api/v1/account", headers=token) as answer:
            assert answer.status == 200
        await end(engine, owner, person)
        async with thief.get("/api/v1/account") as answer:
            assert answer.status == 401, "the session"
        async with thief.get("/api/v1/account", headers=token) as answer:
            assert answer.status == 401, "the token"
    async with engine.connect() as connection:
        assert not (await connection.execute(select(func.count()).select_from(passkeys))).scalar_one()


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(delays=st.lists(st.floats(0, 0.02), min_size=3, max_size=3))
async def test_what_is_made_at_the_moment_everything_ends_ends_too(
    engine: AsyncEngine, site: TestServer, delays: list[float]
) -> None:
    """A thief's requests may be under way when the owner signs out everywhere."""
    async with engine.connect() as connection:
        known = (await connection.execute(select(users.c.id).where(users.c.role == "buyer"))).scalar()
    person = await add_person(engine, Role.BUYER, with_factor=False) if known is None else None
    user = person or User(user_id=int(known or 0), email="buyer-False@example.com", role=Role.BUYER)
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        session = await open_session(connection, user, Visitor(address="192.0.2.1"), now, how="password")
    holder = digest_of(session.token)
    actor = Actor(user=user, credential=Credential.PASSWORD, holder=holder)

    async def make(delay: float) -> object:
        await asyncio.sleep(delay)
        scopes = ["read:account"]
        return await make_token(engine, actor, user, name="Mine", scopes=scopes, lifetime_days=None, now=now)

    async def renew(delay: float) -> object:
        await asyncio.sleep(delay)
        async with engine.begin() as connection:
            return await renew_session(connection, holder, with_factor=True, now=now)

    async def end(delay: float) -> None:
        await asyncio.sleep(delay)
        async with engine.begin() as connection:
            await end_everything(connection, user.user_id, now)

    await asyncio.gather(make(delays[0]), renew(delays[1]), end(delays[2]), return_exceptions=True)
    async with engine.connect() as connection:
        good = api_tokens.c.revoked_at.is_(None)
        assert not (await connection.execute(select(api_tokens.c.id).where(good))).all()
        assert not (await connection.execute(select(web_sessions.c.id))).all()


async def test_links_a_thief_made_for_others_end_with_theirs(admin: Client, engine: AsyncEngine) -> None:
    manager = await add_person(engine, Role.MANAGER)
    paths = []
    for path, form in (
        (f"/users/{manager.user_id}/link", {}),
        ("/users/new", {"email": "eve@example.com", "role": "admin"}),
    ):
        async with admin.post(path, data=form) as page:
            paths.append(link_on(await page.text()))
    assert await set_password(engine, EMAIL, NEW) is None
    for path in paths:
        async with admin.get(path) as page:
            assert page.status == 410


@pytest.mark.parametrize("is_disabled", [True, False])
async def test_links_end_with_the_power_of_who_made_them(
    site: TestServer, engine: AsyncEngine, *, is_disabled: bool
) -> None:
    """Who is disabled, or made less than an admin, has handed on no way in for later."""
    maker, manager = await add_person(engine, Role.ADMIN), await add_person(engine, Role.MANAGER)
    actor, now = Actor(user=maker, credential=Credential.FACTOR), datetime.now(UTC)
    made = await make_person_link(engine, actor, manager.user_id, now)
    assert isinstance(made, LinkMade)
    if is_disabled:
        assert await disable(engine, COMMAND, maker.user_id, now) is None
    else:
        lesser = Belonging(role=Role.ANALYST)
        changed = await change_person(
            engine, COMMAND, maker.user_id, name="", belonging=lesser, seen=None, now=now
        )
        assert changed is None
    async with open_client(site) as anybody, anybody.get(made.path) as page:
        assert page.status == 410


async def test_who_is_put_out_meanwhile_changes_nobody(site: TestServer, engine: AsyncEngine) -> None:
    owner, other = await add_person(engine, Role.ADMIN), await add_person(engine, Role.ANALYST)
    actor = Actor(user=owner, credential=Credential.FACTOR, holder=digest_of("a session that has ended"))
    belonging, now = Belonging(role=Role.ADMIN), datetime.now(UTC)
    for refused in (
        await change_person(engine, actor, other.user_id, name="", belonging=belonging, seen=None, now=now),
        await enable(engine, actor, other.user_id),
        await give_role(engine, actor, "sales", belonging),
    ):
        assert refused is NotAllowed.CONFIRM


async def test_a_token_for_a_day_makes_none_that_lasts(admin: Client, engine: AsyncEngine) -> None:
    token = await add_token(engine, await admins_id(engine), Role.ADMIN)
    body = {"name": "For ever", "scopes": ["read:account"]}
    async with admin.post("/api/v1/account/tokens", json=body, headers=token) as answer:
        assert answer.status == 403 and "sign in on the pages" in (await answer.json())["detail"]


async def test_a_session_left_alone_makes_no_way_in(admin: Client, engine: AsyncEngine) -> None:
    """No token, no second factor, no passkey, no link for a new password: it asks for the password."""
    user_id, person = await admins_id(engine), await add_person(engine, Role.BUYER)
    await make_worth(engine, user_id, Credential.STALE)
    token = {"name": "Mine", "days": "7", "scopes": ["read:account"]}
    for path, form in (
        ("/account/tokens", token),
        ("/account/second-factor", {}),
        (f"/users/{person.user_id}/link", {}),
        ("/users/new", {"email": "eve@example.com", "role": "admin"}),
    ):
        async with admin.post(path, data=form) as page:
            text = await page.text()
        assert page.status == 403 and "Confirm that it is you" in text, path
        assert f'action="{path}"' in text
        for value in form.values():
            assert isinstance(value, list) or f'value="{value}"' in text, "nothing typed is lost"
        async with admin.post(path, data=form | {"confirm_password": "wrong"}) as page:
            assert page.status == 403 and "not your password" in await page.text()
    async with admin.post("/account/passkeys/question", json={}) as answer:
        assert answer.status == 403 and (await answer.json())["confirm"].startswith("/confirm")
    async with admin.post("/api/v1/account/tokens", json={"name": "x", "scopes": ["read:account"]}) as answer:
        assert answer.status == 403 and "/confirm" in (await answer.json())["detail"]
    # The password, given with what was asked, does it; and counts for what follows.
    async with admin.post("/account/tokens", data=token | {"confirm_password": PASSWORD}) as page:
        assert "shown this once" in await page.text()
    async with admin.post(f"/users/{person.user_id}/link") as page:
        assert "/link/" in await page.text()


async def test_a_copied_cookie_is_worth_nothing_once_its_owner_confirms(
    admin: Client, engine: AsyncEngine, site: TestServer
) -> None:
    """A thief does not gain by what the owner shows, and is out."""
    base = site.make_url("/")
    for path, form in (
        ("/confirm", {"next": "/account", "confirm_password": PASSWORD}),
        (
            "/account/tokens",
            {"name": "x", "days": "1", "scopes": "read:account", "confirm_password": PASSWORD},
        ),
        ("/account/password", {"old": PASSWORD, "new": NEW, "again": NEW}),
    ):
        thief = {name: cookie.value for name, cookie in admin.session.cookie_jar.filter_cookies(base).items()}
        async with ClientSession(base, cookies=thief, cookie_jar=CookieJar(unsafe=True)) as stolen:
            async with stolen.get("/api/v1/account") as answer:
                assert answer.status == 200
            async with admin.post(path, data=form) as page:
                assert page.status == 200, path
            async with admin.get("/api/v1/account") as answer:
                assert answer.status == 200, path
            async with stolen.get("/api/v1/account") as answer:
                assert answer.status == 401, path


async def test_nobody_takes_another_s_second_factor_without_one_of_their_own(
    admin: Client, engine: AsyncEngine
) -> None:
    user_id, person = await admins_id(engine), await add_person(engine, Role.ADMIN)
    await add_passkey(engine, person.user_id)
    page_of = f"/users/{person.user_id}"
    async with admin.post(f"{page_of}/remove-second-factor") as page:
        text = await page.text()
        assert page.status == 403 and "you have none yet" in text
    # The password is not what is wanted, even when it is right.
    async with admin.post(f"{page_of}/remove-second-factor", data={"confirm_password": PASSWORD}) as page:
        assert page.status == 403
    await make_worth(engine, user_id, Credential.FACTOR)
    async with admin.post(f"{page_of}/passkeys/AAAA/remove") as page:
        assert page.status == 409 and "no such second factor" in await page.text()
    async with admin.post(f"{page_of}/remove-second-factor") as page:
        assert "second factor is gone" in await page.text()
    async with admin.get(page_of) as page:
        remove = f"/users/{person.user_id}/passkeys/"
        text = await page.text()
    path = remove + text.partition(f'action="{remove}')[2].partition('"')[0]
    async with admin.post(path) as page:
        assert "passkey opens nothing more" in await page.text()


ACTS: dict[Act, tuple[str, str]] = {
    Act.CHANGE: ("PUT", ""),
    Act.MAKE_RESET: ("POST", "/link"),
    Act.DISABLE: ("POST", "/disable"),
    Act.ENABLE: ("POST", "/enable"),
    Act.SIGN_OUT: ("POST", "/end-sessions"),
    Act.TAKE_FACTOR: ("POST", "/remove-second-factor"),
}


@pytest.mark.parametrize("credential", Credential)
async def test_the_table_holds_at_the_door(
    admin: Client, engine: AsyncEngine, site: TestServer, credential: Credential
) -> None:
    """Each act on a person of each role by the API, with a session or a token that is worth so much."""
    user_id = await admins_id(engine)
    headers = await add_token(engine, user_id, Role.ADMIN) if credential is Credential.TOKEN else {}
    await make_worth(engine, user_id, credential)
    wrong = []
    for role in Role:
        person = await add_person(engine, role)
        for act, (method, path) in ACTS.items():
            body = {"name": "x", "role": str(role)} if act is Act.CHANGE else None
            more = {"If-Match": "*"} if act is Act.CHANGE else {}
            async with admin.request(
                method, f"/api/v1/users/{person.user_id}{path}", json=body, headers=headers | more
            ) as answer:
                status = answer.status
            allowed = role in RULES[act].reach(credential)
            if (status != 403) is not allowed or status >= 500 or status == 401:
                wrong.append(f"{act} of {role} by {credential}: {status}")
    assert not wrong, "\n".join(wrong)


async def test_no_other_role_reaches_anybody(site: TestServer, engine: AsyncEngine) -> None:
    target = await add_person(engine, Role.PUBLISHER)
    async with open_client(site) as client:
        for role in (Role.MANAGER, Role.ANALYST, Role.BUYER):
            person = await add_person(engine, role, with_factor=False)
            assert await sign_in(client, person.email) == 303
            await make_worth(engine, person.user_id, Credential.FACTOR)
            for method, path in ACTS.values():
                async with client.request(method, f"/api/v1/users/{target.user_id}{path}") as answer:
                    assert answer.status == 403, (role, path)
