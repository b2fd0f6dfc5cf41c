"""Waits until a call is in the database and settled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.call_story.queries import find_calls, read_call
from tollbridge.call_story.story import CallStory

POLL_SECONDS = 0.1
CLOCK_SLACK = timedelta(milliseconds=50)
"""Asterisk's start of a call may be stamped a moment before our own INVITE's, never much."""


async def wait_for_call(
    engine: AsyncEngine, *, caller: str | None, dialled_ms: float, seconds: float, settled: bool = True
) -> CallStory | None:
    """Return the caller's first call since `dialled_ms` (epoch), once settled; the last seen of it after `seconds`.

    None when no such call came. A database that is away is waited for.
    """
    since = datetime.fromtimestamp(dialled_ms / 1000, UTC) - CLOCK_SLACK
    deadline = asyncio.get_running_loop().time() + seconds
    story: CallStory | None = None
    while True:
        try:
            found = await find_calls(engine, caller=caller, since=since)
            story = await read_call(engine, found[0]) if found else None
        except (DBAPIError, SQLAlchemyError, OSError):
            pass
        if story is not None and (story.is_settled or not settled):
            return story
        if asyncio.get_running_loop().time() >= deadline:
            return story
        await asyncio.sleep(POLL_SECONDS)
