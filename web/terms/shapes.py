"""What the API of terms takes and tells."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from web.api.operation import Body, Query

PartyName = Literal["buyer", "publisher"]
PartyId = Annotated[int, Field(ge=1, le=2**63 - 1)]


class TermsQuery(Query):
    party: PartyName = "buyer"
    party_id: PartyId | None = None
    cursor: str | None = Field(default=None, max_length=400, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=200)


class TermsShown(BaseModel):
    """A version of somebody's terms. `document` is null for a plain price; `reading` says either in words."""

    id: int
    party: PartyName
    party_id: int
    name: str
    goes_live_at: datetime
    state: Literal["to come", "live", "past"]
    amount_micros: int
    minimum_connected_ms: int
    document: dict[str, Any] | None
    reading: list[str]


class NewTerms(Body):
    """Terms to go live at `goes_live_at`, or now when it is null; never for a time that is over.

    `document` is as docs/money.md describes it.
    """

    party: PartyName
    party_id: PartyId
    goes_live_at: AwareDatetime | None = None
    document: dict[str, Any]


class TermsMade(BaseModel):
    id: int
    party: PartyName
    goes_live_at: datetime
    reading: list[str]


class TermsWithdrawn(BaseModel):
    """The change by which they can be put back."""

    change_id: int


class TermsPutBack(BaseModel):
    id: int


class TryTerms(Body):
    """Terms, and a call to try them on. `party_id` tells whose count of calls tiers go by."""

    party: PartyName
    party_id: PartyId | None = None
    document: dict[str, Any]
    call_id: UUID


class TermsTried(BaseModel):
    """What the call would have come to. `paid_micros` is what it did come to; null when it is not settled."""

    call_id: UUID
    paid: bool
    amount_micros: int
    detail: str
    bonuses: list[str]
    missed: list[str]
    call_number: int | None
    paid_micros: int | None
