"""A buyer pays by card, and has its payment taken back: events of the payment provider, in any order and again."""

from __future__ import annotations

from billing.payments import Direction, Payment, Reversal, ReversedPayment, payment_key
from billing.post_once import Posted
from billing.record_payment import record_payment
from billing.reverse_payment import reverse_payment
from tests.adversaries.contracts import DOLLAR
from tests.adversaries.draw import Draw
from tests.adversaries.events import Cash
from tests.adversaries.house import House
from tests.adversaries.parties.staff import PREPAYING

PAID = 45 * DOLLAR
STORIES: tuple[tuple[tuple[Reversal, ...], int], ...] = (
    ((Reversal.REFUNDED, Reversal.REFUNDED), PAID),
    ((Reversal.CHARGEBACK,), PAID),
    ((Reversal.CHARGEBACK, Reversal.WON), 0),
    ((Reversal.WON, Reversal.CHARGEBACK), 0),
    ((Reversal.CHARGEBACK, Reversal.LOST), PAID),
    ((Reversal.LOST, Reversal.CHARGEBACK, Reversal.CHARGEBACK), PAID),
    ((Reversal.CHARGEBACK, Reversal.WON, Reversal.CHARGEBACK, Reversal.WON), 0),
)
"""Events, and what is gone of the payment when all have come."""


async def pays_by_card_and_takes_it_back(house: House, draw: Draw) -> None:
    buyer, name = draw.pick(PREPAYING), f"pi_{next(house.serial)}"
    for spelled in draw.pick(((name,), (f"stripe:{name}", name), (name, f"stripe:{name}"))):
        await _paid(house, buyer, name, spelled)
    story, gone = draw.pick(STORIES)
    for reversal in story:
        said = ReversedPayment(
            reversal=reversal, payment_key=payment_key(name), amount_micros=PAID, key=f"of {name}"
        )
        async with house.engine.begin() as connection:
            taken = await reverse_payment(connection, said)
        if not isinstance(taken, tuple):
            house.problems.append(f"{said} is refused: {taken}")
    if gone:
        reference = f"{name} taken back"
        house.happened.cash[reference] = Cash(
            party=buyer, amount_micros=-gone, reference=reference, taken_back=True
        )


async def _paid(house: House, buyer: str, name: str, spelled: str) -> None:
    """The webhook tells of it, or somebody types it in."""
    payment = Payment(
        direction=Direction.TOP_UP, party_id=house.ids.buyers[buyer], amount_micros=PAID, key=spelled
    )
    async with house.engine.begin() as connection:
        if isinstance(await record_payment(connection, payment), Posted):
            house.happened.cash[name] = Cash(party=buyer, amount_micros=PAID, reference=name)


MOVES = (pays_by_card_and_takes_it_back,)
