"""What a bidder's wins came to, and when it rests for it or is not shown the caller's number any more. Pure.

A win is lost when the bidder refuses it, at the post or by not taking the call it was handed, or when it takes the call
and does not pay for it. Few refusals are nobody's fault, and not every call lasts: a bidder rests when it refuses more
than its share, or when all its wins together pay far less than its bids were worth. Of several that ring together only
one can take the call: the others refused it only when they hardly ever take one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from router.domain.worth import NOTHING_KNOWN, Lasted
from rules.money import MICROS_PER_CENT, format_dollars

WINDOW = timedelta(hours=24)
WINS_COUNTED = 100
"""The newest ones of the window."""
LEAST_WINS = 20
LEAST_WINS_TO_HIDE = 10
SHORTEST_RING_MS = 10_000
"""A caller who hangs up before a telephone has rung so long is no fault of the bidder's."""
LEAST_FAIR_SHARE = 10
"""Of calls that rang together. Of two bidders that ring together each has a fair share of half a call."""
LEAST_TAKEN_PERCENT = 20
"""Of its fair share. Who takes less picks up for show."""
FIRST_REST = timedelta(hours=1)
LONGEST_REST = timedelta(hours=24)
DEFAULT_MOST_REFUSED_PERCENT = 60
DEFAULT_LEAST_PAID_PERCENT = 25


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """What a bidder is allowed, by its endpoint."""

    most_refused_percent: int = DEFAULT_MOST_REFUSED_PERCENT
    """Of its wins, at the post or by not taking the call. 100: all. At half of it the caller's number is hidden."""
    least_paid_percent: int = DEFAULT_LEAST_PAID_PERCENT
    """Of what the bids it won by were worth. 0: nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wins:
    """What became of a bidder's wins. One whose call is not settled yet, or was a duplicate, is not counted."""

    won: int = 0
    refused: int = 0
    """Of them, at the post or by not taking the call."""
    unpaid: int = 0
    """Of them, taken and not paid for."""
    worth_micros: int = 0
    """What its bids were worth when they won."""
    paid_micros: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Together:
    """What became of the calls for which a bidder rang together with others, and that one of them took."""

    taken: int = 0
    """By this bidder."""
    missed: int = 0
    """Those that another took."""
    fair_share: float = 0.0
    """One in two of the calls that rang at two bidders, one in three of those that rang at three."""


def with_missed(wins: Wins, together: Together) -> Wins:
    """Return the wins with the calls others took: not counted, but refused all of them when it takes hardly any."""
    few = together.taken * 100 < together.fair_share * LEAST_TAKEN_PERCENT
    if together.fair_share < LEAST_FAIR_SHARE or not few:
        return wins
    return replace(wins, won=wins.won + together.missed, refused=wins.refused + together.missed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What is known of one bidder."""

    lasted: Lasted = NOTHING_KNOWN
    wins: Wins = Wins()
    since: datetime | None = None
    """Wins count from here; None: those of the whole window."""
    rested_until: datetime | None = None
    rest: timedelta = timedelta()
    """How long it rests, or rested last."""
    why: str = ""
    hides_caller: bool = False
    """It refuses as a habit: neither its pings nor its posts name the caller."""

    def is_resting(self, now: datetime) -> bool:
        return self.rested_until is not None and now < self.rested_until


NO_RECORD = Record()


def rest_words(record: Record) -> str:
    """Say why a bidder is not asked, and until when."""
    return f"rests until {record.rested_until:%Y-%m-%d %H:%M} UTC: {record.why}"


def counted_from(record: Record, now: datetime) -> datetime:
    """Return from when on the wins count: a rest ends with a clean slate, and while it lasts nothing is forgotten."""
    if record.is_resting(now):
        return record.since or now - WINDOW
    return max(filter(None, (record.since, record.rested_until, now - WINDOW)))


def judged_again(
    record: Record, now: datetime, *, lasted: Lasted, wins: Wins, recent: Wins, allowed: Allowed
) -> Record:
    """Return a bidder's record after its wins were counted: `wins` from counted_from on, `recent` of the window.

    A rest ends by itself, or when what it was for is allowed now. The next one within the window lasts twice as long.
    """
    since, why = counted_from(record, now), _too_much(wins, allowed)
    found = replace(
        record, lasted=lasted, wins=wins, since=since, hides_caller=_refuses(recent, allowed), why=why
    )
    if not why:
        if since <= now - WINDOW:  # no rest lately
            return replace(found, since=None, rested_until=None, rest=timedelta())
        return replace(found, rested_until=None)
    if record.is_resting(now):
        return found
    rest = min(max(record.rest * 2, FIRST_REST), LONGEST_REST)
    return replace(found, rested_until=now + rest, rest=rest)


def _refuses(recent: Wins, allowed: Allowed) -> bool:
    return (
        recent.won >= LEAST_WINS_TO_HIDE and recent.refused * 200 > recent.won * allowed.most_refused_percent
    )


def _too_much(wins: Wins, allowed: Allowed) -> str:
    """Return why a bidder is to rest, for people; empty when it is not."""
    if wins.won < LEAST_WINS:
        return ""
    if wins.refused * 100 > wins.won * allowed.most_refused_percent:
        return (
            f"it refused or did not answer {wins.refused} of the {wins.won} calls it won,"
            f" more than {allowed.most_refused_percent} %"
        )
    if wins.paid_micros * 100 < wins.worth_micros * allowed.least_paid_percent:
        paid, worth = _dollars(wins.paid_micros), _dollars(wins.worth_micros)
        return (
            f"it paid {paid} for {wins.won} calls it won by bids worth {worth}, less than"
            f" {allowed.least_paid_percent} % ({wins.refused} refused or not answered, {wins.unpaid} not paid)"
        )
    return ""


def _dollars(micros: int) -> str:
    return format_dollars(micros - micros % MICROS_PER_CENT)
