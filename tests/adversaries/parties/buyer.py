"""Buyers try to gain with the telephone: they hang up a moment too early, or do not answer at all.

The switch's clock is set while they talk, and sweeps come when nobody heard of a call for long.
"""

from __future__ import annotations

from uuid import UUID

from tests.adversaries.contracts import DESK, NORTH, SOUTH, VETERANS
from tests.adversaries.draw import Draw
from tests.adversaries.dues import CONTRACTS
from tests.adversaries.house import House
from tests.adversaries.parties.publisher import LATER, OHIO, calls, new_caller, some_facts
from tests.adversaries.rings import ring_problems

CLOCK_STEPS_MS = (0, 0, 0, 60_000, -60_000, 5_000, -1_000)


async def answers(house: House, draw: Draw) -> None:
    """One of those who ring answers and goes on talking."""
    ringing = [one for one, call in house.open.items() if call.seen.rung and call.line.answered is None]
    if ringing:
        _answer(house, draw, draw.pick(ringing))
        await house.settle()


async def talks_while_the_sweep_comes(house: House, draw: Draw) -> None:
    """One answers; minutes later all that nobody holds any more is given back, and somebody else calls."""
    await answers(house, draw)
    await house.sweeps(LATER)
    for _ in range(draw.number(1, 3)):
        await calls(house, draw.pick((NORTH.name, SOUTH.name)), new_caller(house, draw), some_facts(draw))


async def hangs_up(house: House, draw: Draw) -> None:
    """End one open call, at a length near what somebody's contract asks for."""
    if house.open:
        _hang_up(house, draw, draw.pick(list(house.open)))
        await house.settle()


async def hangs_up_on_all(house: House, draw: Draw) -> None:
    for call_id in list(house.open):
        _hang_up(house, draw, call_id)
    await house.settle()


async def points_its_desk_abroad(house: House, draw: Draw) -> None:
    """Behind the form, which refuses it. Somebody calls meanwhile."""
    place = draw.pick(("sip:+18765550123@127.0.0.1:5080", "sip:19005550123@127.0.0.1:5080"))
    target = house.ids.targets[VETERANS.name]
    trunk = "(SELECT min(id) FROM trunks)"
    await house.change(
        f"UPDATE targets SET sip_uri = :uri, outbound_trunk_id = {trunk} WHERE id = :id", uri=place, id=target
    )
    seen = await house.call(NORTH.name, new_caller(house, draw), OHIO)
    house.problems.extend(ring_problems(house.happened, seen, ()))
    await house.change(
        "UPDATE targets SET sip_uri = :uri, outbound_trunk_id = NULL WHERE id = :id", uri=DESK, id=target
    )


def _answer(house: House, draw: Draw, call_id: UUID) -> None:
    house.answer(call_id, draw.number(0, len(house.open[call_id].seen.rung) - 1))


def _hang_up(house: House, draw: Draw, call_id: UUID) -> None:
    call = house.open[call_id]
    if call.seen.rung and call.line.answered is None and draw.pick((True, True, True, False)):
        _answer(house, draw, call_id)
    lengths = {60_000, 120_000, 3_000, 90_000}
    for name in call.seen.rung:
        lengths |= {rule.minimum_ms for rule in CONTRACTS[name].rules}
        lengths |= {call.seen.bids[name].minimum_ms} if name in call.seen.bids else set()
    call.line.set_by_ms += draw.pick(CLOCK_STEPS_MS)
    house.hang_up(call_id, max(draw.pick(sorted(lengths)) + draw.pick((-1_000, -1, 0, 1, 1_000)), 0))


MOVES = (
    answers,
    answers,
    talks_while_the_sweep_comes,
    hangs_up,
    hangs_up,
    hangs_up,
    hangs_up,
    hangs_up_on_all,
    points_its_desk_abroad,
)
