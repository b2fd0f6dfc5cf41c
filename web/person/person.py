"""Find, take away and erase what is held on a telephone number. Each is noted in the audit log, the number masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from web.audit import Actor, write_audit
from web.look_ups import named
from web.person.items import Fate, Item, fate_of
from web.person.queries import STEPS, erase_call, find_items, next_call

PERSONS = "persons"
_LOCKS_WITHIN = "SET LOCAL lock_timeout = '5s'"

Counts = Mapping[str, Mapping[str, int]]


async def find_person(
    engine: AsyncEngine, actor: Actor, number: str, *, action: str = "look_up"
) -> list[Item]:
    """Return what is held on a number (E.164); who asked is noted first."""
    ref, masked = named(number)
    async with engine.begin() as connection:
        found = await find_items(connection, number)
        await write_audit(connection, actor, action=action, kind=PERSONS, ref=ref, after=masked)
    return found


def counts_of(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Return how many things of each fate there are, by kind."""
    counts: dict[str, Counter[str]] = {}
    for item in items:
        counts.setdefault(fate_of(item)[0].value, Counter())[item.kind.value] += 1
    return {fate: dict(kinds) for fate, kinds in counts.items()}


async def erase_person(engine: AsyncEngine, actor: Actor, number: str) -> dict[str, Any]:
    """Erase what may be erased of a number, and return how many things met which fate, as of before.

    Each call, and each list, is a transaction of its own: interrupted, it is done again and goes on where it was.
    Nothing left to erase: nothing is changed, and no note is written.
    """
    async with engine.connect() as connection:
        before = await find_items(connection, number)
    counts = counts_of(before)
    if not ({Fate.ERASED.value, Fate.MASKED.value} & counts.keys()):
        return counts
    while True:
        async with engine.begin() as connection:
            await connection.execute(text(_LOCKS_WITHIN))
            call_id = await next_call(connection, number)
            if call_id is None:
                break
            await erase_call(connection, number, call_id)
    for step in STEPS:
        async with engine.begin() as connection:
            await connection.execute(text(_LOCKS_WITHIN))
            await step(connection, number)
    ref, masked = named(number)
    async with engine.begin() as connection:
        await write_audit(
            connection, actor, action="erase", kind=PERSONS, ref=ref, after={**masked, "counts": counts}
        )
    return counts
