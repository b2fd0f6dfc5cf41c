"""Wrong keys ask no database; new ones open soon; a publisher beside somebody who guesses is not slowed."""

from __future__ import annotations

import asyncio
import time

import pytest

from web import known_keys
from web.known_keys import GUESSES_FREE, KnownKeys, Unknown


class House:
    """Keys in force, and how often they were read."""

    def __init__(self) -> None:
        self.digests: set[bytes] = set()
        self.reads = 0
        self.is_away = False
        self.keys = KnownKeys(self._load)

    async def _load(self) -> frozenset[bytes]:
        self.reads += 1
        if self.is_away:
            raise OSError("the database is away")
        return frozenset(self.digests)


async def test_a_thousand_wrong_keys_read_the_list_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_keys, "SPACING_SECONDS", 0.5)
    house, began = House(), time.monotonic()
    wrong = [house.keys.refusal(f"{n}".encode(), f"198.51.{n % 250}.1") for n in range(1_000)]
    assert set(await asyncio.gather(*wrong)) == {Unknown()}
    for n in range(20):
        await house.keys.refusal(f"{n}".encode(), "203.0.113.1")
    assert house.reads <= (time.monotonic() - began) / known_keys.SPACING_SECONDS + 2


async def test_an_address_that_guesses_is_slowed_and_known_keys_from_there_are_not() -> None:
    house = House()
    house.digests.add(b"right")
    found = [await house.keys.refusal(b"wrong", f"2001:db8::{n:x}") for n in range(GUESSES_FREE + 10)]
    slowed = [one for one in found if one is not None and one.wait_seconds > 0]
    assert len(slowed) >= 8 and found[0] == Unknown()
    reads = house.reads
    for _ in range(100):
        await house.keys.refusal(b"wrong", "2001:db8::1")
        assert await house.keys.refusal(b"right", "2001:db8::1") is None
    assert house.reads <= reads + 1


async def test_a_new_key_opens_soon_and_a_revoked_one_is_forgotten() -> None:
    house = House()
    assert await house.keys.refusal(b"first", "192.0.2.1") == Unknown()
    house.digests.add(b"first")
    assert await house.keys.refusal(b"first", "192.0.2.1") is None
    house.digests = {b"second"}
    assert await house.keys.refusal(b"second", "192.0.2.1") is None
    assert await house.keys.refusal(b"first", "192.0.2.1") == Unknown()


async def test_a_new_key_behind_an_address_that_guesses_opens_within_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    for n in range(GUESSES_FREE + 1):
        await house.keys.refusal(f"{n}".encode(), "192.0.2.1")
    house.digests.add(b"new")
    assert isinstance(await house.keys.refusal(b"new", "192.0.2.1"), Unknown)
    monkeypatch.setattr(known_keys, "OLD_SECONDS", 0.0)
    assert await house.keys.refusal(b"new", "192.0.2.1") is None


async def test_a_crowd_with_a_key_that_is_new_to_this_process_are_no_guessers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(known_keys, "SPACING_SECONDS", 5.0)
    house = House()
    house.digests.add(b"new")
    crowd = [house.keys.refusal(b"new", "192.0.2.1") for _ in range(200)]
    assert set(await asyncio.gather(*crowd)) == {None} and house.reads <= 2


async def test_a_database_that_is_away_is_said_so_and_known_keys_stay_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    house.digests.add(b"right")
    assert await house.keys.refusal(b"right", "192.0.2.1") is None
    house.is_away = True
    await asyncio.sleep(0.05)
    monkeypatch.setattr(known_keys, "SPACING_SECONDS", 0.05)
    crowd = [house.keys.refusal(b"new", f"198.51.100.{n}") for n in range(50)]
    answers = await asyncio.gather(*crowd, return_exceptions=True)
    assert all(isinstance(answer, OSError) for answer in answers) and house.reads <= 3
    assert await house.keys.refusal(b"right", "192.0.2.1") is None
