"""The publisher South tries to gain: invents callers, pings and never calls, names false ZIPs, rotates and repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from router.domain.inbound_bid import BidRefusal, InboundBid, NoBid
from router.domain.ping_limits import NO_RECORD
from tests.adversaries.contracts import (
    AREA_CODES,
    NORTH,
    OPEN_MOST,
    PINGS_PER_CALL,
    PINGS_UNJUDGED,
    SOUTH,
    SUPPRESSED,
    ZIP_CODES,
)
from tests.adversaries.draw import Draw
from tests.adversaries.events import CallSeen
from tests.adversaries.house import House
from tests.adversaries.rings import kept_out_problems, reservation_problems, ring_problems

WITHHELD = ("anonymous", "+266696687", "266696687", "Restricted", "0000000000", "+0", "Unavailable", "")
"""What carriers send for a caller who withholds the number."""
WITHHELD_DIGITS = ("", "+266696687", "266696687", "0000000000", "1266696687", "73738284833")
"""The same, as the dialplan hands it on: digits alone."""
SPELLINGS = ("+1{}", "1{}", "{}", "+1 {}", "001{}")
ZIP_NAMES = ("zip", "zip_code", "ZipCode", "zipcode", "caller_zip", "postal_code", "zip5")
STATE_NAMES = ("state", "caller_state", "region")
DIALECTS = ("tollbridge", "ringba", "retreaver")
OHIO = {"loan_type": "refinance", "state": "OH"}
LATER = timedelta(seconds=141)
"""A reservation is over by then, and what a ring takes, too."""
DAY_AND_MORE = timedelta(hours=25)


def new_caller(house: House, draw: Draw) -> str:
    """Return a number that no call came from before."""
    return f"+1{draw.pick(list(AREA_CODES))}{2_000_000 + next(house.serial):07d}"


def some_facts(draw: Draw) -> dict[str, str]:
    """Return what somebody says of a caller."""
    facts = {"loan_type": "refinance"}
    where = draw.pick(("state", "state", "zip", "both", "neither"))
    if where in ("state", "both"):
        facts["state"] = draw.pick(("OH", "OH", "CA", "NY"))
    if where in ("zip", "both"):
        facts["zip"] = draw.pick(list(ZIP_CODES))
    if draw.pick((True, False)):
        facts["veteran"] = draw.pick(("yes", "no"))
    return facts


def spelled(draw: Draw, facts: Mapping[str, str]) -> dict[str, str]:
    """Return facts under names that other parties use for them."""
    names = {"zip": draw.pick(ZIP_NAMES), "state": draw.pick(STATE_NAMES)}
    return {names.get(name, name): value for name, value in facts.items()}


async def calls(house: House, publisher: str, caller: str, said: Mapping[str, str], **more: Any) -> CallSeen:
    """A call comes in, and the accountant looks at who rings, and who was asked."""
    asked = len(house.machine.asked)
    seen = await house.call(publisher, caller, said, **more)
    house.problems.extend(ring_problems(house.happened, seen, house.machine.asked_since(asked)))
    if not seen.rung:  # those that were ended for this call were in nobody's way
        found = kept_out_problems(house.happened, seen, await house.waiting_promises())
        why = house.routed[-1].decision.rejections
        house.problems.extend(f"{one}; the house said {why}" for one in found)
    return seen


async def pings(
    house: House, draw: Draw, caller: str, facts: Mapping[str, str], **more: Any
) -> InboundBid | NoBid:
    """South's machine asks, in some dialect and spelling; the accountant looks at what reservations hold."""
    number = draw.pick(SPELLINGS).format(caller.removeprefix("+1"))
    bid = await house.ping(number, spelled(draw, facts), dialect=draw.pick(DIALECTS), **more)
    if isinstance(bid, NoBid) and bid.reason is BidRefusal.MALFORMED:
        house.problems.append(f"{number} or {facts} was not understood: {bid.detail}")
    if isinstance(bid, InboundBid) and bid.payout_micros % 10_000:
        house.problems.append(f"a promise of a fraction of a cent: {bid}")
    house.problems.extend(reservation_problems(house.happened, await house.waiting_promises()))
    return bid


async def sends_a_call(house: House, draw: Draw) -> None:
    caller = new_caller(house, draw)
    number = draw.pick(SPELLINGS).format(caller.removeprefix("+1")).replace(" ", "")
    publisher = draw.pick((NORTH.name, SOUTH.name))
    await calls(house, publisher, caller, some_facts(draw), spelled=number)


async def sends_a_call_of_somebody_known(house: House, draw: Draw) -> None:
    """The same caller again, or one who asked never to be called by these buyers."""
    known = sorted({one.caller for one in house.happened.calls.values() if one.caller} | {SUPPRESSED})
    caller = draw.pick(known[-8:])
    number = draw.pick(SPELLINGS).format(caller.removeprefix("+1")).replace(" ", "")
    await calls(house, draw.pick((NORTH.name, SOUTH.name)), caller, some_facts(draw), spelled=number)


