"""Why calls went elsewhere, in words for the buyer they passed by, and what it can do about it. Pure.

Only what the buyer itself decides is told in detail; of others it learns no bid, no name and no number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason: a heading, what it means, and where it is changed (none: nothing to do)."""

    title: str
    meaning: str
    advice: str
    address: str = ""
    yours: bool = True
    """The buyer's own doing: shown first."""


_TARGETS = "/buyer/targets"
REASONS: Mapping[str, Reason] = {
    "disabled": Reason(
        title="Switched off",
        meaning="The target was paused, or switched off by us.",
        advice="Resume it; if we switched it off, ask us.",
        address=_TARGETS,
    ),
    "closed": Reason(
        title="Outside your hours",
        meaning="Calls came while your desk was closed.",
        advice="Open earlier or longer.",
        address=_TARGETS,
    ),
    "at_cap": Reason(
        title="At your cap",
        meaning="You had as many calls as you take, at once or in the period.",
        advice="Raise your cap, or ask us for more.",
        address=_TARGETS,
    ),
    "too_soon": Reason(
        title="Too soon after the last call",
        meaning="You ask for a pause between two calls.",
        advice="Ask us for a shorter one.",
        address=_TARGETS,
    ),
    "wallet": Reason(
        title="Wallet empty",
        meaning="What was left of your wallet and credit did not cover another call.",
        advice="Top up.",
        address="/buyer/wallet",
    ),
    "unlicensed": Reason(
        title="Not licensed there",
        meaning="Callers were from states, or wanted loans, that no licence of yours covers.",
        advice="Send us your licence for them.",
        address="/buyer/licences",
    ),
    "officer_unlicensed": Reason(
        title="No licensed officer there",
        meaning="Your company is licensed there, but none of your officers.",
        advice="Send us an officer’s licence.",
        address="/buyer/licences",
    ),
    "loan_type": Reason(
        title="Another loan",
        meaning="Callers wanted a loan that your target does not take.",
        advice="Ask us to add it.",
        address=_TARGETS,
    ),
    "filters": Reason(
        title="Your filters",
        meaning="Callers did not fit what you ask for, or were from a state that you left out.",
        advice="Take states back, or ask us for wider filters.",
        address=_TARGETS,
    ),
    "suppressed": Reason(
        title="Your own customers",
        meaning="Callers were on the list of people you do not buy again.",
        advice="Nothing: this is what you asked for.",
    ),
    "no_bid": Reason(
        title="You did not bid", meaning="Asked for a bid, you gave none.", advice="See why in your bidder."
    ),
    "late_bid": Reason(
        title="Bid too late",
        meaning="Your bid came after the auction was over.",
        advice="Make your bidder answer faster.",
    ),
    "invalid_bid": Reason(
        title="Bid not understood",
        meaning="Your bidder’s answer could not be read.",
        advice="Compare it with what we agreed; we can send examples.",
    ),
    "expired_bid": Reason(
        title="Bid expired",
        meaning="Your bid ended before the call was sold.",
        advice="Let bids live a little longer.",
    ),
    "unreachable": Reason(
        title="Bidder not reachable",
        meaning="Your bidder did not answer at all.",
        advice="See that it is up, then ask us for a test ping.",
    ),
    "rested": Reason(
        title="Bidder rested",
        meaning="After too many late or broken answers your bidder is left alone for a while.",
        advice="Mend it; it is tried again by itself.",
    ),
    "post_refused": Reason(
        title="You refused the call",
        meaning="You had won, and then did not take the call.",
        advice="See why in your bidder.",
    ),
    "no_endpoint": Reason(
        title="No bidder set up",
        meaning="The campaign asks for bids, and there is nowhere to ask you.",
        advice="Send us your bidder’s address.",
    ),
    "ping_budget": Reason(
        title="Enough questions",
        meaning="Your bidder was asked as often as we agreed for a minute.",
        advice="Ask us for a higher budget.",
    ),
    "below_floor": Reason(
        title="Bid below the floor",
        meaning="Your price was less than the least that a call is sold for.",
        advice="Bid more.",
        address=_TARGETS,
    ),
    "below_payout": Reason(
        title="Price too low",
        meaning="Your price would not have covered what the call costs.",
        advice="Bid more.",
        address=_TARGETS,
    ),
    "lower_bid": Reason(
        title="Outbid", meaning="Somebody else paid more.", advice="Bid more.", address=_TARGETS
    ),
    "lower_rank": Reason(
        title="Others came first",
        meaning="Somebody else’s turn came before yours, by price or by the order of the plan.",
        advice="A higher price comes earlier where the plan goes by price.",
        address=_TARGETS,
    ),
    "duplicate": Reason(
        title="Callers known already",
        meaning="The same people had called before, within the time in which they count once.",
        advice="Nothing: you are spared paying twice.",
        yours=False,
    ),
    "sold_elsewhere": Reason(
        title="Sold exclusively",
        meaning="The caller had been sold to somebody else alone.",
        advice="Nothing.",
        yours=False,
    ),
    "not_known": Reason(
        title="Database unavailable",
        meaning="Our database did not answer: a caller whom a buyer may have suppressed is not sold.",
        advice="Nothing.",
        yours=False,
    ),
    "blocked_caller": Reason(
        title="Blocked callers",
        meaning="Callers whom nobody is to be troubled with.",
        advice="Nothing.",
        yours=False,
    ),
    "group_at_cap": Reason(
        title="Shared cap reached",
        meaning="Targets that share a cap with yours had used it.",
        advice="Ask us about it.",
        yours=False,
    ),
}
_OTHER = Reason(
    title="The call’s own way",
    meaning="The call had been tried at you, or had used its attempts, or looped.",
    advice="Nothing.",
    yours=False,
)


def reason_of(code: str) -> Reason:
    """Return what a rejection's code means to the buyer; what says nothing about the buyer is one reason."""
    return REASONS.get(code, _OTHER)


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How many calls passed by for a reason."""

    reason: Reason
    calls: int


def counted(codes: Mapping[str, int]) -> list[Counted]:
    """Return reasons with their calls: the buyer's own doing first, the most frequent first."""
    sums: dict[str, int] = {}
    by_title: dict[str, Reason] = {}
    for code, calls in codes.items():
        reason = reason_of(code)
        by_title[reason.title] = reason
        sums[reason.title] = sums.get(reason.title, 0) + calls
    found = [Counted(reason=by_title[title], calls=calls) for title, calls in sums.items()]
    return sorted(found, key=lambda one: (not one.reason.yours, -one.calls, one.reason.title))
