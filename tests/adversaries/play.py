"""Plays moves of all parties and lets the accountant judge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.adversaries.accountant import book_problems
from tests.adversaries.books import read_books
from tests.adversaries.draw import Draw
from tests.adversaries.house import House
from tests.adversaries.parties import bidder, buyer, database_owner, disputes, publisher, sales, staff, stalls

Move = Callable[[House, Draw], Awaitable[None]]

MOVES: tuple[Move, ...] = (
    *publisher.MOVES,
    *bidder.MOVES,
    *buyer.MOVES,
    *disputes.MOVES,
    *sales.MOVES,
    *staff.MOVES,
    *stalls.MOVES,
)


async def play(house: House, draw: Draw, moves: int) -> list[str]:
    """Make so many moves, end every call, and return what somebody gained that they may not have."""
    for _ in range(moves):
        await draw.pick(MOVES)(house, draw)
        if house.problems:
            return house.problems
    for call_id in sorted(house.open):
        await house.hang_up(call_id, connected_ms=draw.pick((None, 60_000, 120_000)))
    await house.settle()
    found = [*house.problems, *book_problems(house.happened, await read_books(house))]
    found += await database_owner.tries_as_the_application(house)
    return found or await database_owner.rewrites(house, draw)
