"""Two hundred megabytes come in: refused while they come, in words, with a flat memory, and nothing of them is kept."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psutil
import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.conftest import Client
from tests.web.market import Market

MEGABYTE = 1024 * 1024
HUGE_BYTES = 200 * MEGABYTE
PIECE = b"614-555-0123,refinance,OH\n" * 2520  # 64 kB
READ_AT_MOST_BYTES = 24 * MEGABYTE
"""The largest limit of a page or operation, and what lies in the sockets on the way."""
GROWTH_AT_MOST_BYTES = 32 * MEGABYTE
WAIT_SECONDS = 60
BOUNDARY = "----a-form-of-ours"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{{field}}"; filename="huge.csv"\r\n'
    "Content-Type: text/csv\r\n\r\n"
)
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
PLACES = [
    ("/licences/import", "file", MULTIPART, 413, "too large"),
    ("/buyers/{buyer}/suppressions", "file", MULTIPART, 413, "too large"),
    ("/money/adjustments/file", "file", MULTIPART, 413, "larger than any form of ours"),
    ("/flows/import", "file", MULTIPART, 422, "more than the 500,000 bytes"),
    ("/campaigns/{campaign}/plan", "", "application/x-www-form-urlencoded", 413, "larger than any form"),
    ("/sign-in", "", "application/x-www-form-urlencoded", 413, "larger than any form of ours"),
    ("/api/v1/money-files", "", "application/json", 413, "bytes are taken"),
    ("/api/v1/flows", "", "application/json", 413, "bytes are taken"),
]


@dataclass
class Sent:
    """What a client had sent when it was answered, and the answer."""

    bytes_sent: int = 0
    answer: str = ""
    growth_bytes: int = 0


class Upload:
    """A client that goes on sending piece by piece until somebody answers, as a browser does."""

    def __init__(self, site: TestServer, client: Client) -> None:
        self._host, self._port = str(site.host), int(site.port or 0)
        cookies = client.session.cookie_jar.filter_cookies(site.make_url("/"))
        self._cookie = "; ".join(f"{one.key}={one.value}" for one in cookies.values())

    async def send(self, path: str, media: str, pieces: AsyncIterator[bytes], **headers: str) -> Sent:
        sent, process = Sent(), psutil.Process(os.getpid())
        before = process.memory_info().rss
        reader, writer = await asyncio.open_connection(self._host, self._port)
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            f"Cookie: {self._cookie}",
            "Sec-Fetch-Site: same-origin",
            f"Content-Type: {media}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        answered = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                async for piece in pieces:
                    if answered.done():
                        break
                    writer.write(piece)
                    await writer.drain()
                    sent.bytes_sent += len(piece)
                    sent.growth_bytes = max(sent.growth_bytes, process.memory_info().rss - before)
                head = (await answered).decode()
                # The connection is not ended by who has still a lot to say: as much as was announced is read.
                length = next(
                    int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:")
                )
                sent.answer = head + (await reader.readexactly(length)).decode()
        finally:
            answered.cancel()
            writer.transport.abort()
        return sent


async def _pieces(field: str, *, chunked: bool) -> AsyncIterator[bytes]:
    head = HEAD.format(field=field).encode() if field else b'{"kind": "adjustments", "text": "'
    for piece in [head, *[PIECE] * (HUGE_BYTES // len(PIECE))]:
        yield b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece


async def _rows(engine: AsyncEngine) -> dict[str, int]:
    async with engine.connect() as connection:
        names = ("licences", "buyer_suppressions", "flows", "flow_drafts", "ledger_postings", "plan_stages")
        return {
            name: int((await connection.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one())
            for name in names
        }


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "in_chunks"])
@pytest.mark.parametrize(
    ("path", "field", "media", "status", "said"), PLACES, ids=[place[0].split("/")[-1] for place in PLACES]
)
async def test_a_huge_upload_is_refused_while_it_comes(
    admin: Client,
    site: TestServer,
    engine: AsyncEngine,
    market: Market,
    path: str,
    field: str,
    media: str,
    status: int,
    said: str,
    chunked: bool,
) -> None:
    before = await _rows(engine)
    how = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": str(HUGE_BYTES)}
    address = path.format(buyer=market.buyer_id, campaign=market.campaign_id)
    sent = await Upload(site, admin).send(address, media, _pieces(field, chunked=chunked), **how)
    assert sent.answer.startswith(f"HTTP/1.1 {status} "), sent.answer[:200]
    assert said in sent.answer
    assert sent.bytes_sent < READ_AT_MOST_BYTES
    assert sent.growth_bytes < GROWTH_AT_MOST_BYTES
    assert await _rows(engine) == before
    async with admin.get("/licences/import") as answer:
        assert answer.status == 200, "and the next one is served"


@pytest.mark.parametrize("path", ["/licences/import", "/flows/import", "/api/v1/money-files"])
async def test_a_small_one_that_unpacks_to_a_huge_one_is_refused_too(
    admin: Client, site: TestServer, path: str
) -> None:
    place = next(one for one in PLACES if one[0] == path)
    start = HEAD.format(field="file").encode() if place[1] else b'{"kind": "adjustments", "text": "'
    bomb = gzip.compress(start + b"1" * HUGE_BYTES, 1)
    assert len(bomb) < MEGABYTE

    async def pieces() -> AsyncIterator[bytes]:
        for place in range(0, len(bomb), 4096):
            yield bomb[place : place + 4096]

    sent = await Upload(site, admin).send(
        path, place[2], pieces(), Content_Length=str(len(bomb)), Content_Encoding="gzip"
    )
    assert sent.answer.startswith("HTTP/1.1 415 "), sent.answer[:200]
    assert "without Content-Encoding" in sent.answer
    assert sent.growth_bytes < GROWTH_AT_MOST_BYTES
