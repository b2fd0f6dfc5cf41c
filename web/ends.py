"""What ends when somebody may no longer be who they say: all that a person had open, in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from web import queries
from web.audit import Actor
from web.authority import Credential
from web.challenge_queries import delete_challenges_of
from web.links.queries import close_links_by, close_links_of
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

    Links they made for others end too where those open the house. Sessions go first: who makes something with one
    keeps it until that is committed, and it is seen here then.

    The second factor of an app stays: it opens nothing by itself.
    """
    ended = Ended(
        sessions=await end_sessions(connection, user_id, now, but=but),
        tokens=await revoke_tokens_of(connection, user_id, now),
        passkeys=await delete_passkeys_of(connection, user_id),
    )
    await close_links_of(connection, user_id, now)
    return ended


async def end_sessions(
    connection: AsyncConnection, user_id: int, now: datetime, *, but: bytes | None = None
) -> int:
    """End a person's sessions (but the one of this digest), and the links they made for others that open the house.

    Returns how many sessions there were. What they have begun ends as well.
    """
    ended = await queries.delete_sessions_of(connection, user_id, but=but)
    # Who ends may have been a thief, or have kept a way back in.
    await close_links_by(connection, user_id, now)
    await delete_challenges_of(connection, user_id)
    return ended


async def is_still_in(connection: AsyncConnection, actor: Actor) -> bool:
    """Tell whether the session somebody asks with is still open, and keep it so until this transaction ends.

    Without it, what opens a way in could be made while all of its maker's ends, and outlive that.
    """
    if actor.holder is None or actor.credential is Credential.TOKEN:
        return True
    return await queries.keep_session(connection, actor.holder)
