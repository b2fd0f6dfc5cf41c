"""Bringing in a file of licences: looked at first, stored when it was said so, noted in the audit log.

Between the two the file goes to the browser and back (pressed and as text), so that nothing is kept of what nobody
wanted; what comes back is read anew and as little trusted as the first time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.licence_file import LicenceFile, read_licence_file
from router.licence_import import Imported, Refused, import_licences_within
from web.audit import Actor, write_audit
from web.limited_process import read_limited
from web.upload_limits import count_file

FILE_BYTES_MAXIMUM = 4 * 1024 * 1024
CARRIED_CHARACTERS_MAXIMUM = 6 * 1024 * 1024
REQUEST_BYTES_MAXIMUM = CARRIED_CHARACTERS_MAXIMUM + 64 * 1024
PROBLEMS_SHOWN = 100
_FILE = TypeAdapter(LicenceFile)


async def bring_in(engine: AsyncEngine, actor: Actor, data: bytes, *, write: bool) -> Imported | Refused:
    """Check a file, and with `write` store it: all of it or nothing. Raises TooManyFiles and NotRead."""
    if actor.user is not None:
        await count_file(engine, actor.user.user_id, len(data))
    async with engine.begin() as connection:
        found = await import_licences_within(connection, data, write=write, reads=_read_elsewhere)
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


async def _read_elsewhere(text: str, buyer_ids: Mapping[str, int]) -> LicenceFile:
    """Read a file where it holds nobody up: the largest takes seconds, in which no page would open."""
    told = await read_limited("web.licences.imports:read_file", {"text": text, "buyer_ids": dict(buyer_ids)})
    return _FILE.validate_python(told)


def read_file(asked: Mapping[str, Any]) -> Any:
    """The child's part of it."""
    return _FILE.dump_python(read_licence_file(asked["text"], asked["buyer_ids"]), mode="json")


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
