"""The rules a call is priced by, and the verdict on one call. Pure.

Terms are versioned by their go-live time and never retroactive: a call is judged by the newest terms that were live
when it started.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from billing.judge_terms import PLAIN_RULE, Judgement, Situation, judge_terms, minimum_of
from billing.promises import Promise, promised_payout
from billing.terms_document import Fixed, Party, Rounding, Rule, TermsDocument
from billing.terms_facts import CONVERTED, fact_text, only


@dataclass(frozen=True, kw_only=True)
class BuyerTerms:
    """What a buyer pays for a call of a campaign that was connected long enough."""

    id: int | None
    """None: bid for this very call by a buyer without terms."""
    goes_live_at: dt.datetime
    minimum_connected_ms: int
    price_micros: int
    document: TermsDocument | None = None
    """The contract; None: minimum and price are all there is to it."""
    bid_micros: int | None = None
    """Bid for this very call: goes before the contract's standing prices."""
    bid_minimum_connected_ms: int | None = None

    def contract(self, publisher_id: int | None) -> TermsDocument:
        """Return the terms as they are for the calls of one publisher."""
        if self.document is not None:
            return self.document.for_publisher(publisher_id)
        return _plain(Party.BUYER, self.price_micros, self.minimum_connected_ms)


@dataclass(frozen=True, kw_only=True)
class PublisherTerms:
    """What a publisher earns for a call."""

    id: int
    goes_live_at: dt.datetime
    payout_micros: int
    document: TermsDocument | None = None
    """The contract; None: the payout of a call that converted is all there is to it."""

    @property
    def contract(self) -> TermsDocument:
        return self.document or _plain(Party.PUBLISHER, self.payout_micros)


@lru_cache(maxsize=1_000)
def _plain(party: Party, price_micros: int, minimum_connected_ms: int = 0) -> TermsDocument:
    """Return terms of one price as a contract."""
    price = Fixed(amount_micros=price_micros)
    rule = Rule(name=PLAIN_RULE, price=price, minimum_connected_ms=minimum_connected_ms)
    return TermsDocument(party=party, time_zone="UTC", rounding=Rounding(), rules=(rule,))


class DuplicateCheck(StrEnum):
    """What is known of earlier calls of the same caller."""

    CLEAR = "clear"
    DUPLICATE = "duplicate"
    NO_CALLER = "no_caller"
    """The caller withheld the number: such a call is never held to be a duplicate."""
    NOT_NEEDED = "not_needed"


class Verdict(StrEnum):
    """Why a call is billed, or the term it failed."""

    CONVERTED = "converted"
    NOT_CONNECTED = "not_connected"
    NO_TERMS = "no_terms"
    TOO_SHORT = "too_short"
    TERM_NOT_MET = "term_not_met"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the contracts look at beyond the length of the call; hours are those of each contract's own clock."""

    publisher_id: int | None = None
    buyer_facts: Mapping[str, str] = field(default_factory=dict)
    publisher_facts: Mapping[str, str] = field(default_factory=dict)
    # Calls that were paid for before this one, by the tiers' period.
    buyer_calls_before: Mapping[str, int] = field(default_factory=dict)
    publisher_calls_before: Mapping[str, int] = field(default_factory=dict)


NOTHING_KNOWN = Known()


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """The verdict on one call, with the numbers it stands on."""

    verdict: Verdict
    detail: str
    connected_ms: int
    minimum_connected_ms: int | None = None
    duplicate_check: DuplicateCheck = DuplicateCheck.NOT_NEEDED
    duplicate_of: UUID | None = None
    buyer_terms_id: int | None = None
    publisher_terms_id: int | None = None
    price_micros: int = 0
    payout_micros: int = 0
    promise_loss_micros: int = 0
    """What of the payout is paid for a promise beyond what the price bears; the publisher's half tells it."""
    buyer: Mapping[str, Any] | None = None
    """Which rule paid or which term failed, and everything it was judged by; so that anybody can judge again."""
    publisher: Mapping[str, Any] | None = None

    @property
    def converted(self) -> bool:
        return self.verdict is Verdict.CONVERTED

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict.value,
            "detail": self.detail,
            "connected_ms": self.connected_ms,
            "minimum_connected_ms": self.minimum_connected_ms,
            "duplicate_check": self.duplicate_check.value,
            "duplicate_of": None if self.duplicate_of is None else str(self.duplicate_of),
            "buyer_terms_id": self.buyer_terms_id,
            "publisher_terms_id": self.publisher_terms_id,
            "price_micros": self.price_micros,
            "payout_micros": self.payout_micros,
            "buyer": self.buyer,
            "publisher": self.publisher,
        }


Versioned = TypeVar("Versioned", BuyerTerms, PublisherTerms)


def in_force(versions: Iterable[Versioned], at: dt.datetime) -> Versioned | None:
    """Return the newest of the versions that were live at `at`; None when none was."""
    live = [terms for terms in versions if terms.goes_live_at <= at]
    return max(live, key=lambda terms: (terms.goes_live_at, terms.id or 0), default=None)


def may_convert(terms: BuyerTerms | None, connected_ms: int | None, known: Known = NOTHING_KNOWN) -> bool:
    """Return whether only the duplicate rule stands between this call and its price."""
    if terms is None or connected_ms is None:
        return False
    return judge_terms(terms.contract(known.publisher_id), _of_buyer(terms, connected_ms, known)).paid


