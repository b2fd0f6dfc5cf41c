"""The bidder Greedy tries to gain: it bids what it will never pay, takes calls by promise and refuses them."""

from __future__ import annotations

from tests.adversaries.contracts import DOLLAR, GREEDY_BIDDER, HONEST_BIDDER
from tests.adversaries.draw import Draw
from tests.adversaries.house import House


async def changes_its_bid(house: House, draw: Draw) -> None:
    mood = house.machine.moods[GREEDY_BIDDER.name]
    mood.bid_micros = draw.pick((1, 20, 44, 90, 999, 10_000)) * DOLLAR
    mood.minimum_ms = draw.pick((1, 30, 60, 600, 3_600)) * 1000


async def refuses_or_takes_what_it_won(house: House, draw: Draw) -> None:
    mood = house.machine.moods[GREEDY_BIDDER.name]
    mood.takes_posts = not mood.takes_posts


async def bids_honestly(house: House, draw: Draw) -> None:
    house.machine.moods[HONEST_BIDDER.name].bid_micros = draw.number(31, 60) * DOLLAR


MOVES = (changes_its_bid, refuses_or_takes_what_it_won, bids_honestly)
