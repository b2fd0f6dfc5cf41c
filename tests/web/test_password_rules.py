"""Passwords that thieves try first are refused, without asking anybody."""

from __future__ import annotations

import re

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.conftest import EMAIL, PASSWORD, Client
from tests.web.users.test_users import link_on
from web.auth import create_user, set_password
from web.password_rules import PasswordRefusal, refusal_of_password

BREACHED = [
    "1234567890",
    "qwertyuiop",
    "password123",
    "iloveyou123",
    "PASSWORD123",
    "Password123!",
    "123456789012",
]
OF_THEMSELVES = [
    "ada@example.com",
    "Ada Lovelace",
    "lovelace2026",
    "adalovelace1!",
    "tollbridge1",
    "Tollbridge2026!",
]


@pytest.mark.parametrize("password", BREACHED)
def test_what_is_on_the_list_is_refused_however_it_is_dressed(password: str) -> None:
    assert refusal_of_password(password) is PasswordRefusal.COMMON


@pytest.mark.parametrize("password", OF_THEMSELVES)
def test_what_is_made_of_its_owner_is_refused(password: str) -> None:
    assert refusal_of_password(password, about=("ada@example.com", "Ada Lovelace")) is PasswordRefusal.OWN


@pytest.mark.parametrize(
    "password", [PASSWORD, "quite another battery", "Ada's boat floats north", "ğüşİöç-ılık-su"]
)
def test_others_may_be(password: str) -> None:
    assert refusal_of_password(password, about=("ada@example.com", "Ada Lovelace")) is None


@given(st.text(max_size=1100), st.text(max_size=100), st.text(max_size=100))
def test_any_text_gets_an_answer(password: str, email: str, name: str) -> None:
    found = refusal_of_password(password, about=(email, name))
    if len(password) < 10 or len(password) > 1024:
        assert found is PasswordRefusal.LENGTH


async def test_every_way_to_a_password_asks(admin: Client, site: TestServer, engine: AsyncEngine) -> None:
    """Making a user, the command line, changing one's own, and a link."""
    assert await create_user(engine, "bea@example.com", "password123", "buyer") is PasswordRefusal.COMMON
    assert await create_user(engine, "beatrice@example.com", "beatrice-7391", "buyer") is PasswordRefusal.OWN
    assert await set_password(engine, EMAIL, "password123") is PasswordRefusal.COMMON
    form = {"old": PASSWORD, "new": "password123", "again": "password123"}
    async with admin.post("/account/password", data=form) as page:
        assert page.status == 422 and "thieves try first" in await page.text()
    async with admin.post("/users/new", data={"email": "max@example.com", "role": "analyst"}) as page:
        path = link_on(await page.text())
    async with admin.post(path, data={"password": "password123", "again": "password123"}) as page:
        assert page.status == 422 and "thieves try first" in await page.text()
    # The link is still good.
    async with admin.post(path, data={"password": PASSWORD, "again": PASSWORD}) as page:
        assert page.status == 200 and re.search("Your password is set", await page.text())
