"""The database stalls, or somebody sees to it, and calls come in just then; or all services of the node are gone."""

from __future__ import annotations

from tests.adversaries.contracts import NORTH, SOUTH, SUPPRESSED
from tests.adversaries.draw import Draw
from tests.adversaries.house import House
from tests.adversaries.parties.publisher import OHIO, calls, new_caller, some_facts
from tests.adversaries.survival import call_by_script


async def calls_while_the_database_stalls(house: House, draw: Draw) -> None:
    """The agi process knew a second ago what there was to know. Later the database answers again, and more call."""
    await house.hears_what_is_known()
    for _ in range(draw.number(1, 6)):
        caller = draw.pick((new_caller(house, draw), new_caller(house, draw), SUPPRESSED))
        publisher = draw.pick((NORTH.name, SOUTH.name))
        await calls(house, publisher, caller, some_facts(draw), router=house.stalled, claims=False)
    await house.worker.read_and_settle()
    await house.worker.read_and_settle()
    for _ in range(draw.number(0, 3)):
        await calls(house, NORTH.name, new_caller(house, draw), some_facts(draw))


async def calls_while_only_the_worker_is_answered(house: House, draw: Draw) -> None:
    """It takes the room for what rang a moment ago; the agi process cannot read that, and must not forget the calls.

    In New York only One Desk may take them, which takes one.
    """
    await house.hears_what_is_known()
    for _ in range(draw.number(2, 4)):
        facts = {**OHIO, "state": draw.pick(("NY", "NY", "OH"))}
        await calls(house, NORTH.name, new_caller(house, draw), facts, router=house.stalled, claims=False)
        await house.worker.read_and_settle()
        house.looks_for_what_rang()


async def calls_while_no_service_runs(house: House, draw: Draw) -> None:
    """The switch's own script sells them, by what the agi process wrote down last."""
    await house.hears_what_is_known()
    for _ in range(draw.number(1, 2)):
        caller = draw.pick((new_caller(house, draw), SUPPRESSED))
        await call_by_script(house, draw.pick((NORTH.name, SOUTH.name)), caller, some_facts(draw))
    await house.worker.read_and_settle()
    await calls(house, NORTH.name, new_caller(house, draw), some_facts(draw))


MOVES = (
    calls_while_the_database_stalls,
    calls_while_the_database_stalls,
    calls_while_only_the_worker_is_answered,
)
SLOW_MOVES = (calls_while_no_service_runs,)
"""Each call starts a process."""
