"""Somebody of the house's directory at the door: let in by their groups, refused with the way out, never confused."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pyotp
import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import audit_log, buyers, user_links, users, web_sessions
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, security_events, sign_in
from tests.web.oidc.conftest import (
    SOMEBODY,
    come_back,
    config_of,
    is_inside,
    open_house,
    reopened,
    sign_in_there,
    to_provider,
)
from tests.web.oidc.idp import Idp
from web.api_tokens import make_token, user_of_token
from web.audit import Actor
from web.auth import UserCreated, create_user
from web.authority import Credential
from web.directory_groups.groups import give_role
from web.keys import Role, User
from web.oidc.config import OidcConfig
from web.second_factor.vault import Vault
from web.users.people import Belonging, LinkMade, disable, make_person_link


async def person(engine: AsyncEngine, subject: str = "ada-1") -> Any:
    async with engine.connect() as connection:
        statement = select(users).where(users.c.directory_subject == subject)
        return (await connection.execute(statement)).one_or_none()


async def noted(engine: AsyncEngine, action: str) -> list[Any]:
    async with engine.connect() as connection:
        statement = select(audit_log).where(audit_log.c.action == action).order_by(audit_log.c.id)
        return list(await connection.execute(statement))


async def test_a_house_without_a_directory_shows_no_button(stranger: Client) -> None:
    async with stranger.get("/sign-in") as page:
        assert "/sign-in/directory" not in await page.text()
    for path in ("/sign-in/directory", "/sign-in/directory/back?code=1&state=2"):
        async with stranger.get(path) as page:
            assert page.status == 404


async def test_the_first_sign_in_makes_a_person_with_the_role_of_their_group(
    browser: Client, engine: AsyncEngine
) -> None:
    async with browser.get("/sign-in?next=/calls") as page:
        text = await page.text()
    assert "Sign in with House accounts" in text and 'href="/sign-in/directory?next=%2Fcalls"' in text
    status, leads_to, _ = await sign_in_there(browser, "/sign-in/directory?next=/calls")
    assert (status, leads_to) == (303, "/calls")
    async with browser.get("/account") as page:
        text = await page.text()
    assert "ada.l@house.example" in text and "role analyst" in text
    assert "You sign in with House accounts" in text and "Change the password" not in text
    made = await person(engine)
    assert (made.email, made.name, made.role, made.password_hash) == (
        "ada.l@house.example", "Ada L.", "analyst", "",
    )  # fmt: skip
    (entry,) = await noted(engine, "sign_in")
    assert entry.after["how"] == "directory" and entry.actor == "ada.l@house.example"
    # The second time nobody is made.
    assert (await sign_in_there(browser))[0] == 303
    assert len(await noted(engine, "create")) == 2 + 1, "the admin, the group, Ada"


async def test_two_first_sign_ins_at_once_are_one_person(
    house: TestServer, browser: Client, engine: AsyncEngine
) -> None:
    async with open_client(house) as other:
        answers = [(client, await to_provider(client)) for client in (browser, other)]
        came = await asyncio.gather(*(come_back(client, back) for client, back in answers))
        assert [status for status, _, _ in came] == [303, 303]
        assert await is_inside(browser) and await is_inside(other)
    assert await person(engine) is not None, "one, or this would find several"


async def test_who_has_no_mapped_group_is_refused_with_the_way_out(
    browser: Client, idp: Idp, engine: AsyncEngine
) -> None:
    for groups, says in (
        (["nobody-mapped"], "none of your groups has a role here"),
        ([], "none of your groups has a role here"),
        (None, "did not say which groups"),
        ("SALES", "none of your groups has a role here"),
        ([7, {"a": 1}], "none of your groups has a role here"),
        (["x"] * 2_001, "did not say which groups"),
    ):
        idp.claims = {"groups": groups}
        status, _, text = await sign_in_there(browser)
        assert status == 403 and says in text, groups
        assert "Sign in with House accounts" in text and 'action="/sign-in"' in text
    assert await person(engine) is None and not await is_inside(browser)
    refused = await noted(engine, "sign_in_refused")
    assert [entry.after["why"] for entry in refused][:3] == ["no group", "no group", "no groups sent"]


async def test_the_house_goes_before_a_party_and_two_parties_are_nobody(
    browser: Client, idp: Idp, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        ids = [
            (await connection.execute(insert(buyers).values(name=name).returning(buyers.c.id))).scalar_one()
            for name in ("Buckeye", "Keystone")
        ]
    for name, buyer_id in zip(("buckeye", "keystone"), ids, strict=True):
        role = Belonging(role=Role.BUYER, buyer_id=buyer_id)
        assert isinstance(await give_role(engine, SOMEBODY, name, role), int)
    idp.claims = {"groups": ["buckeye", "keystone"]}
    status, _, text = await sign_in_there(browser)
    assert status == 403 and "more than one buyer or publisher" in text
    idp.claims = {"groups": ["buckeye"]}
    assert (await sign_in_there(browser))[0] == 303
    assert ((made := await person(engine)).role, made.buyer_id) == ("buyer", ids[0])
    idp.claims = {"groups": ["buckeye", "keystone", "sales"]}
    assert (await sign_in_there(browser))[0] == 303
    assert ((made := await person(engine)).role, made.buyer_id) == ("analyst", None)


async def test_another_role_ends_what_was_open_and_a_lost_one_everything(
    house: TestServer, browser: Client, idp: Idp, engine: AsyncEngine
) -> None:
    await give_role(engine, SOMEBODY, "chiefs", Belonging(role=Role.MANAGER))
    idp.claims = {"groups": ["chiefs"]}
    async with open_client(house) as other:
        assert (await sign_in_there(other))[0] == 303 and await is_inside(other)
        idp.claims = {"groups": ["sales"]}
        assert (await sign_in_there(browser))[0] == 303
        assert await is_inside(browser) and not await is_inside(other)
        made = await person(engine)
        (change,) = await noted(engine, "change")
        assert (change.before["role"], change.after["role"], change.actor) == (
            "manager",
            "analyst",
            "directory",
        )
        # A token of theirs opens as long as the directory vouches for them.
        owner = User(user_id=made.id, email=made.email, role=Role.ANALYST)
        now = made.directory_confirmed_until
        token = await make_token(
            engine, SOMEBODY, owner, name="t", scopes=["read:calls"], lifetime_days=None, now=now
        )
        assert await user_of_token(engine, token.secret, now) is not None  # type: ignore[union-attr]
        idp.claims = {"groups": ["nobody-mapped"]}
        assert (await sign_in_there(other))[0] == 403
        assert not await is_inside(browser)
        assert await user_of_token(engine, token.secret, now) is None  # type: ignore[union-attr]
        idp.claims = {}
        assert (await sign_in_there(browser))[0] == 303
        assert await user_of_token(engine, token.secret, now) is not None  # type: ignore[union-attr]


@pytest.mark.parametrize("groups", [["sales"], ["nobody-mapped"]])
async def test_links_an_admin_made_end_when_the_directory_takes_their_role(
    browser: Client, idp: Idp, engine: AsyncEngine, groups: list[str]
) -> None:
    await give_role(engine, SOMEBODY, "chiefs", Belonging(role=Role.ADMIN))
    idp.claims = {"groups": ["chiefs"]}
    assert (await sign_in_there(browser))[0] == 303
    made, other = await person(engine), await create_user(engine, "max@example.com", PASSWORD, "manager")
    assert isinstance(other, UserCreated)
    actor = Actor(user=User(user_id=made.id, email=made.email, role=Role.ADMIN), credential=Credential.FACTOR)
    link = await make_person_link(engine, actor, other.user_id, made.directory_confirmed_until)
    assert isinstance(link, LinkMade)
    idp.claims = {"groups": groups}
    await sign_in_there(browser)
    async with engine.connect() as connection:
        assert (await connection.execute(select(user_links.c.used_at))).scalar_one() is not None


async def test_an_address_proves_nothing(
    house: TestServer, browser: Client, idp: Idp, engine: AsyncEngine, config: OidcConfig, tmp_path: Path
) -> None:
    # The admin's address, verified or not, lets nobody into the admin's account.
    for verified in (True, False, None, "true"):
        idp.claims = {"email": EMAIL, "email_verified": verified}
        status, _, text = await sign_in_there(browser)
        assert status == 403 and not await is_inside(browser), verified
        assert ("exists here already" if verified is True else "has verified your e-mail address") in text
    idp.claims = {"email": "new@house.example", "email_verified": None}
    assert (await sign_in_there(browser))[0] == 403
    trusting = await reopened(house, engine, tmp_path, config, trust_emails=True)
    async with open_client(trusting) as ada:
        assert (await sign_in_there(ada))[0] == 303
    assert (await person(engine)).email == "new@house.example"
    await trusting.close()


async def test_the_same_subject_of_another_tenant_is_somebody_else(
    browser: Client, house: TestServer, engine: AsyncEngine, tmp_path: Path
) -> None:
    assert (await sign_in_there(browser))[0] == 303
    other = Idp()
    await other.start()
    other.person |= {"email": "someone@else.example", "groups": ["sales"]}
    config = config_of(other.issuer)
    elsewhere = await open_house(engine, config, tmp_path)
    async with open_client(elsewhere) as eve:
        assert (await sign_in_there(eve))[0] == 303
        async with eve.get("/account") as page:
            assert "someone@else.example" in await page.text()
        # And with the first one's address they are nobody at all.
        other.person |= {"sub": "eve-2", "email": "ada.l@house.example"}
        assert (await sign_in_there(eve))[0] == 403
    await elsewhere.close()
    await other.server.close()


async def test_an_answer_is_taken_once_and_from_the_browser_that_was_sent_away(
    house: TestServer, browser: Client, engine: AsyncEngine
) -> None:
    back = await to_provider(browser)
    async with open_client(house) as eve:
        # Eve's browser with Ada's answer, and Ada's with one that Eve has begun.
        status, _, text = await come_back(eve, back)
        assert status == 403 and "start again" in text
        assert (await come_back(browser, await to_provider(eve)))[0] == 403
        for changed in (
            back.replace("state=", "state=x"),
            back.partition("&state")[0],
            back.partition("?")[0],
        ):
            assert (await come_back(browser, changed))[0] == 403
        # None of that ended what Ada has begun; she is let in once.
        assert (await come_back(browser, back))[0] == 303
        assert (await come_back(browser, back))[0] == 403
    async with engine.connect() as connection:
        assert len((await connection.execute(select(web_sessions.c.id))).all()) == 1


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x"]
)
async def test_nobody_is_led_to_another_site(browser: Client, wanted: str) -> None:
    assert (await sign_in_there(browser, f"/sign-in/directory?next={wanted}"))[:2] == (303, "/")


async def test_answers_of_another_issuer_and_refusals_of_the_provider(
    browser: Client, idp: Idp, caplog: pytest.LogCaptureFixture
) -> None:
    back = await to_provider(browser)
    status, _, text = await come_back(browser, f"{back}&iss=https://evil.example")
    assert status == 403 and "did not pass our checks" in text and "code-0" in idp.codes, "never sent on"
    idp.metadata = {"authorization_response_iss_parameter_supported": True}
    said = await to_provider(browser)
    assert (await come_back(browser, f"{said}&iss={idp.issuer}"))[0] == 303, "metadata is kept a while"
    back = (await to_provider(browser)).replace("code=", "error=access_denied&ignored=")
    status, _, text = await come_back(browser, f"{back}&error_description=Call+0900+1234+for+help")
    assert status == 403 and "you cancelled there" in text and "0900" not in text
    back = (await to_provider(browser)).replace("code=", "error=a%0aFORGED+line&ignored=")
    assert (await come_back(browser, back))[0] == 403
    assert "FORGED" in caplog.text and "\nFORGED" not in caplog.text


async def test_a_second_factor_is_asked_for_unless_the_admin_takes_the_directorys(
    house: TestServer, browser: Client, idp: Idp, engine: AsyncEngine, config: OidcConfig, tmp_path: Path
) -> None:
    assert (await sign_in_there(browser))[0] == 303
    made, secret = await person(engine), pyotp.random_base32()
    async with engine.begin() as connection:
        sealed = Vault().seal(made.id, secret)
        await connection.execute(update(users).where(users.c.id == made.id).values(totp_secret=sealed))
    idp.claims = {"amr": ["mfa", "pwd"], "acr": "gold"}
    async with open_client(house) as ada:
        assert (await sign_in_there(ada))[:2] == (303, "/sign-in/code") and not await is_inside(ada)
        code = {"code": pyotp.TOTP(secret).now()}
        async with ada.post("/sign-in/code", data=code, allow_redirects=False) as answer:
            assert answer.status == 303
        assert await is_inside(ada)
    assert (await noted(engine, "sign_in"))[-1].after["how"] == "directory and code"
    believing = await reopened(
        house,
        engine,
        tmp_path,
        config,
        second_factor_amr=frozenset({"mfa"}),
        second_factor_acr=frozenset({"au"}),
    )
    async with open_client(believing) as ada:
        assert (await sign_in_there(ada))[:2] == (303, "/") and await is_inside(ada)
        for claims in ({"amr": "mfa"}, {"amr": ["pwd"], "acr": ["au"]}, {"amr": [["mfa"]]}, {"acr": "mfa"}):
            idp.claims = claims
            assert (await sign_in_there(ada))[1] == "/sign-in/code", claims
    await believing.close()


async def test_somebody_disabled_stays_outside(browser: Client, engine: AsyncEngine) -> None:
    assert (await sign_in_there(browser))[0] == 303
    made = await person(engine)
    await disable(engine, SOMEBODY, made.id, made.created_at)
    status, _, text = await sign_in_there(browser)
    assert status == 403 and "disabled" in text and not await is_inside(browser)


async def test_the_local_admin_comes_in_while_the_directory_is_away(
    browser: Client, idp: Idp, caplog: pytest.LogCaptureFixture
) -> None:
    await idp.server.close()
    async with browser.get("/sign-in/directory") as page:
        assert page.status == 503 and "does not answer" in await page.text()
    assert "no connection" in caplog.text
    assert await sign_in(browser) == 303 and await is_inside(browser)


async def test_beginning_without_end_is_slowed_and_finishing_is_not(
    browser: Client, house: TestServer
) -> None:
    for _ in range(65):
        assert (await sign_in_there(browser))[0] == 303
    async with open_client(house) as eve:
        statuses = []
        for _ in range(61):
            async with eve.get("/sign-in/directory", allow_redirects=False) as answer:
                statuses.append(answer.status)
    assert statuses == [303] * 60 + [429]


async def test_no_password_opens_an_account_of_the_directory(
    house: TestServer, browser: Client, engine: AsyncEngine
) -> None:
    assert (await sign_in_there(browser))[0] == 303
    made = await person(engine)
    from web.auth import set_password
    from web.person_fields import UserRefusal
    from web.users.people import PersonRefusal, change_person, make_person_link

    assert await set_password(engine, made.email, PASSWORD) is UserRefusal.DIRECTORY
    assert await make_person_link(engine, SOMEBODY, made.id, made.created_at) is PersonRefusal.DIRECTORY
    refusal = await change_person(
        engine,
        SOMEBODY,
        made.id,
        name="Ada",
        belonging=Belonging(role=Role.ADMIN),
        seen=None,
        now=made.created_at,
    )
    assert refusal is PersonRefusal.DIRECTORY
    async with open_client(house) as eve:
        for password in ("", PASSWORD):
            assert await sign_in(eve, made.email, password) == 403
    assert (
        await create_user(engine, made.email, PASSWORD, "admin")
        == "somebody with this e-mail address exists already"
    )


async def test_what_opens_a_way_in_wants_somebody_who_has_just_shown_who_they_are(
    browser: Client, idp: Idp, engine: AsyncEngine
) -> None:
    await give_role(engine, SOMEBODY, "chiefs", Belonging(role=Role.ADMIN))
    token = {"name": "t", "scopes": "read:calls"}
    an_hour_ago, now = int(time.time()) - 3_600, int(time.time())
    for claims, fresh in (({"auth_time": an_hour_ago}, False), ({"auth_time": now}, True), ({}, True)):
        idp.claims = {"groups": ["chiefs"], **claims}
        assert (await sign_in_there(browser))[0] == 303
        async with browser.post("/account/tokens", data=token) as page:
            text = await page.text()
            assert (page.status, "/sign-in/directory?again=1" in text) == (
                (200, False) if fresh else (403, True)
            )
            assert fresh or "Your password</label>" not in text or "hidden>" in text
    async with browser.get("/sign-in/directory?again=1", allow_redirects=False) as answer:
        assert "max_age=0" in answer.headers["Location"] and "prompt=login" in answer.headers["Location"]


async def test_what_is_not_believed_leaves_a_line_and_what_is_nobodys_guess_does_not(
    browser: Client, idp: Idp, caplog: pytest.LogCaptureFixture
) -> None:
    await browser.get("/sign-in/directory/back?code=guessed&state=guessed")
    back = await to_provider(browser)
    await come_back(browser, f"{back}&iss=https://evil.example")
    await come_back(browser, (await to_provider(browser)).replace("code=", "code=guessed-"))
    idp.claims = {"groups": ["nobody's"]}
    await sign_in_there(browser)
    assert security_events(caplog) == ["sign-in-refused"] * 4
    cancelled = (await to_provider(browser)).replace("code=", "error=access_denied&ignored=")
    await come_back(browser, cancelled)
    assert security_events(caplog) == []


async def test_one_sign_in_more_than_may_be_begun_leaves_a_line(
    browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(61):
        async with browser.get("/sign-in/directory", allow_redirects=False) as answer:
            assert answer.status == (303 if number < 60 else 429)
    assert security_events(caplog) == ["sign-in-locked"]


async def test_an_answer_that_another_site_makes_a_browser_bring_bans_nobody(
    browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    forced = {"Sec-Fetch-Site": "cross-site"}
    await browser.get("/sign-in/directory/back?code=1&state=2", headers=forced)
    assert security_events(caplog) == ["cross-site"]
