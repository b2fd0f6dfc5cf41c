"""How facts are shown on a page: numbers, moments, lengths, money, words. Pure; each is a template filter."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers

from rules.money import format_dollars

OUTCOMES: Mapping[str, str] = {
    "sold": "Sold",
    "transferred": "Transferred",
    "not_answered": "Not answered",
    "no_buyer": "No buyer",
    "abandoned": "Caller hung up",
    "unknown_number": "Unknown number",
}

SOURCES: Mapping[str, str] = {
    "speech": "by voice",
    "keys": "by keys",
    "area_code": "from the area code",
    "none": "no answer",
}

# ITU-T Q.850 causes an admin meets; others are shown as a number.
CAUSES: Mapping[int, str] = {
    0: "no cause given",
    1: "unassigned number",
    3: "no route",
    16: "ended normally",
    17: "busy",
    18: "nobody responded",
    19: "rang, no answer",
    20: "not registered",
    21: "call rejected",
    26: "answered elsewhere",
    27: "out of order",
    28: "number incomplete",
    31: "ended, unspecified",
    34: "no circuit free",
    38: "network out of order",
    41: "temporary failure",
    42: "congestion",
    58: "codec not available",
    102: "timer ran out",
    127: "interworking",
}

SHOWN_LENGTH_MAXIMUM = 300


def shown(text: object, length_maximum: int = SHOWN_LENGTH_MAXIMUM) -> str:
    """Return what a stranger sent us, fit for a page: control characters replaced, and shortened."""
    clean = str(text)[: length_maximum + 1]
    if not (clean.isascii() and clean.isprintable()):
        clean = "".join(
            "\ufffd" if unicodedata.category(character).startswith("C") else character for character in clean
        )
    return clean if len(clean) <= length_maximum else clean[: length_maximum - 1] + "…"


def number(text: str | None, length_maximum: int = 80) -> str:
    """Return a telephone number as people write it; what is not one comes back as it is, shortened."""
    if not text:
        return "withheld"
    if not (text.startswith("+") and text[1:].isascii() and text[1:].isdigit() and len(text) <= 16):
        return shown(text, length_maximum)
    return _international(text)


@lru_cache(maxsize=10_000)
def _international(text: str) -> str:
    # A page of calls has a hundred numbers, and most were there a moment ago.
    try:
        parsed = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return text
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def day(moment: datetime, zone: ZoneInfo) -> str:
    """Return e.g. Tue 24 Nov 2026."""
    return moment.astimezone(zone).strftime("%a %-d %b %Y")


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """Return e.g. 14:03:27."""
    return moment.astimezone(zone).strftime("%H:%M:%S")


def clock_ms(moment: datetime, zone: ZoneInfo) -> str:
    """Return e.g. 14:03:27.418."""
    local = moment.astimezone(zone)
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


def from_ms(epoch_ms: int) -> datetime:
    """Return the moment of an epoch in milliseconds, exactly (a float would lose the last digit)."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms)


def length(ms: int | None) -> str:
    """Return a length given in milliseconds as e.g. 1:02:03, 2:05 or 0:07 (hours, minutes, seconds)."""
    if ms is None:
        return "–"
    seconds = ms // 1000
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def seconds(ms: int | None) -> str:
    """Return a length given in milliseconds as seconds with all three places, e.g. 92.418 s."""
    return "–" if ms is None else f"{'-' if ms < 0 else ''}{abs(ms) // 1000:,}.{abs(ms) % 1000:03d} s"


def money(micros: int | None) -> str:
    """Return millionths of a dollar as dollars: cents at least, and no digit of a smaller amount lost."""
    return "–" if micros is None else format_dollars(micros)


def percent(share: float | None) -> str:
    """Return a share between 0 and 1 as whole per cent."""
    return "–" if share is None else f"{share * 100:.0f} %"


def words(code: str) -> str:
    """Return a code as words, e.g. already_tried as `already tried`."""
    return shown(code, 60).replace("_", " ")


def outcome(code: str | None, state: str) -> str:
    """Return what became of a call; a call that is not settled yet says how far it is."""
    if code:
        return OUTCOMES.get(code, words(code))
    return "In progress" if state == "in_progress" else "Being settled"


def cause(code: int | None) -> str:
    """Return a Q.850 cause in words with its number."""
    if code is None:
        return "unknown"
    return f"{CAUSES[code]} ({code})" if code in CAUSES else str(code)


def source(code: str) -> str:
    return SOURCES.get(code, words(code))


def period(document: Any) -> str:
    """Return the days of an invoice or statement on its party's calendar, e.g. 1 Nov 2026 to 30 Nov 2026.

    `document` bears period_start, period_end (not in it) and time_zone.
    """
    zone = ZoneInfo(document.time_zone)
    last = document.period_end.astimezone(zone) - timedelta(microseconds=1)
    return f"{document.period_start.astimezone(zone):%-d %b %Y} to {last:%-d %b %Y}"


FILTERS: Mapping[str, Any] = {
    "shown": shown,
    "number": number,
    "day": day,
    "clock": clock,
    "clock_ms": clock_ms,
    "from_ms": from_ms,
    "length": length,
    "seconds": seconds,
    "money": money,
    "percent": percent,
    "words": words,
    "outcome": outcome,
    "cause": cause,
    "source": source,
    "period": period,
}
