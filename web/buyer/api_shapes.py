"""What a buyer's machine sends and is told."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from billing.disputes import Reason
from web.api.operation import Body, Query
from web.buyer.disputes import NOTE_CHARACTERS_MAXIMUM
from web.buyer.hours import RANGES_A_DAY_MAXIMUM
from web.buyer.limits import CALLS_A_DAY_MAXIMUM, Wanted
from web.buyer.only_when import RULES_MAXIMUM, VALUE_LENGTH_MAXIMUM, Rule, Test
from web.portal.api import FIRST_DAY, LAST_DAY

Micros = Annotated[int, Field(ge=0, le=10**15)]
Clock = Annotated[str, Field(pattern="^[0-9]{2}:[0-9]{2}$")]


class NewDispute(Body):
    reason: Annotated[Reason, Field(strict=False)]
    note: Annotated[str, Field(max_length=NOTE_CHARACTERS_MAXIMUM)] = ""


class DisputeMade(BaseModel):
    id: int
    price_micros: int


class DisputeShown(BaseModel):
    """A call that was sent back. `credit_micros` and `answer` are there once it is decided."""

    id: int
    call_id: UUID
    reason: str
    note: str
    state: str
    price_micros: int
    credit_micros: int | None
    answer: str
    opened_at: datetime
    decided_at: datetime | None


class Span(Body):
    start: Clock
    end: Clock


class RuleShown(Body):
    """A rule: credit_score at_least 620; loan_type is "refinance, purchase"; veteran is yes."""

    fact: Annotated[str, Field(max_length=60)]
    test: Test
    value: Annotated[str, Field(max_length=VALUE_LENGTH_MAXIMUM)]


class TargetShown(BaseModel):
    """Where calls ring. `hours` are seven days from Monday; the `most` ones are what the house allows."""

    id: int
    name: str
    takes_calls: bool
    paused_at: datetime | None
    time_zone: str
    hours: list[list[Span]]
    most_hours: list[list[Span]]
    concurrency_cap: int
    most_concurrency_cap: int
    calls_a_day: int | None
    dropped_states: list[str]
    only_when: list[RuleShown]


Day = Annotated[list[Span], Field(max_length=RANGES_A_DAY_MAXIMUM)]
State = Annotated[str, Field(max_length=2)]


class TargetChange(Body):
    """What is to change; what is left out stays. `calls_a_day` 0 takes the own limit away."""

    hours: Annotated[list[Day], Field(min_length=7, max_length=7)] | None = None
    concurrency_cap: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    calls_a_day: Annotated[int, Field(ge=0, le=CALLS_A_DAY_MAXIMUM)] | None = None
    dropped_states: Annotated[list[State], Field(max_length=60)] | None = None
    only_when: Annotated[list[RuleShown], Field(max_length=RULES_MAXIMUM)] | None = None

    @property
    def wanted(self) -> Wanted:
        week = (
            None
            if self.hours is None
            else tuple(tuple((span.start, span.end) for span in day) for day in self.hours)
        )
        return Wanted(
            week=week,
            concurrency_cap=self.concurrency_cap,
            calls_a_day=self.calls_a_day,
            dropped_states=None if self.dropped_states is None else tuple(self.dropped_states),
            rules=None
            if self.only_when is None
            else tuple(Rule(fact=one.fact, test=one.test, value=one.value) for one in self.only_when),
        )


class DisputeLimits(BaseModel):
    """How many calls you may still send back. `why_not` is empty while one more is possible."""

    left: int
    open_count: int
    open_maximum: int
    counted: int = Field(description="Disputes of 30 days that are open or were refused")
    share_maximum: int
    share_percent: int
    paid_calls: int = Field(description="Your paid calls of 30 days")
    why_not: str


class PriceChange(Body):
    price_micros: Micros


class PriceSet(BaseModel):
    """Calls that begin at `goes_live_at` or later are ranked and billed by it, earlier ones by the price before."""

    price_micros: int
    goes_live_at: datetime


class PriceShown(BaseModel):
    """What a campaign's calls cost now, and between what the buyer may set it itself (null: it may not)."""

    campaign_id: int
    campaign: str
    price_micros: int
    minimum_connected_ms: int
    floor_micros: int | None
    ceiling_micros: int | None
    next_price_micros: int | None = Field(description="A price you set that is not in force yet")
    next_from: datetime | None = Field(description="When it goes live, for calls that begin then or later")


class LicenceShown(BaseModel):
    state: str
    product: str
    nmls_id: str
    officer_name: str | None
    valid_from: date
    valid_to: date | None
    status: str


class DayQuery(Query):
    day: date | None = Field(None, ge=FIRST_DAY, le=LAST_DAY)
    zone: str = Field("UTC", max_length=60)


class ReasonShown(BaseModel):
    """Why calls went elsewhere: what it means, and what to do about it."""

    title: str
    meaning: str
    advice: str
    calls: int


class PassedShown(BaseModel):
    """`looked_at` says of how many of the day's calls this is known; the newest ones, when not all."""

    reasons: list[ReasonShown]
    looked_at: int
    complete: bool


class TopUp(Body):
    amount_micros: Micros
    key: Annotated[str, Field(min_length=8, max_length=60, pattern="^[A-Za-z0-9_-]+$")]


class TopUpPage(BaseModel):
    """Where the buyer pays. Nothing is recorded before the provider says that the money has come."""

    reference: str
    url: str
