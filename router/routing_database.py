"""The parts of the database that every call of a process shares."""

from __future__ import annotations

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from router.batches import Batches
from router.count_queries import CallAnswer, CallQuestion, ask_about_calls
from router.last_known_keeper import LastKnownKeeper
from router.plain_connections import PlainConnections
from router.reservations import Attempt, take_leases_together
from router.reserved_share import ReservedShare
from router.shared_counts import SharedCounts
from router.wallet_holds import Hold, take_leases_with_hold


class RoutingDatabase:
    """How calls are routed with PostgreSQL: shared by all calls of a Router."""

    def __init__(self, engine: AsyncEngine, batch_seconds: float) -> None:
        self.engine = engine
        """For what few calls need."""
        self.connections = PlainConnections(engine)
        self.shared = SharedCounts(self.connections)
        self.last_known = LastKnownKeeper(self.connections, self.shared)
        self._questions = Batches(self.connections, ask_about_calls, batch_seconds)
        self._attempts = Batches(self.connections, take_leases_together, batch_seconds)

    async def ask(self, question: CallQuestion, alone: asyncpg.Connection | None) -> CallAnswer:
        """Ask about one call, by the connection it has to itself, else together with other calls."""
        if alone is None:
            return await self._questions.answer(question)
        return (await ask_about_calls(alone, (question,)))[0]

    async def take(
        self,
        attempt: Attempt,
        hold: Hold | None,
        alone: asyncpg.Connection | None,
        share: ReservedShare | None = None,
    ) -> str:
        """Take room as take_leases_with_hold does, by the connection the call has to itself, else together with others.

        Who takes a turn or money may have to wait for others who do: nobody else is to wait with it.
        """
        if alone is not None:
            return await take_leases_with_hold(alone, attempt, hold, share)
        if attempt.turn is None and hold is None and share is None:
            return await self._attempts.answer(attempt)
        async with self.connections.one() as connection:
            return await take_leases_with_hold(connection, attempt, hold, share)
