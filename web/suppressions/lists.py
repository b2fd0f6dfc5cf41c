"""A buyer's book of business: callers it does not buy again. Taken in whole or not at all, with a note each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from router.caller_list_queries import suppress
from router.caller_lists import ListRefused, Suppressed, read_numbers
from store.key_ring import NotSealedByUs, key_ring
from web.api.cursor import read_cursor, write_cursor
from web.audit import Actor, write_audit
from web.suppressions import queries
from web.visibility import Viewer

KIND = "suppressions"
PLACE = "place in a list"
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
            after["caller"] = numbers[0]
        await write_audit(connection, actor, action="suppress", kind=KIND, ref=buyer_id, after=after)
    return Suppressed(added=added, known=len(read) - added)


async def remove_number(engine: AsyncEngine, actor: Actor, buyer_id: int, caller: str) -> bool:
    """Take a number off a buyer's list; return whether it was on it."""
    async with engine.begin() as connection:
        before = await queries.remove(connection, buyer_id, caller)
        if before is None:
            return False
        await write_audit(connection, actor, action="unsuppress", kind=KIND, ref=buyer_id, before=before)
    return True


def beginning_of(text: str) -> str:
    """Return how numbers begin that are searched for: 614 555 and +1 (614) 555 alike; empty for what is none."""
    digits = "".join(character for character in text if character.isascii() and character.isdigit())[:15]
    if not digits:
        return ""
    return f"+{digits}" if text.strip().startswith("+") or digits.startswith("1") else f"+1{digits}"


def seen_rows(rows: Sequence[Mapping[str, Any]], viewer: Viewer) -> list[dict[str, Any]]:
    """Return rows of a list as a viewer may see them."""
    return [
        {**row, "caller": viewer.caller(row["caller"]), "reason": viewer.words(row["reason"])} for row in rows
    ]


def place_of(row: Mapping[str, Any]) -> str:
    """Return the place of a row in the list, as an address may hold it: sealed, for addresses are kept and logged."""
    return write_cursor([key_ring().seal_text(PLACE, row["caller"]).hex()])


def number_at(place: str) -> str | None:
    """Return the number that the page before ended with; None for what is no place of ours."""
    found = read_cursor(place, (str,))
    try:
        return None if found is None else key_ring().unseal_text(PLACE, bytes.fromhex(str(found[0])))
    except (NotSealedByUs, ValueError):
        return None
