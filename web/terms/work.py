"""Saving terms and trying them on a call that was: pages and the API both come here. Refusals are values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing import situation_queries, terms_queries
from billing.judge_terms import Judgement, Situation, judge_terms
from billing.save_terms import TermsRefused, TermsSaved, save_terms
from billing.terms import DuplicateCheck
from billing.terms_document import Party, TermsDocument
from billing.terms_facts import CONVERTED, DUPLICATE, FIRST_TIME, call_facts, fact_text
from billing.tiers import calls_before, counters_of
from rules.telephone import area_code_of
from web.audit import Actor, write_audit
from web.terms import queries
from web.terms.queries import TriedCall

KIND = "terms"
"""What the audit log calls them; the ref is buyer:<id of the version> or publisher:<id>."""

LAST_YEAR = 2200
"""Terms for a later time are a slip of the hand."""

_DUPLICATES = {DuplicateCheck.CLEAR: False, DuplicateCheck.DUPLICATE: True}


async def save_version(
    engine: AsyncEngine,
    actor: Actor,
    *,
    party: Party,
    party_id: int,
    campaign_id: int,
    document: Mapping[str, Any],
    goes_live_at: dt.datetime | None,
    now: dt.datetime,
) -> TermsSaved | TermsRefused:
    """Save a version of terms that goes live at `goes_live_at`; None: now. Never for a time that is over."""
    if goes_live_at is not None and goes_live_at.year > LAST_YEAR:
        return TermsRefused(problems=(f"from: choose a time before the year {LAST_YEAR + 1}",))
    async with engine.begin() as connection:
        if await queries.party_name(connection, party, party_id) is None:
            return TermsRefused(problems=(f"party: there is no such {party.value}",))
        done = await save_terms(
            connection,
            party=party,
            party_id=party_id,
            campaign_id=campaign_id,
            document=document,
            goes_live_at=goes_live_at or now,
            now=now,
        )
        if isinstance(done, TermsRefused):
            return done
        await write_audit(
            connection,
            actor,
            action="create",
            kind=KIND,
            ref=f"{party.value}:{done.terms_id}",
            after={
                f"{party.value}_id": party_id,
                "campaign_id": campaign_id,
                "goes_live_at": done.goes_live_at.isoformat(),
                "document": dict(document),
            },
        )
        return done


async def party_named(connection: AsyncConnection, party: Party, name: str) -> int | None:
    """Return the id of a buyer or publisher by its exact name."""
    return await terms_queries.party_named(connection, party, name)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a call would have come to by some terms. `detail` says why; `paid_micros` what it did come to then."""

    call_id: UUID
    paid: bool
    amount_micros: int
    detail: str
    bonuses: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    call_number: int | None = None
    """As which call of the tiers' period it was counted."""
    paid_micros: int | None = None


async def try_terms(
    connection: AsyncConnection, document: TermsDocument, party_id: int | None, call_id: UUID
) -> Trial | None:
    """Judge a call by terms as its settlement would. Nothing is posted; None when there is no such call."""
    call = await queries.call_of(connection, call_id)
    if call is None:
        return None
    then = _then(call, document.party)
    if not call.connected_ms:
        return Trial(
            call_id=call_id,
            paid=False,
            amount_micros=0,
            detail="no buyer talked with the caller: nothing is paid under any terms",
            paid_micros=then,
        )
    if document.party is Party.PUBLISHER and document.needs_conversion and not call.converted:
        return Trial(
            call_id=call_id,
            paid=False,
            amount_micros=0,
            detail="the buyer does not pay for this call, and these terms pay for converted calls only",
            paid_micros=then,
        )
    contract = document.for_publisher(call.publisher_id)
    counters = counters_of(
        contract, party_id=party_id or 0, campaign_id=call.campaign_id or 0, at=call.started_at
    )
    before = calls_before(counters, await situation_queries.read_tier_counts(connection, counters))
    situation = await _situation(connection, contract, call, before)
    judgement = judge_terms(contract, situation)
    return _told(call_id, judgement, before, then)


def _told(call_id: UUID, judgement: Judgement, before: Mapping[str, int], then: int | None) -> Trial:
    return Trial(
        call_id=call_id,
        paid=judgement.paid,
        amount_micros=judgement.amount_micros,
        detail=judgement.detail,
        bonuses=judgement.bonuses,
        missed=tuple(f"{one.rule}: {one.reason}" for one in judgement.failed) if judgement.paid else (),
        call_number=max(before.values()) + 1 if before else None,
        paid_micros=then,
    )


def _then(call: TriedCall, party: Party) -> int | None:
    name = "price_micros" if party is Party.BUYER else "payout_micros"
    return None if call.conversion is None else call.conversion.get(name)


async def _situation(
    connection: AsyncConnection, contract: TermsDocument, call: TriedCall, before: Mapping[str, int]
) -> Situation:
    connected_ms, conversion = call.connected_ms or 0, call.conversion or {}
    inputs = (conversion.get("buyer") or {}).get("inputs") or {}
    is_buyer = contract.party is Party.BUYER
    facts = await _facts(connection, contract, call)
    if not is_buyer:
        facts[CONVERTED] = fact_text(bool(call.converted))
    return Situation(
        connected_ms=connected_ms,
        facts=facts,
        bid_micros=inputs.get("bid_micros") if is_buyer else None,
        bid_minimum_connected_ms=inputs.get("bid_minimum_connected_ms") if is_buyer else None,
        revenue_micros=0 if is_buyer else int(conversion.get("price_micros") or 0),
        calls_before=before,
    )


async def _facts(connection: AsyncConnection, contract: TermsDocument, call: TriedCall) -> dict[str, str]:
    """Return what is known of the call, as its settlement told it to the terms of the time."""
    tags, answers = await situation_queries.tags_and_answers(connection, call.id)
    first_time = None
    if FIRST_TIME in contract.facts and call.caller is not None and call.campaign_id is not None:
        first_time = not await situation_queries.called_before(
            connection, campaign_id=call.campaign_id, caller=call.caller, before=call.started_at
        )
    ended_at = call.ended_at or call.started_at
    check = (call.conversion or {}).get("duplicate_check")
    own: dict[str, str | int | bool | None] = {
        "publisher": call.publisher_id,
        "campaign": call.campaign_id,
        "number": call.dialled or None,
        "caller": call.caller,
        "area_code": area_code_of(call.caller),
        "attempt": (call.evidence or {}).get("attempt"),
        FIRST_TIME: first_time,
        DUPLICATE: next((found for one, found in _DUPLICATES.items() if one.value == check), None),
    }
    return call_facts(
        tags=tags,
        answers=answers,
        started_at=call.started_at,
        time_zone=contract.time_zone,
        connected_ms=call.connected_ms or 0,
        total_ms=max(round((ended_at - call.started_at).total_seconds() * 1000), 0),
        own=own,
    )
