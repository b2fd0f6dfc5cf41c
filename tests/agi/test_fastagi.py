"""The FastAGI server among friends and strangers, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.fastagi import (
    Connection,
    FastAgiServer,
    HungUp,
    ProtocolError,
    Reply,
    parse_reply,
    parse_request,
    read_request,
)

TOKEN = "secret0"
seen: list[object] = []


async def say_hello(connection: Connection) -> None:
    seen.append(connection.request.headers["agi_uniqueid"])
    seen.append(await connection.command("GET VARIABLE TB_DIALLED", timeout_seconds=2))


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    seen.clear()
    listening = await FastAgiServer({"hello": say_hello}, token=TOKEN).start(0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()


def headers(script: str = "hello", token: str = TOKEN, extra: str = "") -> bytes:
    return (
        f"agi_network: yes\nagi_network_script: {script}?token={token}\n"
        f"agi_request: agi://127.0.0.1:4573/{script}?token={token}\nagi_uniqueid: a-1.2\n{extra}\n"
    ).encode()


async def talk(port: int, *lines: bytes) -> bytes:
    """Play Asterisk: send the headers, then answer each command with the next of `lines`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    for line in lines:
        writer.write(line)
        await writer.drain()
        heard += await asyncio.wait_for(reader.read(4096), 3)
    writer.close()
    return heard


async def test_a_step_reads_its_headers_and_the_reply_to_its_command() -> None:
    async with serving() as port:
        assert await talk(port, headers(), b"200 result=1 (+18005550100)\n") == b"GET VARIABLE TB_DIALLED\n"
        await asyncio.sleep(0.05)
    assert seen == ["a-1.2", Reply(code=200, result="1", data="(+18005550100)")]


async def test_hangup_in_the_middle_of_a_reply_is_one_more_line() -> None:
    async with serving() as port:
        await talk(port, headers(), b"HANGUP\n200 result=0\n")
        await asyncio.sleep(0.05)
    assert seen[1] == Reply(code=200, result="0", data="")


async def test_the_supervisor_gets_a_pong() -> None:
    async with serving() as port:
        assert await talk(port, b"ping\n") == b"pong\n"


@pytest.mark.parametrize(
    "opening",
    [
        headers(token="wrong"),
        headers(script="no-such-script"),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\xff\xfe" * 50 + b"\n\n",
        b"agi_network: yes\n" * 300,
        b"a" * 100_000,
    ],
    ids=["wrong token", "unknown script", "http", "garbage", "too many headers", "endless line"],
)
async def test_a_stranger_is_shown_out_and_no_step_runs(opening: bytes) -> None:
    async with serving() as port:
        with suppress(ConnectionError):
            assert await talk(port, opening) == b""
        assert seen == []
        assert await talk(port, headers(), b"200 result=0\n")


async def test_a_thousand_half_headers_do_not_keep_a_caller_waiting() -> None:
    async with serving() as port:
        strays = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1000)]
        for _, writer in strays:
            writer.write(b"agi_network: y")
        began = asyncio.get_running_loop().time()
        assert await talk(port, headers(), b"200 result=0\n")
        assert asyncio.get_running_loop().time() - began < 2
        for _, writer in strays:
            writer.close()


def test_the_query_is_read_as_the_dialplan_writes_it() -> None:
    request = parse_request(["agi_request: agi://h:1/x?token=a&caller=+16145550123&tags=eyJ9==&tried="])
    assert request.query == {"token": "a", "caller": "+16145550123", "tags": "eyJ9==", "tried": ""}


def test_text_from_a_caller_cannot_replace_the_request() -> None:
    hostile = "agi_calleridname: x\nagi_request: agi://h/other?token=stolen\n"
    request = parse_request(headers(extra=hostile).decode().splitlines()[:-1])
    assert request.script == "hello" and request.query == {"token": TOKEN}


async def test_a_command_with_a_line_break_is_a_fault_of_ours() -> None:
    connection = Connection(
        parse_request(["agi_request: x"]),
        asyncio.StreamReader(),
        None,  # type: ignore[arg-type]
    )
    with pytest.raises(ValueError, match="control character"):
        await connection.command("SET VARIABLE A 1\nHANGUP", timeout_seconds=1)


def test_a_dead_channel_reads_as_hung_up() -> None:
    with pytest.raises(HungUp):
        parse_reply("511 Command Not Permitted on a dead channel or intercept routine")


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_do_anything_but_answer_or_refuse(raw: bytes) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader(limit=200)
        reader.feed_data(raw)
        reader.feed_eof()
        with suppress(ProtocolError, HungUp):
            await read_request(reader)

    asyncio.run(read())
