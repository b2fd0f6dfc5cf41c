"""Recordings as a browser or a program hears them: opened piece by piece from this node's disk, each hearing noted."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from store.key_ring import NotSealedByUs
from store.sealed_sound import SealedSound, SoundDamaged, sealed_path
from store.sound_keys import find_sound_key
from web.audit import Actor, write_audit
from web.audit_queries import was_noted
from web.byte_range import NotThere, read_range
from web.call.queries import read_recordings
from web.keys import ENGINE, RECORDINGS_DIR, USER, Role, User
from web.middleware import only
from web.open_streams import while_signed_in
from web.portal.call_queries import read_own_recordings
from web.sound_links import OPEN_FOR, make_link, read_link
from web.visibility import Field, viewer_of

log = logging.getLogger(__name__)

# What the recorder writes: <call id>-<part>.wav (store.recording_tables).
_FILE = re.compile(r"[0-9a-f-]{36}-[0-9]{1,4}\.wav", re.ASCII)
PIECES_AT_ONCE = 4
WAV = "audio/wav"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a call's recording that somebody may hear."""

    call_id: UUID
    part: int
    file: str
    length_ms: int

    @property
    def ref(self) -> str:
        return f"{self.call_id}-{self.part}"


async def part_for(connection: AsyncConnection, user: User, call_id: UUID, part: int) -> Part | None:
    """Return a stored part of a call's recording if this user may hear it."""
    viewer = viewer_of(user)
    if viewer.sees(Field.RECORDINGS):
        found = next((one for one in await read_recordings(connection, call_id) if one.part == part), None)
        if found is None or not found.is_playable:
            return None
    elif viewer.sees(Field.OWN_RECORDINGS):
        own = await read_own_recordings(connection, user, call_id)
        found = next((one for one in own if one.part == part), None)
        if found is None:
            return None
    else:
        return None
    return Part(call_id=call_id, part=part, file=found.file, length_ms=found.length_ms or 0)


async def open_link(request: web.Request, call_id: UUID, part: int) -> web.StreamResponse:
    """Send the browser to where it hears a part for some minutes; that it did is noted. Raises HTTPNotFound."""
    user = request[USER]
    async with request.app[ENGINE].begin() as connection:
        found = await part_for(connection, user, call_id, part)
        if found is None or not await _is_here(request, found):
            raise web.HTTPNotFound
        await _note(connection, Actor(user=user), found)
    link = make_link(user.user_id, call_id, part, length_ms=found.length_ms, now=datetime.now(UTC))
    raise web.HTTPFound(f"/sounds/{link}", headers={"Cache-Control": "no-store"})


async def follow_link(request: web.Request) -> web.StreamResponse:
    """Play what a link is for: to who it was made for, while they may hear it. Raises HTTPNotFound else."""
    user = request[USER]
    link = read_link(request.match_info["link"], user.user_id, now=datetime.now(UTC))
    if link is None:
        raise web.HTTPNotFound
    async with request.app[ENGINE].connect() as connection:
        found = await part_for(connection, user, link.call_id, link.part)
        if found is None:
            raise web.HTTPNotFound
        sound = await _open(request, connection, found)
    return await _send(request, sound)


async def send_recording(
    request: web.Request, actor: Actor, call_id: UUID, part: int
) -> web.StreamResponse | None:
    """Send a part of a recording to a program, and note it; None: no such part for this actor."""
    if actor.user is None:
        return None
    async with request.app[ENGINE].begin() as connection:
        found = await part_for(connection, actor.user, call_id, part)
        if found is None:
            return None
        sound = await _open(request, connection, found)
        await _note(connection, actor, found)
    return await _send(request, sound)


async def _note(connection: AsyncConnection, actor: Actor, part: Part) -> None:
    """Note a hearing. A player that jumps asks again and again: within a link's time that is one hearing."""
    assert actor.user is not None
    user_id, kind = actor.user.user_id, "recordings"
    known = await was_noted(
        connection, user_id=user_id, action="hear", kind=kind, ref=part.ref, within=OPEN_FOR
    )
    if not known:
        await write_audit(connection, actor, action="hear", kind=kind, ref=part.ref)


def _plain(request: web.Request, part: Part) -> Path:
    folder = request.app[RECORDINGS_DIR]
    if folder is None or not _FILE.fullmatch(part.file):
        raise web.HTTPNotFound
    return folder / part.file


async def _is_here(request: web.Request, part: Part) -> bool:
    plain = _plain(request, part)
    return await asyncio.to_thread(lambda: sealed_path(plain).exists() or plain.exists())


class _PlainSound:
    """A sound that a version before sealing stored, until the worker has sealed it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.length_bytes = path.stat().st_size

    def close(self) -> None:
        self._file.close()

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        self._file.seek(start)
        while start < stop and (piece := self._file.read(min(stop - start, 65_536))):
            yield piece
            start += len(piece)


async def _open(request: web.Request, connection: AsyncConnection, part: Part) -> SealedSound | _PlainSound:
    """Raises HTTPNotFound when it is not on this node, HTTPInternalServerError when it does not open."""
    plain = _plain(request, part)
    try:
        key = await find_sound_key(connection, part.call_id)
        if key is not None and await asyncio.to_thread(sealed_path(plain).exists):
            return await asyncio.to_thread(SealedSound, plain, key)
        return await asyncio.to_thread(_PlainSound, plain)
    except FileNotFoundError:
        raise web.HTTPNotFound from None
    except (SoundDamaged, NotSealedByUs) as problem:
        log.error("the recording %s cannot be opened: %s", part.ref, problem)
        raise web.HTTPInternalServerError(text="This recording is damaged: it cannot be opened.") from None


async def _send(request: web.Request, sound: SealedSound | _PlainSound) -> web.StreamResponse:
    try:
        length = sound.length_bytes
        try:
            wanted = read_range(request.headers.get("Range", ""), length)
        except NotThere:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{length}"})
        start, stop = wanted or (0, length)
        response = web.StreamResponse(status=200 if wanted is None else 206)
        response.content_type, response.content_length = WAV, stop - start
        response.headers["Accept-Ranges"] = "bytes"
        if wanted is not None:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{length}"
        await response.prepare(request)
        async with while_signed_in(request):
            if request.method != "HEAD":
                async for some in _some_at_once(sound.read(start, stop)):
                    await response.write(some)
            await response.write_eof()
        return response
    finally:
        sound.close()


async def _some_at_once(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces a few at a time, each few opened beside the loop. The first comes alone: it is waited for."""
    most = 1
    while some := await asyncio.to_thread(_take, pieces, most):
        yield some
        most = PIECES_AT_ONCE


def _take(pieces: Iterator[bytes], most: int) -> bytes:
    return b"".join(piece for _, piece in zip(range(most), pieces, strict=False))


def routes() -> list[web.RouteDef]:
    hearers = only(Role.ADMIN, Role.MANAGER, Role.BUYER)
    return [web.get("/sounds/{link}", hearers(follow_link))]
