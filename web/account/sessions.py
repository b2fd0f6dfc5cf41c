"""The sessions of a person: from where, by what browser, when last; to be ended one by one or all at once."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from web import queries as door
from web.account import queries
from web.audit import Actor, write_audit
from web.ends import Ended, end_everything
from web.keys import User

# In this order: each later browser calls itself by the names of earlier ones too.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("HeadlessChrome", "Chromium"),
    ("Chromium", "Chromium"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_WORD = re.compile(r"[\w.-]{1,30}")


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session as its owner sees it. `session_id` opens nothing."""

    session_id: UUID
    token_digest: bytes
    address: str
    browser: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def browser_of(user_agent: str) -> str:
    """Return a browser's own words about itself as people name it: Firefox on Windows. Pure."""
    browser = next((name for mark, name in _BROWSERS if f"{mark}/" in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if browser is None:
        word = _WORD.match(user_agent)
        browser = word[0] if word else "An unknown browser"
    return f"{browser} on {system}" if system else browser


async def sessions_of(engine: AsyncEngine, user_id: int, now: datetime) -> list[Session]:
    """Return a person's open sessions, the one last used first."""
    async with engine.connect() as connection:
        rows = await queries.read_sessions(connection, user_id, now)
    return [
        Session(
            session_id=row.id,
            token_digest=row.token_digest,
            address=row.address,
            browser=browser_of(row.user_agent),
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
        )
        for row in rows
    ]


async def end_session(engine: AsyncEngine, actor: Actor, user: User, session_id: UUID) -> bool:
    """End one of a person's own sessions. False when they have none of this id."""
    async with engine.begin() as connection:
        address = await queries.delete_session(connection, user.user_id, session_id)
        if address is None:
            return False
        await write_audit(
            connection,
            actor,
            action="end_session",
            kind="users",
            ref=user.user_id,
            after={"address": address},
        )
    return True


async def end_other_sessions(engine: AsyncEngine, actor: Actor, user: User, own_digest: bytes) -> int:
    """End all of a person's sessions but the one of this digest; return how many there were."""
    async with engine.begin() as connection:
        ended = await door.delete_sessions_of(connection, user.user_id, but=own_digest)
        await write_audit(
            connection,
            actor,
            action="end_sessions",
            kind="users",
            ref=user.user_id,
            after={"ended": ended},
        )
    return ended


async def sign_out_everywhere(engine: AsyncEngine, actor: Actor, user: User, now: datetime) -> Ended:
    """End all of one's own: every session, this one too, tokens, passkeys, links."""
    async with engine.begin() as connection:
        ended = await end_everything(connection, user.user_id, now)
        await write_audit(
            connection,
            actor,
            action="sign_out_everywhere",
            kind="users",
            ref=user.user_id,
            after=asdict(ended),
        )
    return ended
