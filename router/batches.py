"""Questions to PostgreSQL that come at the same moment go there together: one round trip, one transaction.

An idle process waits for nobody: the first question goes at once; those that come while it is under way form the next
batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

import asyncpg

from router.plain_connections import PlainConnections, is_gone

LARGEST_BATCH = 64
AT_ONCE = 2
"""Batches under way at once: one that waits for a lock does not hold up everybody."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")
_Batch: TypeAlias = list[tuple[Question, asyncio.Future[Answer]]]


class Batches(Generic[Question, Answer]):
    """Asks many questions by one statement. Each is answered, or fails, by itself."""

    def __init__(
        self,
        connections: PlainConnections,
        ask: Callable[[asyncpg.Connection, Sequence[Question]], Awaitable[Sequence[Answer]]],
        seconds: float,
    ) -> None:
        """`ask` answers a batch in its order. A batch that takes longer than `seconds` is given up."""
        self._connections = connections
        self._ask = ask
        self._seconds = seconds
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._at_work = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, question: Question) -> Answer:
        """Ask together with whoever asks now. Raises what the driver raises, TimeoutError after `seconds`."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._at_work < AT_ONCE:
            self._at_work += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)  # asyncio itself does not keep it
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _work(self) -> None:
        """Send batches until nobody waits."""
        try:
            while batch := self._next():
                await self._answer(batch)
        finally:
            self._at_work -= 1  # at once: who asks now has to begin anew

    async def _answer(self, batch: _Batch[Question, Answer]) -> None:
        try:
            await self._send(batch)
        except Exception as error:
            for _, future in batch:
                _fail(future, error)
        finally:
            for _, future in batch:
                future.cancel()  # does nothing to those that are answered

    def _next(self) -> _Batch[Question, Answer]:
        batch: _Batch[Question, Answer] = []
        while self._waiting and len(batch) < LARGEST_BATCH:
            question, future = self._waiting.popleft()
            if not future.done():  # whoever gave up waiting asks no more
                batch.append((question, future))
        return batch

    async def _send(self, batch: _Batch[Question, Answer]) -> None:
        try:
            answers = await self._answers([question for question, _ in batch])
        except Exception as error:
            if len(batch) == 1 or isinstance(error, TimeoutError):
                for _, future in batch:
                    _fail(future, error)
                return
            if is_gone(error):
                self._connections.close_free()
            # What is wrong with one, or was with the connection, is not the others' fault.
            await asyncio.gather(*(self._send([one]) for one in batch))
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _answers(self, questions: Sequence[Question]) -> Sequence[Answer]:
        async with asyncio.timeout(self._seconds), self._connections.one() as connection:
            return await self._ask(connection, questions)


def _fail(future: asyncio.Future[Answer], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
