"""A real browser keeps our cookies over https, gives them back, and drops them at sign-out."""

from __future__ import annotations

import ssl
from pathlib import Path

from aiohttp.test_utils import TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.certificate import make_certificate
from tests.web.browser import open_browser
from tests.web.conftest import EMAIL, PASSWORD
from web.app import make_app
from web.auth import UserCreated, create_user


async def test_a_browser_over_https_is_signed_in_and_out(engine: AsyncEngine, tmp_path: Path) -> None:
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(make_certificate(tmp_path, "IP:127.0.0.1"))
    app = make_app(engine, secure_cookies=True, snapshot_file=tmp_path / "market.json", prompts_dir=tmp_path)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    async with open_browser("--ignore-certificate-errors") as browser:
        page = await browser.new_page(ignore_https_errors=True)
        base = f"https://127.0.0.1:{server.port}"
        await page.goto(f"{base}/sign-in")
        await page.fill("[name=email]", EMAIL)
        await page.fill("[name=password]", PASSWORD)
        await page.click("button:has-text('Sign in')")
        await page.wait_for_url(f"{base}/")
        names = {cookie["name"] for cookie in await page.context.cookies()}
        assert "__Host-tollbridge_session" in names
        assert all(name.startswith("__Host-") for name in names)
        await page.evaluate("document.querySelector('form[action=\"/sign-out\"]').submit()")
        await page.wait_for_url(f"{base}/sign-in")
        assert "__Host-tollbridge_session" not in {cookie["name"] for cookie in await page.context.cookies()}
    await server.close()
