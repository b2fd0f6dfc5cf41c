"""In whose time a page speaks: UTC, until the visitor or their browser names a time zone."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from aiohttp import web

from web.cookies import read_cookie, set_cookie

COOKIE = "tollbridge_time_zone"
COOKIE_LIFETIME_SECONDS = 365 * 86400
UTC = ZoneInfo("UTC")

OFFERED = (
    "UTC",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
)


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())


def zone_named(name: str | None) -> ZoneInfo | None:
    """Return the time zone of an IANA name, or None when there is no such zone."""
    return ZoneInfo(name) if name and name in _known() else None


def zone_of(request: web.Request) -> ZoneInfo:
    return zone_named(read_cookie(request, COOKIE)) or UTC


def remember_zone(request: web.Request, response: web.StreamResponse, zone: ZoneInfo) -> None:
    set_cookie(request, response, COOKIE, zone.key, lifetime_seconds=COOKIE_LIFETIME_SECONDS)


def has_zone(request: web.Request) -> bool:
    return read_cookie(request, COOKIE) is not None


def choices(current: ZoneInfo) -> tuple[str, ...]:
    """Return the zones to choose from, the current one among them."""
    return OFFERED if current.key in OFFERED else (*OFFERED, current.key)
