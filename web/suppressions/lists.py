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
from web.limited_process import read_limited
from web.look_ups import named
from web.suppressions import queries
from web.suppressions.queries import Place
from web.upload_limits import count_file
from web.visibility import Viewer

KIND = "suppressions"
LIST_BYTES_MAXIMUM = 4 * 1024 * 1024
READ_HERE_CHARACTERS = 64 * 1024
"""Some thousand numbers take 10 ms; the largest list takes seconds, in which no page would open."""
REASON_CHARACTERS_MAXIMUM = 200


class NoBuyer:
    """There is no such buyer."""


async def add_numbers(
    engine: AsyncEngine, actor: Actor, buyer_id: int, lines: Sequence[str], reason: str
) -> Suppressed | ListRefused | NoBuyer:
    """Put the numbers of a list, one a line, into a buyer's book: all of them or none.

    Raises TooManyFiles and NotRead for a long one.
    """
    read = await _read(engine, actor, lines)
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


async def _read(engine: AsyncEngine, actor: Actor, lines: Sequence[str]) -> Sequence[str] | ListRefused:
    """Read a list here when it is short, else where it holds nobody up. Raises TooManyFiles and NotRead."""
    size = sum(len(line) for line in lines)
    if size <= READ_HERE_CHARACTERS:
        return read_numbers(lines)
    if actor.user is not None:
        await count_file(engine, actor.user.user_id, size)
    told = await read_limited("web.suppressions.lists:read_list", list(lines))
    return ListRefused(problems=tuple(told["problems"])) if told["problems"] else told["numbers"]


def read_list(lines: Sequence[str]) -> dict[str, Sequence[str]]:
    """The child's part of it."""
    read = read_numbers(lines)
    if isinstance(read, ListRefused):
        return {"problems": read.problems, "numbers": ()}
    return {"problems": (), "numbers": read}


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
