"""How many files one person may bring in, so that reading them leaves time for everything else."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from web.plain_refusal import PlainRefusal
from web.rate_queries import count_within

WINDOW = timedelta(hours=1)
FILES_MAXIMUM = 60
MEGABYTES_MAXIMUM = 256
COUNTER_PREFIX = "uploads"


class TooManyFiles(PlainRefusal):
    """This person has brought in as much as an hour bears."""

    def __init__(self, what: str, wait_seconds: int) -> None:
        minutes = math.ceil(wait_seconds / 60)
        sentence = (
            f"You have brought in {what} within an hour; no more are taken until then. Nothing of this one was "
            f"changed. Try again in {minutes} minute{'s' if minutes != 1 else ''}."
        )
        super().__init__(429, "Too many files", sentence, retry_after_seconds=wait_seconds)


async def count_file(engine: AsyncEngine, user_id: int, size_bytes: int, now: datetime | None = None) -> None:
    """Count a file that somebody brings in. Raises TooManyFiles, and what the database raises."""
    now = now or datetime.now(UTC)
    counted = (
        ("files", 1, FILES_MAXIMUM, f"{FILES_MAXIMUM} files"),
        ("kilobytes", math.ceil(size_bytes / 1024), MEGABYTES_MAXIMUM * 1024, f"{MEGABYTES_MAXIMUM} MB"),
    )
    async with engine.begin() as connection:
        for kind, amount, limit, what in counted:
            name = f"{COUNTER_PREFIX}:{kind}:{user_id}"
            found = await count_within(connection, name, limit, now, amount=amount, window=WINDOW)
            if found.value > limit:
                wait = (found.began_at + WINDOW - now).total_seconds()
                raise TooManyFiles(what, max(1, math.ceil(wait)))
