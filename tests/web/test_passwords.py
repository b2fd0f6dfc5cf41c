"""A crowd at the door costs so much memory and time and no more, and keeps nobody out who is known."""

from __future__ import annotations

import asyncio
import threading

import pytest
from aiohttp.test_utils import TestServer

from tests.web.conftest import PASSWORD, Client, open_client, sign_in
from web import passwords
from web.passwords import Line, PasswordsBusy


async def test_a_line_holds_so_many_and_sends_the_others_away() -> None:
    line, gate, at_work = Line(at_once=2, waiting=3), threading.Event(), []

    def slow() -> None:
        at_work.append(threading.current_thread().name)
        gate.wait(10)

    crowd = [asyncio.ensure_future(line.run(slow)) for _ in range(20)]
    await asyncio.sleep(0.1)
    assert len(at_work) == 2
    refused = [one for one in crowd if one.done() and isinstance(one.exception(), PasswordsBusy)]
    assert len(refused) == 15
    gate.set()
    await asyncio.gather(*crowd, return_exceptions=True)
    assert len(at_work) == 5
    await line.run(slow)


async def test_whoever_leaves_the_line_frees_no_place_before_the_work_is_done() -> None:
    line, gate = Line(at_once=1, waiting=0), threading.Event()
    impatient = asyncio.ensure_future(line.run(gate.wait, 10))
    await asyncio.sleep(0.05)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    with pytest.raises(PasswordsBusy):
        await line.run(int)
    gate.set()
    await asyncio.sleep(0.1)
    assert await line.run(int) == 0


async def test_a_crowd_is_told_to_come_again_and_who_is_known_passes_it(
    stranger: Client, site: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await sign_in(stranger) == 303
    full = Line(at_once=1, waiting=0)
    monkeypatch.setattr(passwords, "STRANGERS", full)
    place = full.place()
    place.__enter__()
    async with open_client(site) as crowd:
        for _ in range(8):
            form = {"email": "ada@example.com", "password": PASSWORD}
            async with crowd.post("/sign-in", data=form, allow_redirects=False) as answer:
                assert answer.status == 503 and answer.headers["Retry-After"] == "5"
                assert "Too many people are signing in" in await answer.text()
        assert await sign_in(stranger) == 303
        place.__exit__(None, None, None)
        # Nothing was counted of what was not looked at.
        assert await sign_in(crowd) == 303
