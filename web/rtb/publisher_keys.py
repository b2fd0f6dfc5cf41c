"""Keys by which publishers ask for bids: made here, shown once, kept as a digest."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router.domain.inbound_bid import RESERVATION_SECONDS_LEAST, RESERVATION_SECONDS_MOST
from router.domain.ping_limits import (
    OPEN_MOST_HIGHEST,
    PINGS_PER_CALL_HIGHEST,
    USUAL_LIMITS,
    PingLimits,
)
from web.rtb import queries
from web.rtb.dialects import DIALECTS

PREFIX = "tbk_"
_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
RATE_MOST = 100_000
NAME_CHARACTERS_MAXIMUM = 100


@dataclass(frozen=True, kw_only=True)
class KeyMade:
    """A new key. `key` is known to nobody else: it is shown now or never."""

    id: int
    key: str


class KeyRefusal(StrEnum):
    """Why no key was made."""

    OWNER = "there is no publisher or no campaign of that name"
    DIALECT = f"a dialect is one of {', '.join(DIALECTS)}"
    RATE = f"a rate is 0 to {RATE_MOST} pings a minute"
    SHARE = "a share is more than 0 and at most 100 percent, in steps of 0.0001"
    SECONDS = f"a bid stands {RESERVATION_SECONDS_LEAST} to {RESERVATION_SECONDS_MOST} seconds"
    OPEN = f"1 to {OPEN_MOST_HIGHEST:,} reservations may be open at once"
    ROOM = "a share of room is 1 to 100 percent"
    PINGS = f"1 to {PINGS_PER_CALL_HIGHEST:,} pings are allowed for each call"
    NAME = f"a name has at most {NAME_CHARACTERS_MAXIMUM} printable characters"


@dataclass(frozen=True, kw_only=True)
class KeyWanted:
    """A key to be made."""

    publisher: str
    campaign: str
    dialect: str
    rate_per_minute: int
    name: str = ""
    share_percent: float | None = None
    """Part of the revenue that is bid; None: what the publisher's terms pay."""
    reservation_seconds: int | None = None
    limits: PingLimits = USUAL_LIMITS


def is_key(text: str) -> bool:
    """Tell whether this may be a key, before the database is asked."""
    return _KEY.fullmatch(text) is not None


def digest_of(key: str) -> bytes:
    """Return what the database keeps of a key: 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).digest()


def refusal_of(wanted: KeyWanted) -> KeyRefusal | None:
    """Return why such a key cannot be made, or None."""
    share, seconds = wanted.share_percent, wanted.reservation_seconds
    if wanted.dialect not in DIALECTS:
        return KeyRefusal.DIALECT
    if not 0 <= wanted.rate_per_minute <= RATE_MOST:
        return KeyRefusal.RATE
    if share is not None and not (0 < share <= 100 and round(share * 10_000) > 0):
        return KeyRefusal.SHARE
    if seconds is not None and not RESERVATION_SECONDS_LEAST <= seconds <= RESERVATION_SECONDS_MOST:
        return KeyRefusal.SECONDS
    if len(wanted.name) > NAME_CHARACTERS_MAXIMUM or not wanted.name.isprintable():
        return KeyRefusal.NAME
    return limits_refusal(wanted.limits)


def limits_refusal(limits: PingLimits) -> KeyRefusal | None:
    """Return why a key cannot have these limits, or None."""
    if not 1 <= limits.open_most <= OPEN_MOST_HIGHEST:
        return KeyRefusal.OPEN
    if not 1 <= limits.room_share_percent <= 100:
        return KeyRefusal.ROOM
    return None if 1 <= limits.pings_per_call <= PINGS_PER_CALL_HIGHEST else KeyRefusal.PINGS


async def add_key(engine: AsyncEngine, wanted: KeyWanted) -> KeyMade | KeyRefusal:
    """Make a key. Raises SQLAlchemyError when the database is away."""
    async with engine.begin() as connection:
        return await add_key_in(connection, wanted)


async def add_key_in(connection: AsyncConnection, wanted: KeyWanted) -> KeyMade | KeyRefusal:
    """Make a key in the caller's transaction. Raises SQLAlchemyError when the database is away."""
    if refusal := refusal_of(wanted):
        return refusal
    key = f"{PREFIX}{secrets.token_urlsafe(32)}"
    settings: dict[str, int] = asdict(wanted.limits)
    if wanted.share_percent is not None:
        settings["share_ppm"] = round(wanted.share_percent * 10_000)
    if wanted.reservation_seconds is not None:
        settings["reservation_seconds"] = wanted.reservation_seconds
    key_id = await queries.insert_key(
        connection,
        name=wanted.name,
        digest=digest_of(key),
        publisher=wanted.publisher,
        campaign=wanted.campaign,
        dialect=wanted.dialect,
        rate_per_minute=wanted.rate_per_minute,
        settings=settings,
    )
    return KeyRefusal.OWNER if key_id is None else KeyMade(id=key_id, key=key)
