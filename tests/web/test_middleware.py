"""What holds for every request: headers, foreign posts, errors as pages, strangers kept out."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestServer, make_mocked_request
from sqlalchemy.ext.asyncio import AsyncEngine
from yarl import URL

from store.session import open_engine
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client
from web.app import make_app
from web.middleware import is_own_request

NOWHERE = Path("/nowhere/market.json")


async def test_after_signing_in_one_is_where_one_wanted_to_be(stranger: Client) -> None:
    async with stranger.get("/calls?caller=614&outcome=sold", allow_redirects=False) as answer:
        door = URL(answer.headers["Location"])
    assert (door.path, dict(door.query)) == ("/sign-in", {"next": "/calls?caller=614&outcome=sold"})
    form = {"email": EMAIL, "password": PASSWORD, "next": "/calls?caller=614&outcome=sold"}
    async with stranger.post("/sign-in", data=form, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/calls?caller=614&outcome=sold"


async def test_a_page_whose_session_died_is_led_to_the_door(stranger: Client) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://127.0.0.1/calls?outcome=sold"}
    async with stranger.get("/calls", headers=headers) as answer:
        assert answer.status == 401
        assert answer.headers["HX-Redirect"] == "/sign-in?next=/calls%3Foutcome%3Dsold"


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://switch.example"}, False),
        ({"Origin": "http://switch.example"}, True),
        ({"Origin": "https://switch.example"}, True),
        ({"Origin": "http://switch.example.evil.example"}, False),
        ({"Origin": "http://switch.example:81"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://[evil"}, False),
        ({}, False),
    ],
)
def test_a_changing_request_must_come_from_our_own_page(headers: dict[str, str], own: bool) -> None:
    request = make_mocked_request("POST", "/sign-out", headers={"Host": "switch.example", **headers})
    assert is_own_request(request) is own


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/time-zone"])
async def test_a_foreign_form_is_refused(admin: Client, path: str) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    async with admin.post(path, headers=headers, allow_redirects=False) as answer:
        assert answer.status == 403
    async with admin.get("/calls", allow_redirects=False) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("path", ["/calls", "/sign-in", "/health", "/nothing", "/static/tollbridge.css"])
async def test_every_answer_carries_the_headers(admin: Client, path: str) -> None:
    async with admin.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "aiohttp" not in answer.headers["Server"]
        assert "Strict-Transport-Security" not in answer.headers
        assert answer.headers["Cache-Control"] == ("no-cache" if "static" in path else "no-store")


async def test_over_https_cookies_and_browsers_are_told_to_stay_there(
    engine: AsyncEngine, site: TestServer
) -> None:
    secure = TestServer(make_app(engine, secure_cookies=True, snapshot_file=NOWHERE, prompts_dir=NOWHERE))
    async with (
        secure,
        open_client(secure) as client,
        client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD}, allow_redirects=False) as answer,
    ):
        cookie = answer.cookies["__Host-tollbridge_session"]
        assert cookie["secure"] and cookie["httponly"] and cookie["path"] == "/" and not cookie["domain"]
        assert "includeSubDomains" in answer.headers["Strict-Transport-Security"]
        token = cookie.value
        # A cookie that a neighbouring host could have set signs nobody in.
        for name, status in (("__Host-tollbridge_session", 200), ("tollbridge_session", 303)):
            client.session.cookie_jar.clear()
            headers = {"Cookie": f"{name}={token}"}
            async with client.get("/account", headers=headers, allow_redirects=False) as page:
                assert page.status == status
        headers = {"Cookie": f"__Host-tollbridge_session={token}"}
        async with client.post("/sign-out", headers=headers, allow_redirects=False) as left:
            dropped = left.cookies["__Host-tollbridge_session"]
            assert dropped["secure"] and dropped["path"] == "/" and dropped["max-age"] == "0"


def test_cookies_are_set_and_read_in_one_place() -> None:
    """So that none goes without its prefix, and none without it counts."""
    web_folder = Path(__file__).parents[2] / "web"
    found = re.compile(r"\.(set_cookie|del_cookie)\(|request\.cookies\b")
    places = [path.name for path in web_folder.rglob("*.py") if found.search(path.read_text())]
    assert places == ["cookies.py"]


async def test_errors_are_pages_with_a_way_out(admin: Client) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("GET", f"/calls/{uuid4()}", 404),
        ("GET", "/calls/not-a-call", 404),
        ("GET", "/calls/%7B6f1d7c1e-3a54-5d0b-9c4f-4b1a3b7f2a10%7D", 404),
        ("GET", "/static/../app.py", 404),
        ("POST", "/calls", 405),
    ):
        async with admin.request(method, path) as answer:
            text = await answer.text()
            assert answer.status == status, path
            assert '<a class="button" href="/">' in text and "<h1>" in text


async def test_a_form_too_large_is_refused(stranger: Client) -> None:
    async with stranger.post("/sign-in", data={"email": "x" * 100_000}) as answer:
        assert answer.status == 413
        assert "larger than any form" in await answer.text()


async def test_without_a_database_the_web_lives_and_says_so() -> None:
    engine = open_engine("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    server = TestServer(make_app(engine, secure_cookies=False, snapshot_file=NOWHERE, prompts_dir=NOWHERE))
    async with server, open_client(server) as client:
        async with client.get("/health") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        client.session.cookie_jar.update_cookies({"tollbridge_session": "x"}, server.make_url("/"))
        async with client.get("/calls") as answer:
            assert answer.status == 503
            assert "database does not answer" in await answer.text()
    await engine.dispose()


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "/\\evil.example", "https://evil.example", "/\n/evil.example", "x"]
)
async def test_nobody_is_led_to_another_site(stranger: Client, elsewhere: str) -> None:
    form = {"email": EMAIL, "password": PASSWORD, "next": elsewhere}
    async with stranger.post("/sign-in", data=form, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/"


async def test_the_time_zone_is_the_visitors_choice(admin: Client) -> None:
    form = {"time_zone": "America/New_York", "next": "/calls?outcome=sold"}
    async with admin.post("/time-zone", data=form, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/calls?outcome=sold"
        assert answer.cookies["tollbridge_time_zone"].value == "America/New_York"
    async with admin.post("/time-zone", data={"time_zone": "../etc/passwd"}, allow_redirects=False) as answer:
        assert not answer.cookies
