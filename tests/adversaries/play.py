"""Plays moves of all parties and lets the accountant judge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tests.adversaries.accountant import book_problems
from tests.adversaries.books import read_books
from tests.adversaries.draw import Draw
from tests.adversaries.house import House
from tests.adversaries.parties import (
    bidder,
    buyer,
    card_company,
    database_owner,
    disputes,
    publisher,
    sales,
    staff,
    stalls,
)

Move = Callable[[House, Draw], Awaitable[None]]

MOVES: tuple[Move, ...] = (
    *publisher.MOVES,
    *bidder.MOVES,
    *buyer.MOVES,
    *disputes.MOVES,
    *sales.MOVES,
    *staff.MOVES,
    *card_company.MOVES,
    *stalls.MOVES,
)
ALL_MOVES: tuple[Move, ...] = (*MOVES * 4, *publisher.SLOW_MOVES, *stalls.SLOW_MOVES)
"""With those that take long, now and then."""


async def play(house: House, draw: Draw, moves: int, among: Sequence[Move] = MOVES) -> list[str]:
    """Make so many moves, end every call, and return what somebody gained that they may not have."""
    for _ in range(moves):
        await draw.pick(among)(house, draw)
        if house.problems:
            return house.problems
    return await close(house, draw)


async def close(house: House, draw: Draw) -> list[str]:
    """End every call, judge the books, and let the owner of the database rewrite them."""
    await buyer.hangs_up_on_all(house, draw)
    await house.seals()
    found = [*house.problems, *book_problems(house.happened, await read_books(house))]
    found += await database_owner.tries_as_the_application(house)
    return found or await database_owner.rewrites(house, draw)
