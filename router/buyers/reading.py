"""Reads what buyers send. They may send anything: every function returns a sound value or raises Unreadable."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from router.buyers.dialect import HttpAnswer, Unreadable
from router.domain.auction import MAXIMUM_BID_MICROS, MAXIMUM_MINIMUM_CONNECTED_MS
from router.domain.dial import DialProblem, read_dial
from rules.money import MICROS_PER_DOLLAR

LONGEST_EXPIRY = timedelta(days=1)
_REFERENCE = re.compile(r"[\x21-\x7e]{1,200}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


def must_be_success(answer: HttpAnswer) -> None:
    """Raise Unreadable for any status but 2xx."""
    if not 200 <= answer.status < 300:
        raise Unreadable(f"status {answer.status}")


def is_silence(answer: HttpAnswer) -> bool:
    """Return whether the answer is the usual way of saying nothing: 204, or a success without a body."""
    return answer.status == 204 or (200 <= answer.status < 300 and not answer.body.strip())


def read_object(answer: HttpAnswer) -> dict[str, Any]:
    """Return the JSON object an answer holds; numbers with a fraction are Decimal."""
    try:
        value = _DECODER.decode(answer.body.decode(json.detect_encoding(answer.body), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {type(error).__name__}") from None
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


def read_micros(value: object, place: str, *, micros_per_unit: int = MICROS_PER_DOLLAR) -> int:
    """Return an amount, 45, 45.5, "45.50" or "$45.50", in micros; what is finer than a micro is dropped."""
    amount = _decimal(value, place)
    if amount < 0:
        raise Unreadable(f"{place}: a negative amount")
    # Compared before it is multiplied out: 1e999999999 would fill the memory as an integer.
    if amount.adjusted() > 15 or amount * micros_per_unit > MAXIMUM_BID_MICROS:
        raise Unreadable(f"{place}: an absurd amount")
    return int(amount * micros_per_unit)


def read_seconds_as_ms(value: object, place: str) -> int | None:
    """Return a length of time given in seconds as ms; None when it is not given."""
    if value is None or value == "":
        return None
    seconds = _decimal(value, place)
    if seconds < 0 or seconds.adjusted() > 9 or seconds * 1000 > MAXIMUM_MINIMUM_CONNECTED_MS:
        raise Unreadable(f"{place}: an absurd length of time")
    return int(seconds * 1000)


def read_expiry(in_seconds: object, at: object, now: datetime, place: str) -> datetime | None:
    """Return when a bid is over, from a number of seconds, or else an epoch or ISO instant; None when not given."""
    if in_seconds not in (None, ""):
        seconds = _decimal(in_seconds, place)
        if seconds.adjusted() > 9:
            raise Unreadable(f"{place}: an absurd length of time")
        expires = now + min(timedelta(seconds=float(seconds)), LONGEST_EXPIRY)
    elif at not in (None, ""):
        expires = min(_instant(at, place), now + LONGEST_EXPIRY)
    else:
        return None
    if expires <= now:
        raise Unreadable(f"{place}: over before it came")
    return expires


def read_reference(value: object, place: str) -> str:
    """Return the buyer's name for its bid: at most 200 visible ASCII characters; empty when it gave none."""
    if value is None or value == "":
        return ""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not _REFERENCE.fullmatch(text):
        raise Unreadable(f"{place}: not a plain identifier")
    return text


def read_dial_of(candidates: Iterable[tuple[str, object]]) -> str | None:
    """Return the first place to ring that is given, checked; None when there is none."""
    for place, value in candidates:
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            raise Unreadable(f"{place}: not text")
        found = read_dial(value)
        if isinstance(found, DialProblem):
            raise Unreadable(f"{place}: {found.reason}")
        return found
    return None


def read_text(value: object, otherwise: str = "") -> str:
    """Return a buyer's words for people: one line, printable, at most 200 characters."""
    text = value if isinstance(value, str) else otherwise
    return "".join(sign if sign.isprintable() else " " for sign in text[:200]).strip()


def object_at(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under `key`, or raise."""
    found = value.get(key)
    if not isinstance(found, dict):
        raise Unreadable(f"{key}: not an object")
    return found


def _decimal(value: object, place: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise Unreadable(f"{place}: not a number")
    text = value.strip().removeprefix("$").replace(",", "") if isinstance(value, str) else value
    if isinstance(text, str) and (len(text) > 30 or not text.isascii()):
        raise Unreadable(f"{place}: not a number")
    if isinstance(text, int) and abs(text) > 10**30:
        raise Unreadable(f"{place}: an absurd number")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise Unreadable(f"{place}: not a number") from None
    if not number.is_finite():
        raise Unreadable(f"{place}: not a number")
    return number


def _instant(value: object, place: str) -> datetime:
    if isinstance(value, str) and not value.isdecimal():
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            raise Unreadable(f"{place}: not an instant") from None
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    seconds = _decimal(value, place)
    if not 0 <= seconds <= 10**10:  # the year 2286
        raise Unreadable(f"{place}: not an instant")
    return datetime.fromtimestamp(float(seconds), UTC)
