"""A call is recorded from the end of the consent notice on, both sides apart, and not at all when somebody minds."""

from __future__ import annotations

import asyncio
import hashlib
import io
import wave
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from agi.channel import seconds_of
from tests.calls.buyers import answers
from tests.calls.checks import assert_sold
from tests.calls.conftest import MakeScenario, Published, Rendered
from tests.calls.kept_sounds import kept_sound
from tests.calls.market import EVERYWHERE, Scenario, Wanted
from tests.calls.node import WORKER
from tollbridge.phone.caller import Caller
from tollbridge.phone.voice import tone

NOTICE = "This call is recorded. Press 8 if you do not want that."
PROMPTS = (NOTICE, "Press 1 to go on.", "This call is not recorded.")
RATE = 8000
Sound = NDArray[np.float64]
CALLER_HERTZ, BUYER_HERTZ = 1000, 440
BUYER = Wanted(name="Everywhere", behaviour=answers(), states=EVERYWHERE)
FLOW: dict[str, Any] = {
    "name": "recorded",
    "entry": "notice",
    "commands": {"keys": {"8": "do_not_record"}},
    "nodes": {
        "notice": {"kind": "consent_notice", "text": NOTICE, "exits": {"next": "ready"}},
        "ready": {
            "kind": "menu",
            "prompt": PROMPTS[1],
            "retry": PROMPTS[1],
            "choices": {"yes": "1"},
            "exits": {"yes": "route", "unanswered": "route"},
        },
        "route": {"kind": "route", "exits": {"no_buyer": "bye"}},
        "bye": {"kind": "hang_up"},
    },
}


async def market_of(scenario: MakeScenario, published: Published) -> Scenario:
    published(FLOW)
    return await scenario([BUYER], flow_name="recorded", flow=FLOW)


async def recording_of(market: Scenario, call_id: UUID, state: str) -> dict[str, Any]:
    """Return the call's recording once it is in that state. Raises TimeoutError."""
    query = text("SELECT * FROM recordings WHERE call_id = :call_id")
    async with asyncio.timeout(10):
        while True:
            async with market.engine.connect() as connection:
                row = (await connection.execute(query, {"call_id": call_id})).mappings().one_or_none()
            if row is not None and row["state"] == state:
                return dict(row)
            await asyncio.sleep(0.1)


def files_of(market: Scenario, call_id: UUID) -> list[Path]:
    return sorted(market.node.layout.recordings_dir.glob(f"{call_id}-*"))


async def only_the_finished(market: Scenario, call_id: UUID) -> list[Path]:
    """Return the files of a call, once what they were made of is gone: that goes after the recording is stored."""
    for _ in range(200):
        if len(files_of(market, call_id)) == 1:
            break
        await asyncio.sleep(0.1)
    return files_of(market, call_id)


def sides(kept: io.BytesIO) -> tuple[Sound, Sound]:
    """Return what the caller said and what the caller heard."""
    with wave.open(kept) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getsampwidth()) == (2, RATE, 2)
        both = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float64)
    return both[0::2], both[1::2]


def samples_of(path: Path) -> Sound:
    with wave.open(str(path)) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float64)


def power(samples: Sound, hertz: float) -> float:
    """Return the amplitude of one tone."""
    turning = np.exp(-2j * np.pi * hertz / RATE * np.arange(len(samples)))
    return float(2 * np.abs(np.dot(samples, turning)) / max(len(samples), 1))


def found(words: Sound, sound: Sound) -> tuple[float, float]:
    """Return where in a sound some words are, in seconds, and how alike it is to them: 1 is the same."""
    place = int(np.correlate(sound, words, "valid").argmax())
    there = sound[place : place + len(words)]
    return place / RATE, float(np.dot(there, words) / np.linalg.norm(there) / np.linalg.norm(words))


