"""The publisher South tries to gain: invents callers, pings and never calls, names false ZIPs, rotates and repeats."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from router.domain.inbound_bid import InboundBid
from tests.adversaries.accountant import ring_problems
from tests.adversaries.contracts import AREA_CODES, NORTH, SOUTH, SUPPRESSED, ZIP_CODES
from tests.adversaries.draw import Draw
from tests.adversaries.house import House

WITHHELD = ("", "anonymous", "+266696687", "266696687", "Restricted", "0000000000")
"""What carriers send for a caller who withholds the number."""


def new_caller(draw: Draw) -> str:
    """Return a number that no call came from before."""
    return f"+1{draw.pick(list(AREA_CODES))}{2_000_000 + uuid4().int % 7_999_999}"


def some_facts(draw: Draw) -> dict[str, str]:
    """Return what somebody says of a caller."""
    facts = {"loan_type": "refinance"}
    where = draw.pick(("state", "zip", "both", "neither"))
    if where in ("state", "both"):
        facts["state"] = draw.pick(("OH", "CA", "NY"))
    if where in ("zip", "both"):
        facts["zip"] = draw.pick(list(ZIP_CODES))
    if draw.pick((True, False)):
        facts["veteran"] = draw.pick(("yes", "no"))
    return facts


async def calls(
    house: House, draw: Draw, publisher: str, caller: str, said: Mapping[str, str], **more: object
) -> None:
    """A call comes in, and the accountant looks at who rings."""
    seen = await house.call(publisher, caller, said, **more)  # type: ignore[arg-type]
    house.problems.extend(ring_problems(house.happened, seen))


async def sends_a_call(house: House, draw: Draw) -> None:
    publisher = draw.pick((NORTH.name, SOUTH.name))
    await calls(house, draw, publisher, new_caller(draw), some_facts(draw))


async def sends_a_call_of_somebody_known(house: House, draw: Draw) -> None:
    """The same caller again, or one who asked never to be called by these buyers."""
    known = sorted({one.caller for one in house.happened.calls.values() if one.caller} | {SUPPRESSED})
    await calls(house, draw, draw.pick((NORTH.name, SOUTH.name)), draw.pick(known[-8:]), some_facts(draw))


async def sends_a_withheld_call(house: House, draw: Draw) -> None:
    await calls(house, draw, draw.pick((NORTH.name, SOUTH.name)), "", {**some_facts(draw), "state": "OH"})


async def pings_and_calls(house: House, draw: Draw) -> None:
    """The caller may say something else than the publisher did."""
    caller, told = new_caller(draw), some_facts(draw)
    bid = await house.ping(caller, told)
    said = draw.pick(
        ({}, {"veteran": "no"}, {"state": "OH"}, {"state": "CA"}, {"veteran": "yes", "state": "OH"})
    )
    if isinstance(bid, InboundBid):
        claims = draw.pick((True, True, True, False))
        await calls(
            house, draw, SOUTH.name, caller, said if claims else {**told, **said}, told=told, claims=claims
        )


async def pings_and_never_calls(house: House, draw: Draw) -> None:
    for _ in range(draw.number(1, 4)):
        await house.ping(new_caller(draw), {**some_facts(draw), "state": "OH"})


MOVES = (
    sends_a_call,
    sends_a_call,
    sends_a_call_of_somebody_known,
    sends_a_withheld_call,
    pings_and_calls,
    pings_and_calls,
    pings_and_never_calls,
)
