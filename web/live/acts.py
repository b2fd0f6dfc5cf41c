"""What the house may do to a call: end it, hear it, block who called. The page and the API come here.

Asterisk is the agi process's: an order to end a call is a row it finds, a code to hear one is dialled by telephone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.suppression import blocked_caller_problem
from web.audit import Actor, write_audit
from web.live import act_queries as queries
from web.softphone.codes import MadeCode, Purpose, make_code

HANG_UP = "hang_up"
CODE_LIFETIME = timedelta(seconds=60)
REASON_CHARACTERS_MAXIMUM = 200


@dataclass(frozen=True, kw_only=True)
class NotDone:
    """Why nothing was done, for people. `missing`: there is no such call."""

    problem: str
    missing: bool = False


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """The call will be ended within a second or so by its node."""

    command_id: int


@dataclass(frozen=True, kw_only=True)
class Blocked:
    """This number is sold to nobody from now on. `anew` is False when it was blocked before."""

    number: str
    anew: bool


NO_CALL = NotDone(problem="there is no such call", missing=True)
OVER = NotDone(problem="the call is over")


async def hang_up(engine: AsyncEngine, actor: Actor, call_id: UUID) -> Ordered | NotDone:
    """Order a call's end; asked again while it is not carried out yet, the first order stands."""
    async with engine.begin() as connection:
        call = await queries.call_to_act_on(connection, call_id)
        if call is None:
            return NO_CALL
        if not call.in_progress:
            return OVER
        user_id = None if actor.user is None else actor.user.user_id
        command_id, anew = await queries.order(connection, call, HANG_UP, user_id, actor.label)
        if anew:
            await write_audit(connection, actor, action=HANG_UP, kind="calls", ref=call_id)
    return Ordered(command_id=command_id)


async def listening_code(
    engine: AsyncEngine, actor: Actor, call_id: UUID, purpose: Purpose, now: datetime
) -> MadeCode | NotDone:
    """Make a code that, dialled once within a minute, opens the call to who asked."""
    if actor.user is None:
        return NotDone(problem="a code is made for somebody who has signed in")
    async with engine.begin() as connection:
        call = await queries.call_to_act_on(connection, call_id)
        if call is None:
            return NO_CALL
        if not call.in_progress:
            return OVER
        made = await make_code(
            connection,
            user_id=actor.user.user_id,
            purpose=purpose,
            now=now,
            lifetime=CODE_LIFETIME,
            call_id=call_id,
            holder_digest=actor.holder,
        )
        await write_audit(connection, actor, action=str(purpose), kind="calls", ref=call_id)
    return made


async def block_caller(engine: AsyncEngine, actor: Actor, call_id: UUID, reason: str) -> Blocked | NotDone:
    """Sell this caller to nobody any more, in any campaign; the call itself goes on."""
    async with engine.begin() as connection:
        call = await queries.call_to_act_on(connection, call_id)
        if call is None:
            return NO_CALL
        if call.caller is None:
            return NotDone(problem="the caller withheld the number: there is nothing to block")
        problem = blocked_caller_problem("number", call.caller)
        if problem is not None:
            return NotDone(problem=problem)
        told = reason.strip()[:REASON_CHARACTERS_MAXIMUM] or f"blocked at call {call_id}"
        rule_id = await queries.block(connection, call.caller, told)
        if rule_id is not None:
            after = {"kind": "number", "value": call.caller, "campaign_id": None, "reason": told}
            await write_audit(
                connection, actor, action="create", kind="blocked_callers", ref=rule_id, after=after
            )
    return Blocked(number=call.caller, anew=rule_id is not None)
