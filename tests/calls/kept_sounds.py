"""Sounds of calls as the worker keeps them: sealed on the disk, opened by the key of their call."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from store.sealed_sound import read_kept, sealed_path
from store.sound_keys import find_sound_key


async def kept_sound(engine: AsyncEngine, call_id: UUID, plain: Path) -> io.BytesIO:
    """Return a sound once it is sealed and the plain one is gone."""
    for _ in range(150):
        if sealed_path(plain).exists() and not plain.exists():
            break
        await asyncio.sleep(0.1)
    async with engine.connect() as connection:
        key = await find_sound_key(connection, call_id)
    assert key is not None
    return io.BytesIO(b"".join(read_kept(plain, key)))
