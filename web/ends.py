"""What ends when somebody may no longer be who they say: all that a person had open, in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from web import queries
from web.challenge_queries import delete_challenges_of
from web.links.queries import close_links_of
from web.passkeys.queries import delete_passkeys_of
from web.tokens.queries import revoke_tokens_of


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How much there was of each. Streams and softphones end with their session within seconds."""

    sessions: int
    tokens: int
    passkeys: int


async def end_everything(
    connection: AsyncConnection, user_id: int, now: datetime, *, but: bytes | None = None
) -> Ended:
    """End a person's sessions (but the one of this digest), tokens, passkeys, links and what they have begun.

    The second factor of an app stays: it opens nothing by itself.
    """
    ended = Ended(
        sessions=await queries.delete_sessions_of(connection, user_id, but=but),
        tokens=await revoke_tokens_of(connection, user_id, now),
        passkeys=await delete_passkeys_of(connection, user_id),
    )
    await close_links_of(connection, user_id, now)
    await delete_challenges_of(connection, user_id)
    return ended
