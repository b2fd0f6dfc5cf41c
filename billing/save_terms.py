"""Saves a new version of terms: checked whole, never for a time that is over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import terms_queries as queries
from billing.check_terms import checked_terms
from billing.find_losses import find_losses
from billing.read_terms import TermsError
from billing.terms_document import Fixed, Party, TermsDocument
from ivr_flows.publishing import tags_of_flows
from rules.known_facts import unknown_facts

AT_A_LOSS = "raise the price, lower the payout, give the publisher a minimum_margin, or let the campaign sell at a loss"


@dataclass(frozen=True, kw_only=True)
class TermsSaved:
    """The new version."""

    terms_id: int
    goes_live_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class TermsRefused:
    """Nothing was saved; each problem names its place and reason."""

    problems: tuple[str, ...]


async def save_terms(
    connection: AsyncConnection,
    *,
    party: Party,
    party_id: int,
    campaign_id: int,
    document: Mapping[str, Any],
    goes_live_at: dt.datetime,
    now: dt.datetime,
) -> TermsSaved | TermsRefused:
    """Save terms that go live at `goes_live_at`. The caller commits."""
    if goes_live_at.tzinfo is None:
        return TermsRefused(problems=("from: a time without its zone; write 2026-12-01T00:00-05:00",))
    if goes_live_at < now:
        reason = "calls since then are judged by the terms of that time; choose a time to come"
        return TermsRefused(problems=(f"from: {goes_live_at.isoformat()} is over: {reason}",))
    try:
        read = checked_terms(document, party)
    except TermsError as error:
        return TermsRefused(problems=error.problems)
    problems = await _beside(connection, party, party_id, campaign_id, read, goes_live_at)
    if problems:
        return TermsRefused(problems=problems)
    terms_id = await queries.insert_terms(
        connection,
        party,
        party_id,
        {
            "campaign_id": campaign_id,
            "goes_live_at": goes_live_at,
            "document": dict(document),
            **_listed(read),
        },
    )
    if party is Party.BUYER:
        # It was set beside the terms before, and would replace these.
        await queries.forget_own_price(connection, party_id, campaign_id, after=goes_live_at)
    return TermsSaved(terms_id=terms_id, goes_live_at=goes_live_at)


async def _beside(
    connection: AsyncConnection,
    party: Party,
    party_id: int,
    campaign_id: int,
    read: TermsDocument,
    goes_live_at: dt.datetime,
) -> tuple[str, ...]:
    """Return what is wrong with terms beside what is there: publishers, other versions, the other side's terms."""
    problems = await _names_of_nothing(connection, read)
    if problems:
        return problems
    if await queries.has_version(connection, party, party_id, campaign_id, goes_live_at):
        return ("from: other terms go live at that very moment; choose another",)
    losses = await find_losses(
        connection,
        party=party,
        party_id=party_id,
        campaign_id=campaign_id,
        document=read,
        goes_live_at=goes_live_at,
    )
    return tuple(f"rules: {one}; {AT_A_LOSS}" for one in losses)


async def _names_of_nothing(connection: AsyncConnection, document: TermsDocument) -> tuple[str, ...]:
    """Return what the terms ask for that there is not: publishers, and facts of no call."""
    unknown = await queries.unknown_publishers(connection, [one.publisher_id for one in document.overrides])
    problems = [f"overrides: there is no publisher {one}" for one in unknown]
    if document.facts:
        tags = await tags_of_flows(connection)
        problems += [f"rules: {one}" for one in unknown_facts(document.facts, tags, afterwards=True)]
    return tuple(problems)


def _listed(document: TermsDocument) -> dict[str, int]:
    """Return the columns by which the router knows the terms before a call."""
    if document.party is Party.BUYER:
        return {
            "minimum_connected_ms": document.rules[0].minimum_connected_ms,
            "price_micros": document.listed_micros,
            "highest_micros": document.highest_micros,
        }
    # A share is not known before the call: nothing is promised for it.
    first = document.rules[0].price
    return {"payout_micros": first.amount_micros if isinstance(first, Fixed) else 0}
