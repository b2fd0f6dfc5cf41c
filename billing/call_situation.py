"""What the contracts of a call look at, from what was read of it. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from billing.call_facts import LockedCall, Prices
from billing.call_record import CallRecord, LegRecord
from billing.terms import DuplicateCheck, Known
from billing.terms_document import TermsDocument
from billing.terms_facts import DUPLICATE, FIRST_TIME, call_facts
from billing.tiers import TierCounter, counters_of


@dataclass(frozen=True, kw_only=True)
class Contracts:
    """The terms that one leg of a call is judged by; None where there are none, or only a plain price."""

    buyer: TermsDocument | None
    publisher: TermsDocument | None
    buyer_counters: tuple[TierCounter, ...] = ()
    publisher_counters: tuple[TierCounter, ...] = ()

    @cached_property
    def facts(self) -> frozenset[str]:
        """Names of the facts that either looks at."""
        return frozenset[str]().union(*(one.facts for one in (self.buyer, self.publisher) if one))

    @property
    def buyer_asks_for_duplicates(self) -> bool:
        """Whether the buyer's own terms say what a duplicate is worth, so that the campaign's rule does not."""
        return self.buyer is not None and DUPLICATE in self.buyer.facts


def contracts_of(prices: Prices, call: LockedCall, at: dt.datetime) -> Contracts:
    """Return the contracts behind the prices, with the counters that their tiers go by."""
    buyer = prices.buyer_terms.document if prices.buyer_terms else None
    buyer = buyer.for_publisher(call.publisher_id) if buyer else None
    publisher = prices.publisher_terms.document if prices.publisher_terms else None
    campaign_id = call.campaign_id or 0

    def counters(contract: TermsDocument | None, party_id: int | None) -> tuple[TierCounter, ...]:
        if contract is None or party_id is None:
            return ()
        return counters_of(contract, party_id=party_id, campaign_id=campaign_id, at=at)

    return Contracts(
        buyer=buyer,
        publisher=publisher,
        buyer_counters=counters(buyer, prices.buyer_id),
        publisher_counters=counters(publisher, call.publisher_id),
    )


def facts_known(
    contracts: Contracts,
    call: LockedCall,
    record: CallRecord,
    leg: LegRecord,
    at: dt.datetime,
    duplicate: DuplicateCheck,
    *,
    answers: Mapping[str, str],
    first_time: bool | None = None,
) -> Known:
    """Return what is known of the call, as far as the contracts look at it; without their counts."""
    known = Known(publisher_id=call.publisher_id)
    if not contracts.facts:
        return known
    own: dict[str, str | int | bool | None] = {
        "publisher": call.publisher_id,
        "campaign": call.campaign_id,
        "number": record.dialled or None,
        "caller": record.caller,
        "area_code": record.caller[2:5] if record.caller and record.caller.startswith("+1") else None,
        "attempt": leg.attempt,
        FIRST_TIME: first_time,
        DUPLICATE: _YES_NO.get(duplicate),
    }

    def facts_for(contract: TermsDocument | None) -> dict[str, str]:
        if contract is None:
            return {}
        return call_facts(
            tags=call.tags,
            answers=answers,
            started_at=at,
            time_zone=contract.time_zone,
            connected_ms=leg.connected_ms,
            total_ms=max(record.ended_ms - record.started_ms, 0),
            own=own,
        )

    return replace(
        known, buyer_facts=facts_for(contracts.buyer), publisher_facts=facts_for(contracts.publisher)
    )


_YES_NO: Mapping[DuplicateCheck, bool] = {DuplicateCheck.CLEAR: False, DuplicateCheck.DUPLICATE: True}
