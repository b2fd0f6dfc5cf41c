"""Opens a voice message for somebody of the house; that they heard it is in the audit log."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from store.key_ring import NotSealedByUs
from store.sealed_sound import SoundDamaged, read_kept
from store.sound_keys import find_sound_key
from store.tables import no_buyer_requests
from web.audit import Actor, Via, write_audit

_WHO = Actor(user=None, via=Via.COMMAND, name="tollbridge requests hear")


class NotHeard(Enum):
    """Why there is nothing to hear."""

    NO_MESSAGE = (
        "there is no voice message of that number: `tollbridge requests list --all` shows those there are"
    )
    NOT_HERE = "the sound is not on this node, or was erased: the list says on which node it was left"
    DAMAGED = "the sound does not open: it was changed on the disk, or its keys are gone"


async def hear_message(engine: AsyncEngine, request_id: int, folder: Path, to: Path) -> NotHeard | None:
    """Write a message into the new file `to`, which its owner alone reads. Raises OSError when that fails."""
    async with engine.begin() as connection:
        found = select(no_buyer_requests).where(no_buyer_requests.c.id == request_id)
        row = (await connection.execute(found)).first()
        if row is None or not row.recording:
            return NotHeard.NO_MESSAGE
        try:
            pieces = read_kept(
                folder / Path(row.recording).name, await find_sound_key(connection, row.call_id)
            )
            first = next(pieces, b"")
        except FileNotFoundError:
            return NotHeard.NOT_HERE
        except (SoundDamaged, NotSealedByUs):
            return NotHeard.DAMAGED
        await write_audit(connection, _WHO, action="hear", kind="voice_messages", ref=request_id)
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(first)
        for piece in pieces:
            out.write(piece)
    return None