def judge(
    *,
    connected_ms: int | None,
    buyer_terms: BuyerTerms | None,
    publisher_terms: PublisherTerms | None,
    duplicate_check: DuplicateCheck,
    duplicate_of: UUID | None = None,
    known: Known = NOTHING_KNOWN,
    promise: Promise | None = None,
    lost_before_micros: int = 0,
) -> Conversion:
    """Return the verdict on a call. `connected_ms` is None when no buyer answered.

    `promise` is what the call was routed on; `lost_before_micros` what was lost by promises to its publisher that day.
    """
    if connected_ms is None:
        return Conversion(verdict=Verdict.NOT_CONNECTED, detail="no buyer answered", connected_ms=0)
    if buyer_terms is None:
        unsold = _Sold(verdict=Verdict.NO_TERMS, detail=_NO_TERMS, numbers={"connected_ms": connected_ms})
    else:
        unsold = _sold(connected_ms, buyer_terms, duplicate_check, duplicate_of, known)
    if (
        promise is None
        or unsold.verdict is not Verdict.CONVERTED
        or connected_ms < promise.minimum_connected_ms
    ):
        return _with_payout(unsold, connected_ms, publisher_terms, duplicate_check, known)
    paid = promised_payout(
        promise,
        price_micros=unsold.price_micros,
        terms=publisher_terms.document if publisher_terms else None,
        lost_before_micros=lost_before_micros,
    )
    return Conversion(
        verdict=unsold.verdict,
        detail=f"{unsold.detail}; {paid.detail}",
        price_micros=unsold.price_micros,
        payout_micros=paid.payout_micros,
        promise_loss_micros=paid.loss_micros,
        publisher=paid.to_json(),
        **unsold.numbers,
    )


_NO_TERMS = "not billed: the buyer had no terms for this campaign when the call started"


@dataclass(frozen=True, kw_only=True)
class _Sold:
    """The buyer's half of a verdict."""

    verdict: Verdict
    detail: str
    numbers: dict[str, Any]
    price_micros: int = 0


def _sold(
    connected_ms: int,
    terms: BuyerTerms,
    duplicate_check: DuplicateCheck,
    duplicate_of: UUID | None,
    known: Known,
) -> _Sold:
    contract, situation = terms.contract(known.publisher_id), _of_buyer(terms, connected_ms, known)
    judgement = judge_terms(contract, situation)
    rule = next((one for one in contract.rules if one.name == judgement.rule), contract.rules[0])
    numbers: dict[str, Any] = {
        "connected_ms": connected_ms,
        "minimum_connected_ms": minimum_of(rule, situation),
        "buyer_terms_id": terms.id,
        "buyer": _told(judgement, contract, situation, known),
    }
    if not judgement.paid:
        verdict = Verdict.TOO_SHORT if judgement.too_short else Verdict.TERM_NOT_MET
        return _Sold(verdict=verdict, detail=judgement.detail, numbers=numbers)
    numbers |= {"duplicate_check": duplicate_check, "duplicate_of": duplicate_of}
    if duplicate_check is DuplicateCheck.DUPLICATE:
        detail = "routed as a duplicate that is not billed"
        if duplicate_of is not None:
            detail = f"the same caller converted in call {duplicate_of}"
        return _Sold(verdict=Verdict.DUPLICATE, detail=detail, numbers=numbers)
    detail = judgement.detail
    if duplicate_check is DuplicateCheck.NO_CALLER:
        detail += "; no caller number, so duplicates could not be looked for"
    price = judgement.amount_micros
    return _Sold(verdict=Verdict.CONVERTED, detail=detail, numbers=numbers, price_micros=price)


def _with_payout(
    sold: _Sold,
    connected_ms: int,
    terms: PublisherTerms | None,
    duplicate_check: DuplicateCheck,
    known: Known,
) -> Conversion:
    converted = sold.verdict is Verdict.CONVERTED
    detail, payout, told = sold.detail, 0, None
    if terms is None:
        if converted:
            detail += "; no payout: the publisher had no terms for this campaign when the call started"
    elif converted or not (terms.contract.needs_conversion or duplicate_check is DuplicateCheck.DUPLICATE):
        situation = _of_publisher(connected_ms, known, sold.price_micros, converted=converted)
        judgement = judge_terms(terms.contract, situation)
        payout, told = judgement.amount_micros, _told(judgement, terms.contract, situation, known)
        if not judgement.paid:
            detail += f"; no payout: {judgement.detail}"
    return Conversion(
        verdict=sold.verdict,
        detail=detail,
        publisher_terms_id=terms.id if terms and told is not None else None,
        price_micros=sold.price_micros,
        payout_micros=payout,
        publisher=told,
        **sold.numbers,
    )


def _of_buyer(terms: BuyerTerms, connected_ms: int, known: Known) -> Situation:
    return Situation(
        connected_ms=connected_ms,
        facts=known.buyer_facts,
        bid_micros=terms.bid_micros,
        bid_minimum_connected_ms=terms.bid_minimum_connected_ms,
        calls_before=known.buyer_calls_before,
    )


def _of_publisher(connected_ms: int, known: Known, revenue_micros: int, *, converted: bool) -> Situation:
    return Situation(
        connected_ms=connected_ms,
        facts={**known.publisher_facts, CONVERTED: fact_text(converted)},
        revenue_micros=revenue_micros,
        calls_before=known.publisher_calls_before,
    )


def _told(
    judgement: Judgement, contract: TermsDocument, situation: Situation, known: Known
) -> dict[str, Any]:
    """Return the judgement with what it stands on, and of the facts only those that were asked for."""
    facts = only(situation.facts, contract.facts)
    inputs = situation.to_json() | {"facts": facts, "publisher_id": known.publisher_id}
    return judgement.to_json() | {"inputs": inputs}
