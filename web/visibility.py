"""What a role may see of a call, field by field. Pure: whose rows they are is web.tenancy's question.

buyer      own price, the caller's number, recordings of own connected legs; no payout, publisher, other buyer or bid
publisher  own payout and why it did not pay, the caller's area code and last two digits; no revenue, no buyer
analyst    all money, masked callers, no recordings
manager, admin  everything
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rules.masking import masked_number, without_numbers
from web.keys import Role, User


class Field(StrEnum):
    """What a call is made of, as far as it is not everybody's to see."""

    REVENUE = "revenue_micros"
    """What the buyer owes: to a buyer its own spend."""
    PAYOUT = "payout_micros"
    COSTS = "costs"
    """Carrier, pings, platform fee, and so the margin."""
    WHOLE_CALLER = "whole_caller"
    """Whole telephone numbers of callers, wherever they are: in lists, tags, answers, decisions, notes and exports."""
    DIALLED = "dialled"
    PUBLISHER = "publisher"
    BUYER = "buyer"
    TARGET = "target"
    TRUNK = "trunk"
    TAGS = "tags"
    """All of the caller's tags; among them are what publishers say of their traffic."""
    ANSWERS = "answers"
    BUYER_VERDICT = "buyer_verdict"
    """Which of the buyer's rules paid, or which failed."""
    PUBLISHER_VERDICT = "publisher_verdict"
    DECISIONS = "decisions"
    """Whom else it was offered to, every bid and every rejection."""
    OWN_LEGS = "own_legs"
    OTHER_LEGS = "other_legs"
    LEDGER = "ledger"
    EVIDENCE = "evidence"
    RECORDINGS = "recordings"
    """Of any call."""
    OWN_RECORDINGS = "own_recordings"
    """Of calls that were connected to the viewer."""


_ALL = frozenset(Field)
_MONEY_ONLY = _ALL - {Field.WHOLE_CALLER, Field.RECORDINGS, Field.OWN_RECORDINGS}
SEEN_BY: Mapping[Role, frozenset[Field]] = {
    Role.ADMIN: _ALL,
    Role.MANAGER: _ALL,
    Role.ANALYST: _MONEY_ONLY,
    Role.BUYER: frozenset(
        {
            Field.REVENUE,
            Field.WHOLE_CALLER,
            Field.TARGET,
            Field.ANSWERS,
            Field.BUYER_VERDICT,
            Field.OWN_LEGS,
            Field.OWN_RECORDINGS,
        }
    ),
    Role.PUBLISHER: frozenset({Field.PAYOUT, Field.DIALLED, Field.TAGS, Field.PUBLISHER_VERDICT}),
}