def pieces(words: Sound) -> list[Sound]:
    """Quarter seconds of the first one: a frame that came late breaks the likeness of one, and of the whole."""
    return [words[at : at + RATE // 4] for at in range(0, RATE, RATE // 4)]


async def test_both_sides_from_the_end_of_the_notice_on(
    scenario: MakeScenario, published: Published, rendered: Rendered
) -> None:
    market = await market_of(scenario, published)
    notice_ms = seconds_of(rendered(NOTICE)) * 1000
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        await call.press("5")  # a key in the notice does not cut it short
        assert await call.my_turn(15)
        await call.press("1")
        await market.buyers["Everywhere"].wait_leg(ended=False, seconds=10)
        await market.buyers["Everywhere"].wait_connected()
        await call.say(tone(CALLER_HERTZ, 1.5))
        market.node.kill(WORKER)  # a recording is registered once, also when that was interrupted
        await call.hang_up()
    leg = await market.buyers["Everywhere"].wait_leg()
    await market.node.up(WORKER)
    story = await market.settled(call, caller=invite.caller)
    assert_sold(story, leg)

    row = await recording_of(market, story.call_id, "stored")
    (path,) = await only_the_finished(market, story.call_id)
    assert path.name == f"{row['file']}.sealed" == f"{story.call_id}-1.wav.sealed"
    kept = await kept_sound(market.engine, story.call_id, path.with_name(row["file"]))
    assert row["sha256"] == hashlib.sha256(kept.getvalue()).hexdigest()
    assert row["consent_node"] == "notice"
    assert notice_ms - 100 <= row["start_offset_ms"] <= notice_ms + 1_500
    assert call.times.ended_ms is not None and call.times.invited_ms is not None
    after_notice_ms = call.times.ended_ms - call.times.invited_ms - row["start_offset_ms"]
    assert abs(row["length_ms"] - after_notice_ms) < 600

    caller, heard = sides(kept)
    assert len(caller) * 1000 // RATE == row["length_ms"]
    talk = slice(len(caller) - 8_000, len(caller) - 2_400)
    assert power(caller[talk], CALLER_HERTZ) > 20 * power(caller[talk], BUYER_HERTZ)
    assert power(heard[talk], BUYER_HERTZ) > 20 * power(heard[talk], CALLER_HERTZ)
    # The notice is not in it: the first that was heard is the question after it.
    question = samples_of(rendered(PROMPTS[1]))
    place, likeness = max((found(piece, heard) for piece in pieces(question)), key=lambda one: one[1])
    assert place < 1.25 and likeness > 0.95
    assert max(found(piece, heard)[1] for piece in pieces(samples_of(rendered(NOTICE)))) < 0.9


async def refused(market: Scenario) -> UUID:
    """The caller presses the key of "do not record" after the notice."""
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(10)
        await call.press("8")
        assert await call.my_turn(10)
        await call.press("1")
        await market.buyers["Everywhere"].wait_leg(ended=False, seconds=10)
        await asyncio.sleep(1.2)
        await call.hang_up()
    story = await market.settled(call, caller=invite.caller)
    assert story.outcome == "sold"
    return story.call_id


async def gone_inside_the_notice(market: Scenario) -> UUID:
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        await asyncio.sleep(0.8)
        await call.hang_up()
    story = await market.settled(call, caller=invite.caller)
    assert story.outcome == "abandoned"
    return story.call_id


async def not_allowed_by_the_campaign(market: Scenario) -> UUID:
    invite = market.invite()
    async with Caller.dial(invite) as call:
        assert await call.answered(5)
        assert await call.my_turn(10)
        await call.hang_up()
    return (await market.settled(call, caller=invite.caller)).call_id


async def test_not_recorded_when_somebody_minds(scenario: MakeScenario, published: Published) -> None:
    market = await market_of(scenario, published)
    calls = list(await asyncio.gather(refused(market), gone_inside_the_notice(market)))
    row = await recording_of(market, calls[0], "refused")
    assert row["sha256"] is None and row["length_ms"] is None
    async with market.engine.begin() as connection:
        forbid = text("UPDATE campaigns SET recording = false WHERE id = :id")
        await connection.execute(forbid, {"id": market.seeded.campaign_id})
    await market.node.market_is_live(tuple(market.seeded.target_ids.values()))
    calls.append(await not_allowed_by_the_campaign(market))
    await asyncio.sleep(2.5)  # the worker looks at files that have been quiet for two seconds
    assert [files_of(market, call_id) for call_id in calls] == [[], [], []]
    async with market.engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT call_id FROM recordings WHERE call_id = ANY(:ids)"), {"ids": calls}
        )
        assert list(rows.scalars()) == calls[:1]
