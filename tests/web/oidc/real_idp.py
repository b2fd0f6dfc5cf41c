"""Starts the real provider, and shows it who somebody is as a person would: form by form."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from aiohttp import ClientSession
from aiohttp.test_utils import unused_port

FOLDER = Path(__file__).parent
STEPS_MOST = 12
PEOPLE: dict[str, Any] = {
    "ada": {"name": "Ada L.", "email": "ada.l@house.example", "email_verified": True, "groups": ["sales"]},
    "eve": {"name": "Eve", "email": "eve@house.example", "email_verified": True, "groups": ["visitors"]},
}


class RealIdp:
    """A provider that runs, and the people it knows."""

    def __init__(self, issuer: str, file: Path) -> None:
        self.issuer = issuer
        self._file = file

    def write(self, people: dict[str, Any]) -> None:
        self._file.write_text(json.dumps(people), encoding="utf-8")


@asynccontextmanager
async def run_real_idp(folder: Path, web_url: str) -> AsyncIterator[RealIdp]:
    port, file = unused_port(), folder / "people.json"
    idp = RealIdp(f"http://127.0.0.1:{port}", file)
    idp.write(PEOPLE)
    process = await asyncio.create_subprocess_exec(
        "node", FOLDER / "real_idp.mjs", str(port), str(file), web_url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while (line := await process.stdout.readline()).strip() != b"ready":
                assert line, "the provider did not start"
        yield idp
    finally:
        process.kill()
        await process.wait()


async def show_who_one_is(session: ClientSession, address: str, who: str, *, until: str) -> str:
    """Follow the provider's pages from `address` and fill in its forms until it leads to `until`; return where to."""
    form: dict[str, str] | None = None
    for _ in range(STEPS_MOST):
        method = "GET" if form is None else "POST"
        async with session.request(method, address, data=form, allow_redirects=False) as answer:
            text, status = await answer.text(), answer.status
            if status in (302, 303):
                address, form = urljoin(address, answer.headers["Location"]), None
                if address.startswith(until):
                    return address
                continue
        assert status == 200, (status, text[:500])
        address = urljoin(address, html.unescape(re.findall(r'<form[^>]*action="([^"]+)"', text)[0]))
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text)
        form = {name: html.unescape(value) for name, value in hidden} | {"login": who, "password": "x"}
    raise AssertionError("the provider leads nowhere")