# The columns of a call's row, or of a list's line, and the field each belongs to. What is not named is everybody's.
_COLUMNS: Mapping[str, Field] = {
    "revenue_micros": Field.REVENUE,
    "price_micros": Field.REVENUE,
    "spend_micros": Field.REVENUE,
    "payout_micros": Field.PAYOUT,
    "carrier_cost_micros": Field.COSTS,
    "ping_cost_micros": Field.COSTS,
    "platform_fee_micros": Field.COSTS,
    "margin_micros": Field.COSTS,
    "profit_micros": Field.COSTS,
    "margin": Field.COSTS,
    "dialled": Field.DIALLED,
    "number": Field.DIALLED,
    "tracking_number_id": Field.DIALLED,
    "publisher": Field.PUBLISHER,
    "publisher_id": Field.PUBLISHER,
    "buyer": Field.BUYER,
    "buyer_id": Field.BUYER,
    "target": Field.TARGET,
    "target_id": Field.TARGET,
    "trunk": Field.TRUNK,
    "carrier": Field.TRUNK,
    "node": Field.TRUNK,
    "linkedid": Field.TRUNK,
    "flow_name": Field.TRUNK,
    "flow_version": Field.TRUNK,
    "tags": Field.TAGS,
    "answers": Field.ANSWERS,
    "decisions": Field.DECISIONS,
    "rejections": Field.DECISIONS,
    "bids": Field.DECISIONS,
    "legs": Field.OTHER_LEGS,
    "ledger": Field.LEDGER,
    "transactions": Field.LEDGER,
    "evidence": Field.EVIDENCE,
    "recordings": Field.RECORDINGS,
}


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Somebody who looks at calls."""

    role: Role
    buyer_id: int | None = None
    publisher_id: int | None = None

    @property
    def is_of_house(self) -> bool:
        return self.role not in (Role.BUYER, Role.PUBLISHER)

    def sees(self, field: Field) -> bool:
        return field in SEEN_BY[self.role]

    def caller(self, number: str | None) -> str | None:
        """Return a caller's number as this viewer may see it; None when it was withheld."""
        return number if self.sees(Field.WHOLE_CALLER) else masked_number(number)

    def words(self, value: Any) -> Any:
        """Return a text, or JSON, in which callers may have left a number: each number as this viewer may see it."""
        return value if self.sees(Field.WHOLE_CALLER) else without_numbers(value)

    def hears_recording_of(self, buyer_id: int | None, connected_ms: int | None) -> bool:
        """Tell whether the recording of a call that was connected to this buyer may be heard."""
        if self.sees(Field.RECORDINGS):
            return True
        own = buyer_id is not None and buyer_id == self.buyer_id
        return self.sees(Field.OWN_RECORDINGS) and own and bool(connected_ms)


def viewer_of(user: User) -> Viewer:
    return Viewer(role=user.role, buyer_id=user.buyer_id, publisher_id=user.publisher_id)


def seen_columns(row: Mapping[str, Any], viewer: Viewer) -> dict[str, Any]:
    """Return a call's row with only what `viewer` may see of it, the caller's number masked where it must be.

    `conversion` is what the viewer's own terms say (own_verdict).
    """
    seen = {name: value for name, value in row.items() if name not in _COLUMNS or viewer.sees(_COLUMNS[name])}
    if "caller" in seen:
        seen["caller"] = viewer.caller(seen["caller"])
    for name in ("tags", "answers", "decisions", "evidence"):
        if name in seen:
            seen[name] = viewer.words(seen[name])
    if "conversion" in seen:
        seen["conversion"] = own_verdict(seen["conversion"], viewer)
    return seen


def seen_answers(answers: Sequence[Mapping[str, Any]], viewer: Viewer) -> list[dict[str, Any]]:
    """Return a caller's answers; where a number is masked, so is what was heard: it is heard in words."""
    seen = [dict(viewer.words(answer)) for answer in answers]
    for shown, answer in zip(seen, answers, strict=True):
        if shown.get("value") != answer.get("value"):
            shown["heard"] = ""
    return seen


def own_verdict(conversion: Mapping[str, Any] | None, viewer: Viewer) -> Mapping[str, Any] | None:
    """Return what the viewer's own terms made of a call (billing.terms.Conversion as JSON).

    Its `detail` tells of both parties and of the earlier call, so a party gets the words of its own terms only; and of
    what was judged by no more than the length: the other party's identity and money are among the rest.
    """
    if conversion is None or viewer.is_of_house:
        return viewer.words(conversion) if conversion is not None else None
    party = "buyer" if viewer.role is Role.BUYER else "publisher"
    told = conversion.get(party)
    judged = told if isinstance(told, Mapping) else {}
    own: dict[str, Any] = {
        "verdict": conversion.get("verdict"),
        "connected_ms": conversion.get("connected_ms"),
        "paid": bool(judged.get("paid")),
        "rule": judged.get("rule"),
        "bonuses": judged.get("bonuses") or [],
        "failed": judged.get("failed") or [],
        "detail": judged.get("detail") or "",
    }
    if viewer.role is Role.BUYER:
        own["minimum_connected_ms"] = conversion.get("minimum_connected_ms")
        own["amount_micros"] = conversion.get("price_micros")
    else:
        own["amount_micros"] = conversion.get("payout_micros")
    seen: Mapping[str, Any] = viewer.words(own)
    return seen
