"""Bidders try to gain: Greedy bids what it will never pay and refuses what it won, Faraway wants calls abroad."""

from __future__ import annotations

from tests.adversaries.contracts import DOLLAR, FARAWAY_BIDDER, GREEDY_BIDDER, HONEST_BIDDER, NORTH
from tests.adversaries.draw import Draw
from tests.adversaries.house import House
from tests.adversaries.parties.publisher import OHIO, calls, new_caller, some_facts

PLACES = (
    "+18765550123",
    "+12425550123",
    "+12425550124",
    "+12425550125",
    "+12685550123",
    "+19005550123",
    "+15005550123",
    "+17005550123",
    "+442071838750",
    "+16145550123",
    "+18005550123",
    "sip:+18765550123@198.51.100.7",
    "sip:9005550123@198.51.100.7",
)
"""Where a bid wants the call: who is paid for calls there gains by each of them."""


async def changes_its_bid(house: House, draw: Draw) -> None:
    mood = house.machine.moods[GREEDY_BIDDER.name]
    mood.bid_micros = draw.pick((0, 0, 0, 1, 20, 44, 90, 999)) * DOLLAR
    mood.minimum_ms = draw.pick((1, 30, 60, 600)) * 1000


async def refuses_or_takes_what_it_won(house: House, draw: Draw) -> None:
    mood = house.machine.moods[GREEDY_BIDDER.name]
    mood.takes_posts = not mood.takes_posts


async def wants_calls_elsewhere(house: House, draw: Draw) -> None:
    """By its bid, or by its answer to the post, with a bid that wins; other calls go without it."""
    mood = house.machine.moods[FARAWAY_BIDDER.name]
    mood.bid_micros, mood.minimum_ms = 900 * DOLLAR, 30_000
    place, named_by_bid = draw.pick(PLACES), draw.pick((True, False))
    mood.dial, mood.post_dial = (place, None) if named_by_bid else (None, place)
    for _ in range(draw.number(1, 4)):
        await calls(house, NORTH.name, new_caller(house, draw), OHIO)
    mood.bid_micros = 0


async def bids_above_its_ceilings(house: House, draw: Draw) -> None:
    mood = house.machine.moods[FARAWAY_BIDDER.name]
    dollars, seconds = draw.pick(((10_000, 30), (10_000, 3_600), (900, 3_600), (1_000, 600)))
    mood.bid_micros, mood.minimum_ms, mood.dial, mood.post_dial = dollars * DOLLAR, seconds * 1000, None, None
    await calls(house, NORTH.name, new_caller(house, draw), OHIO)
    mood.bid_micros = 0


async def bids_honestly(house: House, draw: Draw) -> None:
    """To the cent, so that a share of it has fractions; or not at all, so that others have the call."""
    mood = house.machine.moods[HONEST_BIDDER.name]
    mood.bid_micros, mood.minimum_ms = draw.number(3_100, 6_000) * 10_000, draw.pick((30_000, 60_000))
    if draw.pick((True, False)):
        mood.bid_micros = 0


async def wins_and_does_not_pay(house: House, draw: Draw) -> None:
    """Bids high with a long minimum, and wins callers who are hung up on, or whom it refuses."""
    mood = house.machine.moods[GREEDY_BIDDER.name]
    mood.bid_micros, mood.minimum_ms = draw.pick((90, 999)) * DOLLAR, draw.pick((60, 600)) * 1000
    mood.takes_posts, mood.dial, mood.post_dial = draw.pick((True, False)), None, None
    for _ in range(8):
        seen = await calls(house, NORTH.name, new_caller(house, draw), OHIO)
        if seen.rung:
            house.answer(seen.call_id, 0)
        house.hang_up(seen.call_id, connected_ms=5_000)
    await counts_bidders(house, draw)


async def counts_bidders(house: House, draw: Draw) -> None:
    """A minute is over: the worker counts what wins came to. Then somebody calls."""
    await house.settle()
    await house.counts_bidders()
    await calls(house, NORTH.name, new_caller(house, draw), some_facts(draw))


MOVES = (
    changes_its_bid,
    refuses_or_takes_what_it_won,
    wants_calls_elsewhere,
    bids_above_its_ceilings,
    bids_honestly,
    bids_honestly,
    wins_and_does_not_pay,
    wins_and_does_not_pay,
    counts_bidders,
)
