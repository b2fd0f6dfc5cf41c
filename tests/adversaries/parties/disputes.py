"""Buyers dispute what they had, again and again; the house rules as it likes."""

from __future__ import annotations

import datetime as dt

from billing.dispute_calls import DisputeDecided, DisputeOpened, decide_dispute, open_dispute
from billing.disputes import DisputeState, Reason
from tests.adversaries.contracts import NORTH
from tests.adversaries.draw import Draw
from tests.adversaries.dues import due_of
from tests.adversaries.house import House
from tests.adversaries.parties.publisher import calls


async def disputes_a_call(house: House, draw: Draw) -> None:
    over = [one.call_id for one in house.happened.calls.values() if one.over and one.answered_by]
    for _ in range(draw.number(1, 3)):
        if not over:
            return
        call_id, reason = draw.pick(over[-6:]), draw.pick(list(Reason))
        async with house.engine.begin() as connection:
            opened = await open_dispute(
                connection, call_id, reason=reason, note="", now=dt.datetime.now(dt.UTC)
            )
        if isinstance(opened, DisputeOpened):
            house.cash.disputes[opened.dispute_id] = call_id
            house.happened.disputes.setdefault(call_id, []).append("open")


async def rules_on_a_dispute(house: House, draw: Draw) -> None:
    disputes = house.cash.disputes
    if not disputes:
        return
    dispute_id = draw.pick(sorted(disputes))
    call_id = disputes[dispute_id]
    credit = draw.pick((0, 0, None, 10_000_000))
    async with house.engine.begin() as connection:
        ruled = await decide_dispute(
            connection, dispute_id, credit_micros=credit, answer="", now=dt.datetime.now(dt.UTC)
        )
    if isinstance(ruled, DisputeDecided):
        del disputes[dispute_id]
        refused = ruled.state is DisputeState.REFUSED
        states = house.happened.disputes[call_id]
        states[states.index("open")] = "refused" if refused else "accepted"
        if ruled.credit_micros or ruled.claw_back_micros:
            house.cash.note_credit(call_id, ruled.credit_micros, ruled.claw_back_micros)


async def calls_again_after_a_credit(house: House, draw: Draw) -> None:
    """A call that was given back whole counts no more: the next one of its caller is paid for. It takes long enough."""
    credits = house.happened.credits
    back = [one for one in house.happened.calls.values() if 0 < due_of(one) <= credits.get(one.call_id, 0)]
    callers = sorted({one.caller for one in back if one.caller})
    if callers:
        seen = await calls(
            house, NORTH.name, draw.pick(callers[-3:]), {"loan_type": "refinance", "state": "OH"}
        )
        if seen.rung:
            house.answer(seen.call_id, 0)
        house.hang_up(seen.call_id, 700_000)
        await house.settle()


MOVES = (disputes_a_call, disputes_a_call, rules_on_a_dispute, calls_again_after_a_credit)
