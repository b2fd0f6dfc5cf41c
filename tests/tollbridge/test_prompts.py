"""Every prompt a caller may hear is known before a caller needs it."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.speech.prompts import is_rendered, prompt_path
from asterisk_conf.prompts import system_prompts
from ivr_flows import library
from store.tables import campaigns, targets
from tests.market import make_market
from tollbridge.prompts import missing_prompts, place_sound, render_kept, texts_in
from tollbridge.queries import spoken_texts


def test_the_dialplans_prompts_have_the_names_the_dialplan_plays() -> None:
    template = Path(__file__).parents[2] / "asterisk_conf" / "templates" / "extensions.conf.j2"
    played = set(re.findall(r"tollbridge/([a-z-]+)", template.read_text())) - {"beep"}
    assert set(system_prompts()) >= played | {"unknown-number", "hold", "voicemail", "call-back"}


async def test_the_market_says_its_whispers_and_what_callers_hear_whom_nobody_takes(
    engine: AsyncEngine,
) -> None:
    market = await make_market(engine)
    hold = {"treatment": "hold_and_retry", "text": "Hold.", "then": {"treatment": "message", "text": "Bye."}}
    async with engine.begin() as connection:
        assert await spoken_texts(connection) == []
        await connection.execute(
            update(targets).where(targets.c.id == market.targets[0]).values(whisper_text="A refinance.")
        )
        await connection.execute(update(campaigns).values(no_buyer=hold))
        assert sorted(await spoken_texts(connection)) == ["A refinance.", "Bye.", "Hold."]
        await connection.execute(update(campaigns).values(no_buyer={"treatment": "nonsense"}))
        assert await spoken_texts(connection) == ["A refinance."]


def test_a_flow_says_all_its_texts_and_a_broken_one_hinders_nobody() -> None:
    good = library.load("mortgage")
    assert texts_in([good]) == texts_in([good, {"nodes": "nonsense"}])
    assert any("refinance" in text for text in texts_in([good]))


def test_a_prompt_not_rendered_is_missing(tmp_path: Path) -> None:
    assert missing_prompts(tmp_path, ["Hello.", "Bye."]) == ["Bye.", "Hello."]


def test_a_sound_is_replaced_whole_and_only_when_it_differs(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    place_sound(tmp_path / "a", tmp_path / "b.wav")
    inode = (tmp_path / "b.wav").stat().st_ino
    place_sound(tmp_path / "a", tmp_path / "b.wav")
    assert (tmp_path / "b.wav").stat().st_ino == inode
    (tmp_path / "a").write_bytes(b"two")
    place_sound(tmp_path / "a", tmp_path / "b.wav")
    assert (tmp_path / "b.wav").read_bytes() == b"two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b.wav"]


def test_the_next_node_finds_what_the_first_one_spoke(tmp_path: Path) -> None:
    kept = tmp_path / "cache" / "prompts"
    first = render_kept(tmp_path / "first", ["Hello.", "upload:jingle"], kept=kept)
    assert list(first) == ["Hello."] and is_rendered(first["Hello."])
    # A sound that piper would not make shows that the kept one was taken.
    spoken = prompt_path(kept, "Hello.")
    spoken.write_bytes(spoken.read_bytes() + b"kept")
    second = render_kept(tmp_path / "second", ["Hello."], kept=kept)
    assert second["Hello."].read_bytes().endswith(b"kept")
