"""What a call came to, in words for the party it concerns. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from web.keys import Role
from web.portal.call_queries import OwnCall

_OF_BUYER: Mapping[str, str] = {
    "converted": "Billed",
    "too_short": "Too short",
    "term_not_met": "Terms not met",
    "duplicate": "Duplicate, not billed",
    "no_terms": "No terms, not billed",
    "not_connected": "Not connected",
}
_OF_PUBLISHER: Mapping[str, str] = {
    "too_short": "Too short",
    "term_not_met": "Terms not met",
    "duplicate": "Duplicate",
    "no_terms": "No terms",
    "not_connected": "Not connected",
}
_WHY: Mapping[str, str] = {
    "too_short": "The caller and the buyer did not talk long enough for the call to count.",
    "term_not_met": "The call did not meet every condition under which it counts.",
    "duplicate": "The same caller had counted before, within the time in which a caller counts once.",
    "no_terms": "No terms were agreed for this campaign when the call came in.",
    "not_connected": "No buyer answered, or none wanted the call or had room for it.",
}


def result(call: OwnCall, role: Role) -> str:
    """Return what a call came to in a word or two."""
    if call.state != "settled":
        return "In progress" if call.state == "in_progress" else "Being settled"
    verdict = str((call.verdict or {}).get("verdict") or "not_connected")
    if role is Role.BUYER and verdict == "converted" and not call.converted:
        return "Credited"
    if role is Role.BUYER:
        return _OF_BUYER.get(verdict, verdict.replace("_", " ").capitalize())
    if call.amount_micros > 0:
        return "Paid"
    return _OF_PUBLISHER.get(verdict, "Not paid")


def why_unpaid(call: OwnCall, role: Role) -> str:
    """Return a sentence that says why nothing is paid; empty when something is, or it is not known yet."""
    if call.state != "settled" or (call.amount_micros > 0 and role is Role.PUBLISHER):
        return ""
    verdict = str((call.verdict or {}).get("verdict") or "not_connected")
    if verdict == "converted" and not call.converted:
        return "The call was credited: nothing is billed for it, and it counts no more."
    if verdict == "converted":
        return (
            "" if role is Role.BUYER else "The call counted, but the terms of this call pay nothing for it."
        )
    return _WHY.get(verdict, "")


def badge(call: OwnCall) -> str:
    """Return the class of a call's badge."""
    if call.state != "settled":
        return "in_progress"
    return "sold" if call.amount_micros > 0 else "not_answered"
