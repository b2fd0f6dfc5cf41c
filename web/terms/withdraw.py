"""Takes back terms that are yet to go live, and puts them back. What is live stays: calls were judged by it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from billing import terms_queries
from billing.terms_document import Party
from web.audit import Actor, write_audit
from web.plans.queries import audit_of
from web.terms.work import KIND

AHEAD = dt.timedelta(seconds=10)
"""Terms that go live sooner stay: a call that is on its way may be judged by them."""


class WithdrawRefusal(StrEnum):
    """Why nothing was withdrawn, or put back."""

    LIVE = "these terms are live, or go live within seconds: calls are judged by them. Save new ones instead"
    OVER = "the moment they were to go live is over: save them anew"
    TAKEN = "other terms go live at that very moment by now, or whose terms they were is gone"


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """What was taken back, and the note by which it can be put back."""

    audit_id: int


@dataclass(frozen=True, kw_only=True)
class PutBack:
    terms_id: int
    party: Party


async def withdraw(
    engine: AsyncEngine,
    actor: Actor,
    *,
    party: Party,
    campaign_id: int,
    terms_id: int,
    now: dt.datetime,
) -> Withdrawn | WithdrawRefusal | None:
    """Take back a version that is yet to go live. None: there is none of that id."""
    async with engine.begin() as connection:
        row = await terms_queries.version_of(connection, party, campaign_id, terms_id)
        if row is None:
            return None
        if not await terms_queries.delete_version(connection, party, terms_id, after=now + AHEAD):
            return WithdrawRefusal.LIVE
        before = {**row, "goes_live_at": row["goes_live_at"].isoformat()}
        audit_id = await write_audit(
            connection,
            actor,
            action="withdraw",
            kind=KIND,
            ref=f"{party.value}:{terms_id}",
            before=before,
        )
    return Withdrawn(audit_id=audit_id)


async def put_back(
    engine: AsyncEngine,
    actor: Actor,
    *,
    party: Party,
    campaign_id: int,
    terms_id: int,
    audit_id: int,
    now: dt.datetime,
) -> PutBack | WithdrawRefusal | None:
    """Put withdrawn terms back, as a version of a new id. None: nothing of that kind was withdrawn."""
    try:
        async with engine.begin() as connection:
            note = await audit_of(connection, audit_id, KIND, f"{party.value}:{terms_id}")
            said = None if note is None or note["after"] is not None else note["before"]
            if said is None or said["campaign_id"] != campaign_id:
                return None
            goes_live_at = dt.datetime.fromisoformat(said["goes_live_at"])
            if goes_live_at <= now:
                return WithdrawRefusal.OVER
            party_id = said[f"{party.value}_id"]
            values = {**said, "goes_live_at": goes_live_at}
            new_id = await terms_queries.insert_terms(connection, party, party_id, values)
            await write_audit(
                connection, actor, action="restore", kind=KIND, ref=f"{party.value}:{new_id}", after=said
            )
    except IntegrityError:
        return WithdrawRefusal.TAKEN
    return PutBack(terms_id=new_id, party=party)
