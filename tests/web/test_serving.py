"""Who sends slowly, or opens connections without end, is cut off; the others do not notice."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st

from tollbridge.phone import ports
from web import serving
from web.at_once import AtOnce, TooManyOpen
from web.middleware import errors_as_pages, refusals_as_pages
from web.proxies import TRUSTED_PROXIES
from web.serving import bodies_in_time, serve_app, too_many


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


@pytest_asyncio.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A process as ours listen, but less patient."""
    monkeypatch.setattr(serving, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(serving, "COUNT_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(serving, "CONNECTIONS_OF_ADDRESS", 5)
    app = web.Application(middlewares=[errors_as_pages, refusals_as_pages, bodies_in_time])
    app[TRUSTED_PROXIES] = ()
    app.router.add_post("/rtb/echo", _echo)
    port = ports.free_tcp_port()
    serves = asyncio.create_task(serve_app(app, "127.0.0.1", port))
    for _ in range(100):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        await asyncio.sleep(0.05)
    yield port
    serves.cancel()
    await asyncio.gather(serves, return_exceptions=True)


async def test_a_head_that_trickles_in_is_cut_off(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def trickle() -> None:
        for byte in b"POST /rtb/echo HTTP/1.1\r\n" + b"X-Slow: " + b"a" * 1_000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.1)

    trickling = asyncio.ensure_future(trickle())
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    trickling.cancel()
    await asyncio.gather(trickling, return_exceptions=True)


async def test_a_body_that_trickles_in_is_told_so(port: int) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x"
            await asyncio.sleep(0.1)

    async with ClientSession() as session, asyncio.timeout(10):
        async with session.post(f"http://127.0.0.1:{port}/rtb/echo", data=trickle()) as answer:
            assert answer.status == 408 and await answer.json() == {"error": "Too slow"}
        async with session.post(f"http://127.0.0.1:{port}/rtb/echo", data=b"quick") as answer:
            assert await answer.read() == b"quick"


async def test_a_small_body_that_unpacks_to_a_huge_one_is_not_unpacked(port: int) -> None:
    body = gzip.compress(bytes(50_000_000))
    address, packed = f"http://127.0.0.1:{port}/rtb/echo", {"Content-Encoding": "gzip"}
    async with ClientSession() as session:
        spent = time.process_time()
        for _ in range(20):
            async with session.post(address, data=body, headers=packed) as answer:
                assert answer.status == 415 and await answer.json() == {"error": "Compressed"}
        assert time.process_time() - spent < 0.5, "a gigabyte takes about a second to unpack"
        async with session.post(address, data=b"x", headers={"Content-Encoding": "Identity"}) as answer:
            assert await answer.read() == b"x"


async def test_connections_of_one_address_are_bounded_oldest_first(port: int) -> None:
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
    async with asyncio.timeout(0.8):
        for reader, _ in opened[:7]:
            assert await reader.read() == b""
    assert not any(reader.at_eof() for reader, _ in opened[7:])
    for _, writer in opened:
        writer.close()


async def test_a_head_too_large_is_refused(port: int) -> None:
    async with ClientSession() as session:
        for headers in ({"X-Large": "a" * 9_000}, {f"X-{n}": "a" for n in range(200)}):
            async with session.post(f"http://127.0.0.1:{port}/rtb/echo", headers=headers) as answer:
                assert answer.status == 400


@given(
    st.dictionaries(st.sampled_from(["", "192.0.2.1", "192.0.2.2", "2001:db8::/64"]), st.integers(0, 30)),
    st.integers(1, 10),
    st.integers(1, 40),
)
def test_no_more_is_closed_than_has_to_be(counts: dict[str, int], each: int, together: int) -> None:
    of: dict[str, list[Any]] = {name: [(name, n) for n in range(count)] for name, count in counts.items()}
    closed = too_many(of, each=each, together=together)
    assert all(name for name, _ in closed) and len(set(closed)) == len(closed)
    left = {name: count - sum(one[0] == name for one in closed) for name, count in counts.items()}
    assert all(count <= each for name, count in left.items() if name)
    strangers = sum(count for name, count in left.items() if name)
    assert sum(left.values()) <= together or strangers == 0
    bounded = sum(min(count, each) if name else count for name, count in counts.items())
    assert sum(left.values()) == bounded or sum(left.values()) == max(together, left.get("", 0))
    for name, count in left.items():
        # The oldest go first.
        assert {one for one in closed if one[0] == name} == {(name, n) for n in range(counts[name] - count)}


def test_nobody_takes_the_places_of_all() -> None:
    open_ones = AtOnce("exports", each=2, together=3)
    with open_ones.one_more(1), open_ones.one_more(1):
        with pytest.raises(TooManyOpen, match="You have 2 exports open"), open_ones.one_more(1):
            pass
        third = open_ones.one_more(2)
        with third, pytest.raises(TooManyOpen, match="3 exports are open"), open_ones.one_more(3):
            pass
    with open_ones.one_more(3), open_ones.one_more(3):
        pass
