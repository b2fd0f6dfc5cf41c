"""What every settled call must fulfil, whatever happened to it."""

from __future__ import annotations

from tests.calls.market import PAYOUT_MICROS, PRICE_MICROS
from tests.clocks import assert_clocks_agree
from tollbridge.call_story.story import CallStory
from tollbridge.phone.sipp_log import BuyerLeg


def assert_balanced(story: CallStory) -> None:
    """Every call's postings add up to nothing."""
    assert sum(posting.amount_micros for posting in story.postings) == 0, story.postings


def assert_sold(story: CallStory, leg: BuyerLeg, *, converted: bool = True) -> None:
    """The call was sold, its time is that of the buyer's own clock, and the money follows from it."""
    assert story.outcome == "sold", story
    assert_clocks_agree(story.connected_ms, leg.connected_ms)
    assert story.converted is converted, story.conversion
    assert story.revenue_micros == (PRICE_MICROS if converted else 0)
    assert story.payout_micros == (PAYOUT_MICROS if converted else 0)
    assert_balanced(story)


def assert_unsold(story: CallStory, outcome: str) -> None:
    """Nobody pays for a call that nobody took; the carrier is paid all the same."""
    assert story.outcome == outcome, story
    assert not story.converted and story.revenue_micros == 0 and story.payout_micros == 0
    assert not story.connected_ms
    assert_balanced(story)
