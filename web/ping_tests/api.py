"""A test ping for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from pydantic import BaseModel, Field

from router.endpoint_admin import Refused
from rules.places import STATES
from web.api.operation import Answered, Asked, Body, FieldProblem, Operation, Problem, not_found, refused
from web.keys import EDITORS
from web.ping_tests.trying import Attempt, try_ping
from web.resources.ping_endpoints import PING_ENDPOINTS
from web.resources.queries import row_of
from web.resources.targets import LoanType


class PingTestBody(Body):
    """What the made-up caller said."""

    state: str | None = "OH"
    loan_type: LoanType = "refinance"
    deadline_ms: int = Field(default=500, ge=50, le=2000)


class PingTried(BaseModel):
    """One question as it was asked and answered, without secrets."""

    request: str
    answer: str
    took_ms: float
    outcome: str
    bid_micros: int | None
    minimum_connected_ms: int | None
    expires_at: datetime | None
    dial: str | None
    detail: str


async def _try(asked: Asked) -> Answered | Problem:
    body: PingTestBody = asked.body
    if body.state is not None and body.state not in STATES:
        return refused(FieldProblem(field="state", problem="write a state's two letters, such as OH"))
    async with asked.engine.connect() as connection:
        if await row_of(connection, PING_ENDPOINTS, asked.path["id"]) is None:
            return not_found("ping endpoint")
    attempt = Attempt(state=body.state, loan_type=body.loan_type, deadline_ms=body.deadline_ms)
    tried = await try_ping(asked.request.app, asked.path["id"], attempt)
    if isinstance(tried, Refused):
        return refused(*(FieldProblem(field="", problem=problem) for problem in tried.problems))
    return Answered(content=asdict(tried))


OPERATIONS: Sequence[Operation] = (
    Operation(
        method="POST",
        path="/ping-endpoints/{id}/test",
        name="test_ping_endpoint",
        summary="Ask an endpoint for a bid on a caller who is made up",
        description="The buyer sees a ping like any other; nothing is stored, and nothing is bought.",
        tag="ping-endpoints",
        handler=_try,
        roles=EDITORS,
        body=PingTestBody,
        answer=PingTried,
        problems=frozenset({404, 422}),
    ),
)
