"""Which period a call is counted in, for prices that go by how many there were. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from billing.terms_document import Party, Period, TermsDocument


@dataclass(frozen=True, kw_only=True, slots=True)
class TierCounter:
    """The count of one contract in one period."""

    key: str
    period: Period
    period_start: dt.date


def tier_key(party: Party, party_id: int, campaign_id: int, period: Period) -> str:
    """Return the name of the count of one party's calls of a campaign by a period."""
    return f"{party.value}:{party_id}:campaign:{campaign_id}:{period.value}"


def period_start(period: Period, at: dt.datetime, time_zone: str) -> dt.date:
    """Return the first day of the period of the instant `at`, on the wall calendar; weeks begin on Monday."""
    day = at.astimezone(ZoneInfo(time_zone)).date()
    if period is Period.MONTH:
        return day.replace(day=1)
    return day - dt.timedelta(days=day.weekday()) if period is Period.WEEK else day


def counters_of(
    contract: TermsDocument, *, party_id: int, campaign_id: int, at: dt.datetime
) -> tuple[TierCounter, ...]:
    """Return the counters that the contract's tiers go by, in the order in which they are locked."""
    return tuple(
        TierCounter(
            key=tier_key(contract.party, party_id, campaign_id, period),
            period=period,
            period_start=period_start(period, at, contract.time_zone),
        )
        for period in sorted({tiers.period for tiers in contract.tiers})
    )


def calls_before(counters: tuple[TierCounter, ...], used: Mapping[TierCounter, int]) -> dict[str, int]:
    """Return the counts by period."""
    return {counter.period.value: used.get(counter, 0) for counter in counters}
