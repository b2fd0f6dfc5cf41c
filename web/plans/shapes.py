"""What the API of plans takes and tells."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from web.api.operation import Body
from web.plans.document import Plan
from web.plans.dry_run import TAGS_MAXIMUM, CallerFacts, DryRun, Named
from web.resources.numbers import E164
from web.resources.texts import Zone

Text = Annotated[str, Field(max_length=200)]


class PlanShown(Plan):
    """A plan as it is; its ETag is for changes."""


class DryRunBody(Body):
    """An imagined call. What is left out is not known; without day and time it comes now.

    The state is what the caller says; else the ZIP code tells it, else the area code of the caller's number.
    """

    loan_type: Literal["refinance", "purchase", "home_equity", "reverse"] | None = None
    state: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    zip: Annotated[str, Field(pattern=r"^[0-9]{5}$")] | None = None
    caller: E164 | None = None
    publisher_id: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    tags: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], Text], Field(max_length=TAGS_MAXIMUM)
    ] = Field(default_factory=dict)
    day: Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 12, 31))] | None = Field(
        default=None, description="In the time zone; such as 2026-11-24"
    )
    time: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = Field(
        default=None, description="In the time zone; such as 19:00"
    )
    time_zone: Zone = "America/New_York"

    def facts(self, now: datetime) -> CallerFacts:
        """Return the facts, with what is left out as it is now."""
        return CallerFacts(
            loan_type=self.loan_type,
            state=self.state,
            zip_code=self.zip,
            caller=self.caller,
            publisher_id=self.publisher_id,
            tags=self.tags,
            day=self.day,
            clock=None if self.time is None else time.fromisoformat(self.time),
            zone=ZoneInfo(self.time_zone),
            now=now,
        )


class NamedShown(BaseModel):
    target_id: int
    target: str
    buyer: str
    says: str = ""
    code: str = ""


class AskedShown(BaseModel):
    """Bidders who would be asked."""

    stage: int
    deadline_ms: int
    least_bid_micros: int
    bidders: list[NamedShown]


class DryRunShown(BaseModel):
    """Who would get the call (`chosen`: if no bidder of `asked` bids enough), who next, and who not, and why."""

    sentence: str
    chosen: NamedShown | None
    together: list[NamedShown]
    asked: list[AskedShown]
    following: list[NamedShown]
    refused: list[NamedShown]
    problem: str
    market_version: int


def dry_run_shown(found: DryRun) -> DryRunShown:
    """Return a dry run as the API tells it."""

    def named(one: Named) -> NamedShown:
        return NamedShown(
            target_id=one.target_id, target=one.target, buyer=one.buyer, says=one.says, code=one.code
        )

    return DryRunShown(
        sentence=found.sentence,
        chosen=None if found.chosen is None else named(found.chosen),
        together=[named(one) for one in found.together],
        asked=[
            AskedShown(
                stage=one.stage,
                deadline_ms=one.deadline_ms,
                least_bid_micros=one.least_bid_micros,
                bidders=[named(bidder) for bidder in one.bidders],
            )
            for one in found.asked
        ],
        following=[named(one) for one in found.following],
        refused=[named(one) for one in found.refused],
        problem=found.problem,
        market_version=found.market_version,
    )
