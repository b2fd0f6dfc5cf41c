"""Test calls for machines."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from web.api.operation import Answered, Asked, Body, Operation, Problem, conflict, not_found, refused
from web.keys import EDITORS
from web.test_calls import queries
from web.test_calls.order import DEFAULT_CALLER, TURNS_MAXIMUM, Ordered, TooMany, Wanted, order


class TestCallWanted(Body):
    """What the caller does: a turn each, words first. `caller` empty: withheld."""

    __test__ = False

    dialled: str = Field(max_length=20)
    caller: str = Field(default=DEFAULT_CALLER, max_length=20)
    says: list[str] = Field(default_factory=list, max_length=TURNS_MAXIMUM)
    presses: list[str] = Field(default_factory=list, max_length=TURNS_MAXIMUM)


class TestCallMade(Body):
    __test__ = False

    test_call: int


class TestCallShown(Body):
    """`state` is waiting, running, done or failed; `lines` is what happened so far."""

    __test__ = False

    test_call: int
    dialled: str
    state: str
    node: str
    lines: list[str]
    problem: str
    call_id: UUID | None
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None


async def place(asked: Asked) -> Answered | Problem:
    body: TestCallWanted = asked.body
    wanted = Wanted(dialled=body.dialled, caller=body.caller, says=body.says, presses=body.presses)
    done = await order(asked.engine, asked.actor, wanted)
    if isinstance(done, Ordered):
        return Answered(content=TestCallMade(test_call=done.test_call_id))
    return conflict("several test calls wait already") if isinstance(done, TooMany) else refused(*done)


async def show(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        found = await queries.test_call_of(connection, asked.path["id"])
    if found is None:
        return not_found("test call")
    return Answered(
        content=TestCallShown(
            test_call=found.id,
            dialled=found.dialled,
            state=found.state,
            node=found.node,
            lines=list(found.lines),
            problem=found.problem,
            call_id=found.call_id,
            asked_by=found.asked_by,
            asked_at=found.asked_at,
            ended_at=found.ended_at,
        )
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/test-calls",
        name="place_test_call",
        summary="Have a node's own telephone call a tracking number",
        description="It is as real as any other call: routed, rung and billed. One at a time, two minutes at most.",
        tag="test-calls",
        handler=place,
        roles=EDITORS,
        body=TestCallWanted,
        answer=TestCallMade,
        status=202,
        problems=frozenset({409, 422}),
    ),
    Operation(
        method="GET",
        path="/test-calls/{id}",
        name="show_test_call",
        summary="Show what became of a test call",
        tag="test-calls",
        handler=show,
        roles=EDITORS,
        answer=TestCallShown,
        problems=frozenset({404}),
    ),
)
