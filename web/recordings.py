"""Recordings as the browser plays them, straight from this node's disk: who may hear them was asked before."""

from __future__ import annotations

import asyncio
import re

from aiohttp import web

from web.keys import RECORDINGS_DIR

# What the recorder writes: <call id>-<part>.wav (store.recording_tables).
_FILE = re.compile(r"[0-9a-f-]{36}-[0-9]{1,4}\.wav", re.ASCII)


async def play(request: web.Request, file: str) -> web.StreamResponse:
    """Answer with a recording, by parts where the browser asks so. Raises HTTPNotFound when it is not on this node."""
    folder = request.app[RECORDINGS_DIR]
    if folder is None or not _FILE.fullmatch(file):
        raise web.HTTPNotFound
    path = folder / file
    if not await asyncio.to_thread(path.is_file):
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Content-Type": "audio/wav"})
