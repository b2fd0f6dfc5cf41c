"""Streams, softphones and files on their way, each with the session or token that opened it: they end together.

While there are any, one question every other second looks after all of this process. Without an answer of the database
nothing is ended: nobody can be signed out meanwhile either.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from web.keys import ENGINE, SESSION, USER, Role
from web.queries import open_sessions
from web.tokens.queries import open_tokens
from web.visitors import holder_of

LOOK_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenStream:
    """One of them. `outlives_idling`: somebody talks, who need not click meanwhile."""

    session_id: UUID | None
    """None: a token opened it, of `digest`. A session keeps its id when it is renewed."""
    digest: bytes
    role: Role
    outlives_idling: bool
    end: Callable[[], object]


class OpenStreams:
    """Those of one web process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._open: set[OpenStream] = set()
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watched(
        self, request: web.Request, end: Callable[[], object], *, outlives_idling: bool = False
    ) -> AsyncIterator[None]:
        """While it lasts, `end` is called once anyone who asked may not ask any more."""
        session = request.get(SESSION)
        stream = OpenStream(
            session_id=None if session is None else session.session_id,
            digest=holder_of(request),
            role=request[USER].role,
            outlives_idling=outlives_idling,
            end=end,
        )
        self._open.add(stream)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_open())
        try:
            yield
        finally:
            self._open.discard(stream)

    async def _look_while_open(self) -> None:
        while self._open:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look(datetime.now(UTC))
            except (SQLAlchemyError, OSError, TimeoutError) as fault:
                log.warning("open streams wait for PostgreSQL: %s", fault)

    async def look(self, now: datetime) -> None:
        """End what has lost its session or token, or whose owner has another role now."""
        looked_at = list(self._open)
        async with self._engine.connect() as connection:
            ids = [stream.session_id for stream in looked_at if stream.session_id is not None]
            sessions = await open_sessions(connection, ids, now)
            digests = [stream.digest for stream in looked_at if stream.session_id is None]
            tokens = await open_tokens(connection, digests, now)
        for stream in looked_at:
            by_session = None if stream.session_id is None else sessions.get(stream.session_id)
            holder = by_session or tokens.get(stream.digest)
            if (
                holder is None
                or holder.role != stream.role
                or (holder.is_idle and not stream.outlives_idling)
            ):
                stream.end()


OPEN_STREAMS: web.AppKey[OpenStreams] = web.AppKey("open_streams", OpenStreams)


@asynccontextmanager
async def while_signed_in(request: web.Request) -> AsyncIterator[None]:
    """Cut a file that is being sent once anyone who asked may not ask any more: a thief could read it slowly."""

    def cut() -> None:
        if request.transport is not None:
            request.transport.abort()

    async with request.app[OPEN_STREAMS].watched(request, cut, outlives_idling=True):
        yield


def add_open_streams(app: web.Application) -> None:
    """Let the application know which streams are open."""
    app[OPEN_STREAMS] = OpenStreams(app[ENGINE])
