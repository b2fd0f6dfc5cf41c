"""An admin brings in a sound of the house's own, by the page and by the API, and a flow may play it."""

from __future__ import annotations

import base64
import wave
from pathlib import Path

import numpy as np
import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestServer
from playwright.async_api import expect
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.speech.prompts import prompt_digest
from store import tables
from tests.web.browser import open_browser, open_visit
from tests.web.conftest import EMAIL, PASSWORD, Client
from web.prompts.uploads import REQUEST_BYTES_MAXIMUM


def recording(file: Path, seconds: float = 2.0, loudness: int = 3000) -> Path:
    """A file of stereo at 44.1 kHz, as a studio sends it: a tone that comes and goes."""
    at = np.arange(int(seconds * 44_100)) / 44_100
    tone = np.sin(2 * np.pi * 440 * at) * (np.sin(2 * np.pi * 2 * at) > 0) * loudness
    with wave.open(str(file), "wb") as sound:
        sound.setparams((2, 2, 44_100, 0, "NONE", ""))
        sound.writeframes(np.repeat(tone.astype("<i2"), 2).tobytes())
    return file


async def bring(client: Client, file: Path, **fields: str) -> tuple[int, str]:
    form = FormData(fields)
    form.add_field("file", file.read_bytes(), filename=file.name, content_type="audio/wav")
    async with client.post("/prompts", data=form) as answer:
        return answer.status, await answer.text()


def kept(tmp_path: Path, name: str) -> Path:
    return tmp_path / "prompts" / "uploads" / f"{name}.wav"


async def test_a_sound_is_kept_levelled_and_noted(admin: Client, engine: AsyncEngine, tmp_path: Path) -> None:
    status, page = await bring(admin, recording(tmp_path / "Welcome.wav"))
    assert status == 200 and "<code>upload:welcome</code>" in page
    with wave.open(str(kept(tmp_path, "welcome"))) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (8000, 1)
        assert 1.0 < sound.getnframes() / 8000 < 2.0
    async with admin.get("/prompts/sound/uploads/welcome.wav") as answer:
        assert answer.status == 200
    async with engine.connect() as connection:
        (note,) = await connection.execute(
            select(tables.audit_log).where(tables.audit_log.c.kind == "prompt-sounds")
        )
    assert (note.action, note.ref, note.actor) == ("create", "welcome", EMAIL)
    assert note.after["sha256"] == prompt_digest(kept(tmp_path, "welcome"))


async def test_another_takes_its_place_only_when_that_is_said(admin: Client, tmp_path: Path) -> None:
    await bring(admin, recording(tmp_path / "welcome.wav"))
    first = kept(tmp_path, "welcome").read_bytes()
    other = recording(tmp_path / "other.wav", seconds=1.0)
    status, page = await bring(admin, other, name="welcome")
    assert status == 422 and "There is a sound welcome already" in page and 'value="welcome"' in page
    assert kept(tmp_path, "welcome").read_bytes() == first
    status, _ = await bring(admin, other, name="welcome", replace="yes")
    assert status == 200 and kept(tmp_path, "welcome").read_bytes() != first


@pytest.mark.parametrize("name", ["../secret", "a/b", "<img onerror>", "ümlaut", "x" * 65, "-first"])
async def test_a_name_that_is_none_is_refused(admin: Client, tmp_path: Path, name: str) -> None:
    status, page = await bring(admin, recording(tmp_path / "sound.wav", seconds=0.5), name=name)
    assert status == 422 and "A name has small letters" in page
    assert not list(tmp_path.glob("prompts/**/*.wav"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is no sound we can read"), (b"%PDF-1.7 not a sound", "is no sound we can read")],
)
async def test_what_is_no_sound_is_refused_by_its_own_name(
    admin: Client, tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "offer_final.wav"
    file.write_bytes(content)
    status, page = await bring(admin, file, name="offer")
    assert status == 422 and f"offer_final.wav {reason}" in page
    assert not list(tmp_path.glob("prompts/**/*.wav"))


async def test_silence_and_a_form_without_a_file_are_refused(admin: Client, tmp_path: Path) -> None:
    status, page = await bring(admin, recording(tmp_path / "quiet.wav", loudness=2))
    assert status == 422 and "is silent" in page
    async with admin.post("/prompts", data={"name": "nothing"}) as answer:
        assert answer.status == 422 and "Choose a file first." in await answer.text()


async def test_a_file_that_is_too_large_is_refused_unread(admin: Client, tmp_path: Path) -> None:
    form = FormData()
    form.add_field("file", b"\0" * (REQUEST_BYTES_MAXIMUM + 1), filename="hour.wav")
    async with admin.post("/prompts", data=form) as answer:
        assert answer.status == 413 and "save it as MP3" in await answer.text()


async def test_machines_bring_sounds_too(admin: Client, tmp_path: Path) -> None:
    sound = base64.b64encode(recording(tmp_path / "welcome.wav").read_bytes()).decode()
    body = {"name": "welcome", "sound": sound}
    async with admin.post("/api/v1/prompt-sounds", json=body) as answer:
        told = await answer.json()
    assert answer.status == 201 and told["prompt"] == "upload:welcome"
    assert told["digest"] == prompt_digest(kept(tmp_path, "welcome"))
    async with admin.post("/api/v1/prompt-sounds", json=body) as answer:
        assert answer.status == 422
        assert (await answer.json())["errors"][0]["field"] == "replace"
    async with admin.post("/api/v1/prompt-sounds", json={"name": "other", "sound": "ä"}) as answer:
        assert answer.status == 422


async def test_it_is_brought_in_by_keyboard_and_heard(site: TestServer, tmp_path: Path) -> None:
    async with open_browser() as browser, open_visit(browser, str(site.make_url("")).rstrip("/")) as visit:
        page = visit.page
        await visit.sign_in(EMAIL, PASSWORD, path="/prompts")
        await page.get_by_text("Bring in a sound of your own").focus()
        await page.keyboard.press("Enter")
        await page.get_by_label("Sound", exact=True).set_input_files(recording(tmp_path / "jingle.wav"))
        await page.get_by_role("textbox", name="Name").fill("jingle bells")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("A name has small letters")
        assert await visit.axe_violations() == []
        await visit.picture("prompts-refused")
        visit.complaints.clear()  # the browser's own, of the status 422
        await page.get_by_label("Sound", exact=True).set_input_files(tmp_path / "jingle.wav")
        await page.get_by_role("textbox", name="Name").fill("jingle")
        await page.get_by_role("button", name="Bring it in").press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("upload:jingle")
        audio = page.get_by_label("upload:jingle")
        await audio.evaluate("audio => audio.play()")
        await expect(audio).to_have_js_property("ended", True)
        assert await visit.axe_violations() == []
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.get_by_text("Bring in a sound of your own").click()
        assert await visit.overflow_px() == 0, await visit.wide_elements()
        await visit.picture("prompts-bring")
        assert visit.complaints == []
