"""One ping on a caller who is made up, with what this process knows of the house and its networks."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from router.domain.market import LOAN_TYPES
from router.endpoint_admin import Refused, Tried, try_endpoint
from web.keys import ENGINE, HOUSE_NAME, PING_RULES

DEADLINES_MS = (500, 1000, 2000)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What the made-up caller said, and how long the bidder has."""

    state: str | None = "OH"
    loan_type: str = LOAN_TYPES[0]
    deadline_ms: int = DEADLINES_MS[0]


async def try_ping(app: web.Application, target_id: int, attempt: Attempt) -> Tried | Refused:
    """Ask a target's endpoint once. The bidder sees a ping like any other; nothing is stored."""
    answers = {"loan_type": attempt.loan_type}
    if attempt.state is not None:
        answers["state"] = attempt.state
    return await try_endpoint(
        app[ENGINE],
        target_id,
        house=app[HOUSE_NAME],
        state=attempt.state,
        answers=answers,
        deadline_ms=attempt.deadline_ms,
        rules=app[PING_RULES],
    )
