"""A buyer's book of business: callers it does not buy again. Taken in whole or not at all, with a note each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from router.caller_list_queries import suppress
from router.caller_lists import ListRefused, Suppressed, read_numbers
from web.api.cursor import read_cursor, write_cursor
from web.audit import Actor, write_audit
from web.look_ups import named
from web.suppressions import queries
from web.suppressions.queries import Place
from web.visibility import Viewer

KIND = "suppressions"
LIST_BYTES_MAXIMUM = 4 * 1024 * 1024
REASON_CHARACTERS_MAXIMUM = 200


class NoBuyer:
    """There is no such buyer."""


async def add_numbers(
    engine: AsyncEngine, actor: Actor, buyer_id: int, lines: Sequence[str], reason: str
) -> Suppressed | ListRefused | NoBuyer:
    """Put the numbers of a list, one a line, into a buyer's book: all of them or none."""
    read = read_numbers(lines)
    if isinstance(read, ListRefused):
        return read
    numbers = list(dict.fromkeys(read))
    async with engine.begin() as connection:
        if await queries.buyer_name(connection, buyer_id) is None:
            return NoBuyer()
        added = await suppress(connection, buyer_id, numbers, reason)
        after = {"added": added, "known": len(read) - added, "reason": reason}
        if len(numbers) == 1:
            after |= named(numbers[0])[1]
        await write_audit(connection, actor, action="suppress", kind=KIND, ref=buyer_id, after=after)
    return Suppressed(added=added, known=len(read) - added)


async def remove_number(engine: AsyncEngine, actor: Actor, buyer_id: int, caller: str) -> bool:
    """Take a number off a buyer's list; return whether it was on it."""
    async with engine.begin() as connection:
        before = await queries.remove(connection, buyer_id, caller)
        if before is None:
            return False
        noted = {**before, **named(before["caller"])[1]}
        await write_audit(connection, actor, action="unsuppress", kind=KIND, ref=buyer_id, before=noted)
    return True


def digits_of(text: str) -> str:
    """Return the digits of a number, or of an area code, that is searched for."""
    return "".join(character for character in text if character.isascii() and character.isdigit())[:15]


def seen_rows(rows: Sequence[Mapping[str, Any]], viewer: Viewer) -> list[dict[str, Any]]:
    """Return rows of a list as a viewer may see them."""
    return [
        {**row, "caller": viewer.caller(row["caller"]), "reason": viewer.words(row["reason"])} for row in rows
    ]


def place_of(row: Mapping[str, Any]) -> str:
    """Return the place of a row in the list, as an address may hold it."""
    return write_cursor([row["created_at"].isoformat(), row["caller_index"].hex()])


def place_in(cursor: str) -> Place | None:
    """Return where the page before ended; None for what is no place of ours."""
    found = read_cursor(cursor, (str, str))
    try:
        return (
            None if found is None else (datetime.fromisoformat(str(found[0])), bytes.fromhex(str(found[1])))
        )
    except ValueError:
        return None
