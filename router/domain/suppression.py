"""Callers that are not sold: blocked by number, by prefix or for hiding their number.

A buyer's own list, its book of business, is looked up for the one caller (Facts.suppressed_buyers): it may be long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rules.telephone import WITHHELD, read_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Row: TypeAlias = Mapping[str, Any]

KINDS = ("number", "prefix", "anonymous")
SHORTEST_PREFIX_DIGITS = 1
LONGEST_NUMBER_DIGITS = 15
INDEX_MARK = "#"
INDEX_BYTES = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockedCallers:
    """Who is blocked in one campaign, or in all; each with the reason that was given."""

    numbers: Mapping[str, str] = field(default_factory=dict)
    """By index, as markets name them; by the number itself in one that was kept before numbers were sealed."""
    caller_key: bytes = b""
    """By which callers are indexed."""
    prefixes: Mapping[str, str] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()
    """Lengths of the prefixes."""
    anonymous: str | None = None
    """Why callers without a number are blocked; None when they are not."""


def indexed(caller: str, key: bytes) -> str:
    """Return what stands for a number in a market: nobody finds it by trying all numbers who lacks the key."""
    import hmac  # noqa: PLC0415 (the survival script reads a market while a caller waits, and few block anybody)

    return f"{INDEX_MARK}{hmac.digest(key, caller.encode(), 'sha256')[:INDEX_BYTES].hex()}"


def read_blocked_callers(
    rows: Iterable[Row], problems: list[str], caller_key: bytes = b""
) -> dict[int | None, BlockedCallers]:
    """Return the blocked callers by campaign; None holds those of every campaign. Bad rows are noted and left out."""
    sorted_out: dict[int | None, dict[str, dict[str, str]]] = {}
    for row in rows:
        is_indexed = row["kind"] == "number" and row["value"].startswith(INDEX_MARK)
        problem = None if is_indexed else blocked_caller_problem(row["kind"], row["value"])
        if problem is not None:
            problems.append(f"blocked caller {row['id']}: {problem}")
            continue
        of_campaign = sorted_out.setdefault(row["campaign_id"], {kind: {} for kind in KINDS})
        of_campaign[row["kind"]][row["value"]] = row["reason"]
    return {
        campaign_id: BlockedCallers(
            numbers=of_kind["number"],
            caller_key=caller_key,
            prefixes=of_kind["prefix"],
            lengths=tuple(sorted({len(prefix) for prefix in of_kind["prefix"]})),
            anonymous=of_kind["anonymous"].get(""),
        )
        for campaign_id, of_kind in sorted_out.items()
    }


def blocked_caller_problem(kind: str, value: str) -> str | None:
    """Return what is wrong with a rule, for people; None when it can be used."""
    if kind not in KINDS:
        return f"kind: {kind!r:.80} is not one of {', '.join(KINDS)}"
    if kind == "anonymous":
        return f"value: {value!r:.80} stands beside anonymous, which has none" if value else None
    if kind == "number":
        read = read_number(value)
        if read is WITHHELD:
            return f"value: {value!r:.80} is how carriers write a withheld number: block anonymous"
        return None if read == value else f"value: {value!r:.80} is not written like +16145550123"
    return _prefix_problem(value)


def _prefix_problem(value: str) -> str | None:
    digits = value.removeprefix("+")
    if value == digits or not (digits.isascii() and digits.isdigit()):
        return f"value: {value!r:.80} is not written like +1614"
    if not SHORTEST_PREFIX_DIGITS <= len(digits) <= LONGEST_NUMBER_DIGITS:
        return f"value: {value!r:.80} has {len(digits)} digits, not {SHORTEST_PREFIX_DIGITS} to {LONGEST_NUMBER_DIGITS}"
    return None


def why_blocked(
    blocked: Mapping[int | None, BlockedCallers], campaign_id: int, caller: str | None
) -> str | None:
    """Return why a campaign does not sell this caller (E.164, None when withheld), for people; None when it does."""
    for where in (None, campaign_id):
        rules = blocked.get(where)
        found = None if rules is None else _why(rules, caller)
        if found is not None:
            return found
    return None


def _why(rules: BlockedCallers, caller: str | None) -> str | None:
    if caller is None:
        return (
            None if rules.anonymous is None else _with_reason("the caller hides the number", rules.anonymous)
        )
    if rules.numbers:
        # Anyone who has no key cannot tell whom they name: nobody is sold then.
        if not rules.caller_key and any(name.startswith(INDEX_MARK) for name in rules.numbers):
            return "numbers are blocked, and there is no key to compare them by"
        for name in (indexed(caller, rules.caller_key), caller):
            if name in rules.numbers:
                return _with_reason("the number is blocked", rules.numbers[name])
    for length in rules.lengths:
        prefix = caller[:length]
        if prefix in rules.prefixes:
            return _with_reason(f"numbers that begin with {prefix} are blocked", rules.prefixes[prefix])
    return None


def _with_reason(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
