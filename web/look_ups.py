"""Notes of who looked a caller up, and who took callers away as a file. They name a number masked, and by its index.

By the index the notes about one number are found (`ref`); it tells nothing to anyone who lacks the node's keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rules.masking import masked_number
from rules.telephone import known_number
from store.key_ring import key_ring
from web.audit import Actor, write_audit

CALLS = "calls"
_SHOWN_OF_PART = 3


async def note_search(engine: AsyncEngine, actor: Actor, kind: str, typed: str) -> None:
    """Note that rows of a kind were searched by a number, or a part of one; nothing was typed: nothing is noted."""
    if typed:
        ref, after = named(typed)
        async with engine.begin() as connection:
            await write_audit(connection, actor, action="look_up", kind=kind, ref=ref, after=after)


async def note_opened(engine: AsyncEngine, actor: Actor, call_id: object) -> None:
    """Note that a call was opened by somebody who sees its caller's number."""
    async with engine.begin() as connection:
        await write_audit(connection, actor, action="look_up", kind=CALLS, ref=call_id)


async def note_export(
    connection: AsyncConnection, actor: Actor, kind: str, ref: object, what: Mapping[str, Any]
) -> None:
    """Note that rows were taken away as a file, before it is sent."""
    await write_audit(connection, actor, action="export", kind=kind, ref=ref, after=what)


def named(typed: str) -> tuple[str, dict[str, str]]:
    """Return what stands for a number in notes, and what people read of it; of a part of one, its beginning alone."""
    number = known_number(typed) or known_number(f"+{typed}")
    if number is None:
        begins = "".join(character for character in typed if character.isdigit())[:_SHOWN_OF_PART]
        return begins, {"part": begins}
    return key_ring().blind("caller", number).hex(), {"caller": masked_number(number) or ""}
