"""What callers hear, to be listened to in the browser before anybody calls."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from aiohttp import web

from ivr_flows import queries
from rules.prompt_names import UPLOAD_BYTES_MAXIMUM
from web.audit import Actor
from web.keys import ENGINE, PROMPTS_DIR, USER
from web.pages import render
from web.prompts.spoken import Speaker, speaker_of_flow, speaker_of_switch, speaker_of_uploads
from web.prompts.uploads import REQUEST_BYTES_MAXIMUM, SoundRefused, SoundTaken, bring_in

SOUND = re.compile(r"(?:uploads/)?[a-z0-9][a-z0-9_-]{0,63}\.wav")
"""What prompt_file makes; nothing else of the folder is given out."""


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request, name=request.query.get("name", ""), taken=request.query.get("taken", ""))


async def bring(request: web.Request) -> web.StreamResponse:
    """Keep a sound for flows to play, or say at the form why not."""
    try:
        form = await request.clone(client_max_size=REQUEST_BYTES_MAXIMUM).post()
    except web.HTTPRequestEntityTooLarge:
        return await _page(request, refusal=_TOO_LARGE, status=413)
    name, given, replace = str(form.get("name", "")).strip().lower(), form.get("file"), "replace" in form
    done: SoundTaken | SoundRefused = SoundRefused(field="file", reason="Choose a file first.")
    if isinstance(given, web.FileField) and given.filename:
        name = name or Path(given.filename).stem.lower()
        done = await bring_in(
            request.app,
            Actor(user=request[USER]),
            given.file,
            file_name=given.filename,
            name=name,
            replace=replace,
        )
    if isinstance(done, SoundRefused):
        return await _page(request, refusal=done, name=name, status=422)
    raise web.HTTPSeeOther(f"/prompts?taken={done.name}")


async def _page(
    request: web.Request,
    *,
    refusal: SoundRefused | None = None,
    name: str = "",
    taken: str = "",
    status: int = 200,
) -> web.Response:
    folder = request.app[PROMPTS_DIR]
    async with request.app[ENGINE].connect() as connection:
        newest = await queries.newest_versions(connection)
        drafts = await queries.drafts(connection)
    speakers = await asyncio.to_thread(_speakers, folder, newest, drafts)
    return render(
        request,
        "prompts/prompts.html",
        status=status,
        speakers=speakers,
        refusal=refusal,
        name=name,
        taken=taken,
        most_mb=UPLOAD_BYTES_MAXIMUM >> 20,
    )


_TOO_LARGE = SoundRefused(
    field="file", reason=f"A sound may have {UPLOAD_BYTES_MAXIMUM >> 20} MB: save it as MP3."
)


def _speakers(
    folder: Path, newest: dict[str, queries.PublishedVersion], drafts: list[queries.Draft]
) -> list[Speaker]:
    """Drafts first: they are what somebody wants to hear now."""
    unpublished = [
        speaker_of_flow(folder, draft.name, draft.definition, standing="draft")
        for draft in drafts
        if draft.name not in newest or newest[draft.name].definition != draft.definition
    ]
    published = [
        speaker_of_flow(folder, one.name, one.definition, standing=f"version {one.version}, published")
        for one in newest.values()
    ]
    return [speaker_of_uploads(folder), *unpublished, *published, speaker_of_switch(folder)]


async def sound(request: web.Request) -> web.StreamResponse:
    """Give out one sound. 404 for anything that is not a prompt of ours."""
    name = request.match_info["file"]
    path = request.app[PROMPTS_DIR] / name
    if not SOUND.fullmatch(name) or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Content-Type": "audio/wav"})
