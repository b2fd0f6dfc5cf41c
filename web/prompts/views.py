"""What callers hear, to be listened to in the browser before anybody calls."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from aiohttp import web

from ivr_flows import queries
from web.keys import ENGINE, PROMPTS_DIR
from web.pages import render
from web.prompts.spoken import Speaker, speaker_of_flow, speaker_of_switch

SOUND = re.compile(r"(?:uploads/)?[a-z0-9][a-z0-9_-]{0,63}\.wav")
"""What prompt_file makes; nothing else of the folder is given out."""


async def show(request: web.Request) -> web.StreamResponse:
    folder = request.app[PROMPTS_DIR]
    async with request.app[ENGINE].connect() as connection:
        newest = await queries.newest_versions(connection)
        drafts = await queries.drafts(connection)
    speakers = await asyncio.to_thread(_speakers, folder, newest, drafts)
    return render(request, "prompts/prompts.html", speakers=speakers)


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
    return [*unpublished, *published, speaker_of_switch(folder)]


async def sound(request: web.Request) -> web.StreamResponse:
    """Give out one sound. 404 for anything that is not a prompt of ours."""
    name = request.match_info["file"]
    path = request.app[PROMPTS_DIR] / name
    if not SOUND.fullmatch(name) or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Content-Type": "audio/wav"})
