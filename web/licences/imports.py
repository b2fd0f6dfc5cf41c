"""Bringing in a file of licences: looked at first, stored when it was said so, noted in the audit log.

Between the two the file goes to the browser and back (pressed and as text), so that nothing is kept of what nobody
wanted; what comes back is read anew and as little trusted as the first time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib

from sqlalchemy.ext.asyncio import AsyncEngine

from router.licence_import import Imported, Refused, import_licences_within
from web.audit import Actor, write_audit

FILE_BYTES_MAXIMUM = 4 * 1024 * 1024
CARRIED_CHARACTERS_MAXIMUM = 6 * 1024 * 1024
REQUEST_BYTES_MAXIMUM = CARRIED_CHARACTERS_MAXIMUM + 64 * 1024
PROBLEMS_SHOWN = 100


async def bring_in(engine: AsyncEngine, actor: Actor, data: bytes, *, write: bool) -> Imported | Refused:
    """Check a file, and with `write` store it: all of it or nothing."""
    async with engine.begin() as connection:
        found = await import_licences_within(connection, data, write=write)
        if write and isinstance(found, Imported):
            digest = hashlib.sha256(data).hexdigest()
            counts = {"added": found.added, "changed": found.changed, "unchanged": found.unchanged}
            await write_audit(
                connection,
                actor,
                action="import",
                kind="licence-files",
                ref=digest[:16],
                after={**counts, "sha256": digest},
            )
    return found


def carry(data: bytes) -> str:
    """Return a file as a hidden field takes it."""
    return base64.b64encode(zlib.compress(data, 6)).decode()


def carried(text: str) -> bytes | None:
    """Return the file in a hidden field; None when it is none, or more than FILE_BYTES_MAXIMUM."""
    if len(text) > CARRIED_CHARACTERS_MAXIMUM:
        return None
    try:
        press = zlib.decompressobj()
        data = press.decompress(base64.b64decode(text, validate=True), FILE_BYTES_MAXIMUM)
    except (binascii.Error, ValueError, zlib.error):
        return None
    return data if press.eof else None
