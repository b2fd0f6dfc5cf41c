"""Who asks when a reverse proxy stands in front, and who only says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.conftest import EMAIL, PASSWORD, Client, open_client
from web.app import make_app
from web.auth import UserCreated, create_user
from web.proxies import Networks, nearest_stranger

OURS = (ip_network("10.0.0.0/24"), ip_network("fd00::/8"))
WEB = Path(__file__).parents[2] / "web"


@pytest.mark.parametrize(
    ("peer", "said", "address"),
    [
        pytest.param("203.0.113.9", [], "203.0.113.9", id="nobody stands between"),
        pytest.param("203.0.113.9", ["198.51.100.1"], "203.0.113.9", id="a stranger says what he likes"),
        pytest.param("10.0.0.5", [], "10.0.0.5", id="our proxy says nothing"),
        pytest.param("10.0.0.5", ["198.51.100.1"], "198.51.100.1", id="our proxy says who"),
        pytest.param("10.0.0.5", ["1.1.1.1", "198.51.100.1"], "198.51.100.1", id="forged by the visitor"),
        pytest.param(
            "10.0.0.5", ["10.0.0.7", "198.51.100.1"], "198.51.100.1", id="forged as a proxy of ours"
        ),
        pytest.param(
            "10.0.0.5", ["1.1.1.1", "198.51.100.1", "10.0.0.6"], "198.51.100.1", id="two proxies of ours"
        ),
        pytest.param("10.0.0.5", ["10.0.0.9", "10.0.0.6"], "10.0.0.9", id="one of us asks"),
        pytest.param("10.0.0.5", ["198.51.100.1", "unknown"], "10.0.0.5", id="a hop that is no address"),
        pytest.param("10.0.0.5", ["unknown", "198.51.100.1"], "198.51.100.1", id="nonsense beyond it"),
        pytest.param("10.0.0.5", [""], "10.0.0.5", id="an empty header"),
        pytest.param("10.0.0.5", ["198.51.100.1:51234"], "198.51.100.1", id="with a port"),
        pytest.param("10.0.0.5", ["[2001:db8::1]:443"], "2001:db8::1", id="in brackets"),
        pytest.param("10.0.0.5", ["fe80::1%<script>"], "10.0.0.5", id="a zone that is a script"),
        pytest.param("::ffff:10.0.0.5", ["2001:db8::1"], "2001:db8::1", id="a proxy seen through IPv6"),
        pytest.param("fd00::5", ["::ffff:198.51.100.1"], "198.51.100.1", id="one visitor, one spelling"),
        pytest.param("", ["198.51.100.1"], "", id="a socket without addresses"),
    ],
)
def test_the_last_hop_that_is_none_of_ours_asks(peer: str, said: list[str], address: str) -> None:
    assert nearest_stranger(peer, said, OURS) == address


def test_no_page_asks_for_the_peer_past_this_module() -> None:
    found = [path.name for path in WEB.rglob("*.py") if "request.remote" in path.read_text()]
    assert found == ["proxies.py"]


async def _site(
    engine: AsyncEngine, folder: Path, trusted: Networks, *, plain: Networks = (), https: bool = False
) -> TestServer:
    app = make_app(
        engine,
        secure_cookies=https,
        snapshot_file=folder / "market.json",
        prompts_dir=folder,
        trusted_proxies=trusted,
        plain_http_networks=plain,
    )
    server = TestServer(app)
    await server.start_server()
    return server


@pytest_asyncio.fixture
async def behind_a_proxy(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Client]:
    """The pages, asked by a proxy on 127.0.0.1 that they trust."""
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    server = await _site(engine, tmp_path, (ip_network("127.0.0.1/32"),))
    async with open_client(server) as client:
        yield client
    await server.close()


async def _try(client: Client, password: str, *, came_from: str, email: str = EMAIL) -> int:
    form = {"email": email, "password": password}
    headers = {"X-Forwarded-For": came_from, "X-Forwarded-Proto": "https"}
    async with client.post("/sign-in", data=form, headers=headers, allow_redirects=False) as answer:
        return answer.status


async def test_a_guesser_behind_the_proxy_locks_out_only_himself(behind_a_proxy: Client) -> None:
    for _ in range(5):
        assert await _try(behind_a_proxy, "wrong", came_from="198.51.100.66") == 403
    assert await _try(behind_a_proxy, PASSWORD, came_from="198.51.100.66") == 429
    assert await _try(behind_a_proxy, PASSWORD, came_from="203.0.113.1") == 303


async def test_a_guesser_gains_nothing_by_naming_other_hops(behind_a_proxy: Client) -> None:
    for turn in range(5):
        assert await _try(behind_a_proxy, "wrong", came_from=f"192.0.2.{turn}, 198.51.100.66") == 403
    assert await _try(behind_a_proxy, PASSWORD, came_from="192.0.2.99, 198.51.100.66") == 429


async def test_without_the_setting_a_forged_header_changes_nothing(site: TestServer) -> None:
    async with open_client(site) as client:
        for turn in range(5):
            assert await _try(client, "wrong", came_from=f"192.0.2.{turn}") == 403
        assert await _try(client, PASSWORD, came_from="192.0.2.99") == 429


async def test_the_session_list_says_where_the_visitor_is(behind_a_proxy: Client) -> None:
    headers = {"X-Forwarded-For": "203.0.113.1", "X-Forwarded-Proto": "https"}
    form = {"email": EMAIL, "password": PASSWORD}
    async with behind_a_proxy.post("/sign-in", data=form, headers=headers, allow_redirects=False) as answer:
        # The client speaks to the proxy in clear and keeps no cookie that is for https.
        headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
    async with behind_a_proxy.get("/account", headers=headers) as page:
        assert "203.0.113.1" in await page.text()


async def test_cookies_are_for_https_only_when_the_proxy_says_https(behind_a_proxy: Client) -> None:
    form = {"email": EMAIL, "password": PASSWORD}
    for proto, secure in [("https", True), ("http", False), ("https, http", False), ("http, https", True)]:
        headers = {"X-Forwarded-Proto": proto}
        async with behind_a_proxy.post(
            "/sign-in", data=form, headers=headers, allow_redirects=False
        ) as answer:
            assert ("Secure" in answer.headers["Set-Cookie"]) is secure
            assert ("Strict-Transport-Security" in answer.headers) is secure


async def test_a_stranger_who_says_https_is_not_believed(site: TestServer) -> None:
    form = {"email": EMAIL, "password": PASSWORD}
    async with open_client(site) as client:
        headers = {"X-Forwarded-Proto": "https"}
        async with client.post("/sign-in", data=form, headers=headers, allow_redirects=False) as answer:
            assert "Secure" not in answer.headers["Set-Cookie"]


AFAR = {"X-Forwarded-For": "203.0.113.9"}


@pytest.mark.parametrize(
    ("headers", "https", "status"),
    [
        pytest.param(AFAR | {"X-Forwarded-Proto": "https"}, False, 303, id="the proxy took it by TLS"),
        pytest.param(AFAR | {"X-Forwarded-Proto": "http"}, False, 426, id="the proxy took it in clear"),
        pytest.param(
            AFAR | {"X-Forwarded-Proto": "http"}, True, 426, id="in clear, whatever our own address is"
        ),
        pytest.param(AFAR, False, 426, id="the proxy does not say, nor does our own address"),
        pytest.param(AFAR, True, 303, id="the proxy does not say, our own address is https"),
        pytest.param({}, False, 303, id="asked on this machine"),
        pytest.param({"X-Forwarded-For": "10.1.2.3"}, False, 303, id="from a network the admin trusts"),
    ],
)
async def test_no_password_is_taken_in_clear_from_afar(
    engine: AsyncEngine, tmp_path: Path, headers: dict[str, str], https: bool, status: int
) -> None:
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    trusted, plain = (ip_network("127.0.0.1/32"),), (ip_network("10.1.0.0/16"),)
    server = await _site(engine, tmp_path, trusted, plain=plain, https=https)
    form = {"email": EMAIL, "password": PASSWORD}
    async with open_client(server) as client:
        async with client.post("/sign-in", data=form, headers=headers, allow_redirects=False) as answer:
            assert answer.status == status
            assert ("Set-Cookie" in answer.headers) is (status == 303)
            assert ("Upgrade" in answer.headers) is (status == 426)
            assert ("TOLLBRIDGE_PLAIN_HTTP_NETWORKS" in await answer.text()) is (status == 426)
        async with client.get("/api/v1/buyers", headers=headers) as answer:
            assert (answer.status == 426) is (status == 426)
        async with client.get("/health", headers=headers) as answer:
            assert answer.status == 200
    await server.close()
