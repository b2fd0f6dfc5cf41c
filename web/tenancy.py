"""Whose rows somebody may read: the clauses that every query a portal can reach must bear.

A buyer's or a publisher's person without a buyer or publisher sees nothing; the house sees all. A row of somebody
else is as if it were not there: its address answers 404, never 403.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, select, true

from store.tables import (
    calls,
    disputes,
    invoices,
    licences,
    rejections,
    rtb_keys,
    targets,
    tracking_numbers,
)
from web.keys import Role, User


def own_calls(user: User) -> ColumnElement[bool]:
    """Calls a buyer had, or a publisher sent."""
    return _own(user, calls.c.buyer_id, calls.c.publisher_id)


def own_targets(user: User) -> ColumnElement[bool]:
    return _own(user, targets.c.buyer_id, None)


def own_licences(user: User) -> ColumnElement[bool]:
    return _own(user, licences.c.buyer_id, None)


def own_numbers(user: User) -> ColumnElement[bool]:
    """Tracking numbers a publisher shows."""
    return _own(user, None, tracking_numbers.c.publisher_id)


def own_keys(user: User) -> ColumnElement[bool]:
    """Keys with which a publisher's machines ask for bids."""
    return _own(user, None, rtb_keys.c.publisher_id)


def own_disputes(user: User) -> ColumnElement[bool]:
    return _own(user, disputes.c.buyer_id, None)


def own_rejections(user: User) -> ColumnElement[bool]:
    """Why a buyer's own targets were passed over."""
    if user.is_of_house:
        return true()
    return rejections.c.target_id.in_(select(targets.c.id).where(own_targets(user)))


def own_invoices(user: User) -> ColumnElement[bool]:
    """A buyer's invoices, a publisher's statements; of a party's, drafts are the house's alone."""
    if user.is_of_house:
        return true()
    party_id = party_id_of(user)
    if party_id is None:
        return false()
    mine = (invoices.c.party == user.role.value) & (invoices.c.party_id == party_id)
    return mine & invoices.c.number.is_not(None)


def party_id_of(user: User) -> int | None:
    """Return the buyer or publisher that a portal's person belongs to; None for the house, and for who has none."""
    if user.role is Role.BUYER:
        return user.buyer_id
    return user.publisher_id if user.role is Role.PUBLISHER else None


def _own(
    user: User,
    buyer_column: ColumnElement[int] | None,
    publisher_column: ColumnElement[int] | None,
) -> ColumnElement[bool]:
    if user.is_of_house:
        return true()
    column = buyer_column if user.role is Role.BUYER else publisher_column
    party_id = party_id_of(user)
    return false() if column is None or party_id is None else column == party_id
