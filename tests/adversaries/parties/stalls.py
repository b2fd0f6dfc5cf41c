"""The database stalls, or somebody sees to it, and a call comes in just then."""

from __future__ import annotations

from tests.adversaries.contracts import NORTH, SOUTH, SUPPRESSED
from tests.adversaries.draw import Draw
from tests.adversaries.house import House
from tests.adversaries.parties.publisher import calls, new_caller, some_facts


async def calls_while_the_database_stalls(house: House, draw: Draw) -> None:
    """The agi process knew a second ago what there was to know."""
    await house.hears_what_is_known()
    for _ in range(draw.number(1, 3)):
        caller = draw.pick((new_caller(draw), new_caller(draw), SUPPRESSED))
        await calls(
            house,
            draw,
            draw.pick((NORTH.name, SOUTH.name)),
            caller,
            some_facts(draw),
            router=house.stalled,
            claims=False,
        )


MOVES = (calls_while_the_database_stalls,)