async def sends_a_withheld_call(house: House, draw: Draw) -> None:
    """The carrier writes a word for it, or the keys of a telephone on which the word is written."""
    facts = {**some_facts(draw), "state": "OH"}
    await calls(house, draw.pick((NORTH.name, SOUTH.name)), "", facts, spelled=draw.pick(WITHHELD_DIGITS))


async def pings_for_a_withheld_caller(house: House, draw: Draw) -> None:
    """Nobody can be known again by such a number: there is nothing to promise."""
    word = draw.pick(WITHHELD)
    bid = await house.ping(word, {**some_facts(draw), "state": "OH"}, dialect=draw.pick(DIALECTS))
    if isinstance(bid, InboundBid) or bid.reason is not BidRefusal.CALLER_REQUIRED:
        house.problems.append(f"{word!r} counts as a caller: {bid}")


async def pings_and_calls(house: House, draw: Draw) -> None:
    """The caller may say something else than the publisher did."""
    caller, told = new_caller(house, draw), some_facts(draw)
    bid = await pings(house, draw, caller, told)
    said = draw.pick(
        ({}, {"veteran": "no"}, {"state": "OH"}, {"state": "CA"}, {"veteran": "yes", "state": "OH"})
    )
    if isinstance(bid, InboundBid):
        claims = draw.pick((True, True, True, False))
        whole = said if claims else {**told, **said}
        await calls(house, SOUTH.name, caller, whole, told=told, claims=claims)


async def lies_about_a_veteran(house: House, draw: Draw) -> None:
    """Veterans cost more, and from two minutes on; the caller says what is so."""
    caller, told = new_caller(house, draw), draw.pick(("yes", "no"))
    facts = {"loan_type": "refinance", "state": "OH", "veteran": told}
    if isinstance(await pings(house, draw, caller, facts), InboundBid):
        said = {"veteran": "no" if told == "yes" else "yes"}
        seen = await calls(house, SOUTH.name, caller, said, told=facts)
        if seen.rung:
            house.answer(seen.call_id, 0)
            house.hang_up(seen.call_id, draw.pick((59_000, 90_000, 119_999, 130_000)))


async def pings_and_calls_with_many_words(house: House, draw: Draw) -> None:
    """Long answers on the ping, and long ones from the caller: what decides must not be lost among them."""
    caller, told = new_caller(house, draw), {"loan_type": "refinance", "state": draw.pick(("OH", "CA"))}
    filler = {f"note_{n}": "x" * draw.pick((100, 180)) for n in range(draw.number(3, 5))}
    bid = await house.ping(caller, {**told, **filler})
    said = {"veteran": "yes", **{f"said_{n}": "y" * 180 for n in range(draw.number(0, 5))}}
    if isinstance(bid, InboundBid):
        seen = await calls(house, SOUTH.name, caller, said, told=told)
        if seen.claimed is None:
            house.problems.append(f"a call was sold blind to its reservation: {seen}")


async def pings_and_never_calls(house: House, draw: Draw) -> None:
    for _ in range(draw.number(1, 6)):
        await pings(house, draw, new_caller(house, draw), {**some_facts(draw), "state": "OH"})


async def pings_for_days_and_never_calls(house: House, draw: Draw) -> None:
    """A hundred callers that South invented, each forgotten before the next. A day after the warning it is bounded.

    Not when so many of its calls came that it is nothing to them.
    """
    wanted = PINGS_UNJUDGED + 2 * OPEN_MOST
    called = sum(one.claimed is not None for one in house.happened.calls.values())
    if wanted <= PINGS_PER_CALL * called:
        return
    before = len(house.happened.promises)
    for _ in range(wanted // OPEN_MOST):
        for _ in range(OPEN_MOST):
            await house.ping(new_caller(house, draw), OHIO)
        await house.sweeps(LATER)
    made = len(house.happened.promises) - before
    await house.counts_pings(datetime.now(UTC) - DAY_AND_MORE)
    for _ in range(3):
        await house.ping(new_caller(house, draw), OHIO)
    waiting = len(await house.waiting_promises())
    if made > max(PINGS_UNJUDGED, PINGS_PER_CALL * called) and waiting > 1:
        house.problems.append(f"{waiting} reservations wait after {made} pings and {called} calls")
    house.key = replace(house.key, record=NO_RECORD)  # weeks later all is forgotten


async def fills_the_market(house: House, draw: Draw) -> None:
    """South holds what it can by pings, then North's real callers come, more than there is room for."""
    for _ in range(draw.number(1, 4)):
        await pings(house, draw, new_caller(house, draw), OHIO)
    for _ in range(draw.number(4, 14)):
        await calls(house, NORTH.name, new_caller(house, draw), OHIO)


MOVES = (
    sends_a_call,
    sends_a_call,
    sends_a_call_of_somebody_known,
    sends_a_withheld_call,
    pings_for_a_withheld_caller,
    pings_and_calls,
    pings_and_calls,
    pings_and_calls,
    lies_about_a_veteran,
    pings_and_calls_with_many_words,
    pings_and_never_calls,
    fills_the_market,
)
SLOW_MOVES = (pings_for_days_and_never_calls,)
