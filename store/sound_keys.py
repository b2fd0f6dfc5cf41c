"""The key of each call's sounds: random, kept sealed by the node's key ring. Without it a sound is noise."""

from __future__ import annotations

import os
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.recording_tables import SOUND_KEY, sound_keys
from store.sealed_sound import KEY_BYTES


async def make_sound_key(connection: AsyncConnection, call_id: UUID) -> bytes | None:
    """Return the key of a call's sounds, made when there is none; None: it was destroyed, nothing may be kept.

    The caller commits before anything is sealed by it. Raises NotSealedByUs.
    """
    sealed = SOUND_KEY.seal(os.urandom(KEY_BYTES), call_id)
    made = insert(sound_keys).values(call_id=call_id, key_sealed=sealed)
    await connection.execute(made.on_conflict_do_nothing())
    return await find_sound_key(connection, call_id)


async def find_sound_key(connection: AsyncConnection, call_id: UUID) -> bytes | None:
    """Return the key of a call's sounds; None: there is none, or none any more. Raises NotSealedByUs."""
    found = select(sound_keys.c.key_sealed).where(sound_keys.c.call_id == call_id)
    sealed = (await connection.execute(found)).scalar_one_or_none()
    return None if sealed is None else SOUND_KEY.unseal(sealed, call_id)


async def destroy_sound_key(connection: AsyncConnection, call_id: UUID) -> None:
    """Take the key away for good, and let no other be made: what it sealed can be heard no more."""
    gone = {"key_sealed": None, "destroyed_at": func.now()}
    made = insert(sound_keys).values(call_id=call_id, **gone)
    still_there = sound_keys.c.destroyed_at.is_(None)
    await connection.execute(
        made.on_conflict_do_update(index_elements=["call_id"], set_=gone, where=still_there)
    )
