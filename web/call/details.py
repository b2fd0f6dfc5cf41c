"""JSON that another room wrote, as lines for people: keys become words, units are read off their ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from web import formats

LINES_MAXIMUM = 200
DEPTH_MAXIMUM = 6

# `_ms` is epoch or elapsed milliseconds (store.tables). No call is three years long: these are moments,
# 1973 to 5138.
EPOCH_MS_FROM = 10**11
EPOCH_MS_TO = 10**14


def details(value: Mapping[str, Any] | None, zone: ZoneInfo) -> list[tuple[str, str]]:
    """Return (label, text) for every leaf; moments are told in `zone`."""
    return list(islice(_lines(value, "", 0, zone), LINES_MAXIMUM)) if value else []


def _lines(value: object, label: str, depth: int, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value and depth < DEPTH_MAXIMUM:
        for key, inner in value.items():
            yield from _lines(inner, f"{label}.{key}" if label else str(key), depth + 1, zone)
    elif isinstance(value, list) and any(isinstance(inner, (Mapping, list)) for inner in value):
        for index, inner in enumerate(value, 1):
            yield from _lines(inner, f"{label} {index}", depth + 1, zone)
    else:
        yield _label(label), _text(label, value, zone)


def _label(key: str) -> str:
    for unit in ("_ms", "_micros", "_seconds", "_at", "_us"):
        key = key.removesuffix(unit)
    text = formats.shown(key, 80).replace("_", " ").replace(".", ": ")
    return text[:1].upper() + text[1:]


def _text(key: str, value: object, zone: ZoneInfo) -> str:
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _amount(key, value, zone)
    if isinstance(value, list):
        return ", ".join(formats.shown(inner, 80) for inner in value)
    return formats.shown(value)


def _amount(key: str, value: int, zone: ZoneInfo) -> str:
    if key.endswith("_ms"):
        moment = EPOCH_MS_FROM <= value < EPOCH_MS_TO
        return formats.clock_ms(formats.from_ms(value), zone) if moment else formats.seconds(value)
    if key.endswith("_micros"):
        return formats.money(value)
    if key.endswith("_seconds"):
        return f"{value:,} s"
    return str(value)
