"""Who may be pinged now: rested bidders, used-up budgets and too many open questions are kept out.

Health and open questions are each node's own experience (its way to the buyer may be the broken one); what others
have rested is learnt from PostgreSQL by `exchange_health`. Budgets are the partner's contract: counted in PostgreSQL
for all nodes together.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from router.buyers.dialect import Endpoint
from router.domain.auction import BidOutcome
from router.domain.breaker import WELL, Admission, Health, admitted, noted
from router.ping_queries import read_health, take_pings, write_health
from router.snapshot import DATABASE_FAULTS

log = logging.getLogger(__name__)

MOST_OPEN_QUESTIONS = 100
"""To one bidder from one node: beyond this it is plainly not answering, and each costs a connection."""
BUDGET_TIMEOUT_SECONDS = 0.05
"""Part of the auction's deadline."""
EXCHANGE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """Leave to ping one bidder, or why not."""

    refused: BidOutcome | None = None
    detail: str = ""
    probe: bool = False


_ADMITTED = Pass()
_PROBING = Pass(probe=True)


class PingGate:
    """Admits pings and learns from their answers."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._health: dict[int, Health] = {}
        self._changed: set[int] = set()
        self._open: Counter[int] = Counter()
        self._counting: set[asyncio.Task[set[int]]] = set()
        self._own_budget: dict[int, tuple[int, int]] = {}
        """Minute and pings of it, for when the database cannot count."""

    async def admit(self, endpoints: Iterable[Endpoint], now: datetime) -> dict[int, Pass]:
        """Return a pass for each endpoint, by target. Never raises for outside faults."""
        now_ms = int(now.timestamp() * 1000)
        limits: dict[int, int] = {}
        passes: dict[int, Pass] = {}
        for endpoint in endpoints:
            passes[endpoint.target_id] = self._admitted(endpoint, now_ms)
            limited = endpoint.budget_per_minute is not None and passes[endpoint.target_id].refused is None
            if limited and endpoint.budget_per_minute is not None:
                limits[endpoint.target_id] = endpoint.budget_per_minute
        granted = await self._within_budget(limits, now_ms) if limits else set()
        for target_id, limit in limits.items():
            if target_id not in granted:
                self._withdraw_probe(target_id, passes[target_id])
                detail = f"{limit} pings of this minute are used up"
                passes[target_id] = Pass(refused=BidOutcome.BUDGET, detail=detail)
        return passes

    def sent(self, target_id: int) -> None:
        """A question is on its way."""
        self._open[target_id] += 1

    def finished(self, target_id: int) -> None:
        """A question was answered, or given up."""
        self._open[target_id] -= 1

    def note(self, target_id: int, now: datetime, *, failed: bool, probe: bool) -> None:
        """Learn from one answer, or from its absence at the deadline."""
        before = self._health.get(target_id, WELL)
        after = noted(before, int(now.timestamp() * 1000), failed=failed, probe=probe)
        self._health[target_id] = after
        if after.rested_until_ms != before.rested_until_ms:
            self._changed.add(target_id)
            log.warning(
                "bidder of target %d is %s", target_id, "rested" if after.rested_until_ms else "well again"
            )

    def health(self, target_id: int) -> Health:
        """Return what is known of a bidder."""
        return self._health.get(target_id, WELL)

    def forget(self) -> None:
        """Think well of every bidder again."""
        self._health.clear()
        self._changed.clear()

    async def keep_exchanging(self, stop: asyncio.Event) -> None:
        """Tell other nodes who is rested, and learn it from them, each second until `stop`."""
        while not stop.is_set():
            try:
                await self.exchange_health()
            except DATABASE_FAULTS as error:
                log.warning("bidders' health is not exchanged: %s", error)
            try:
                await asyncio.wait_for(stop.wait(), EXCHANGE_SECONDS)
            except TimeoutError:
                continue

    async def exchange_health(self) -> None:
        """Store our changes, then rest whom another node has rested. Raises what the database raises."""
        changed, self._changed = self._changed, set()
        try:
            async with self._engine.begin() as connection:
                await write_health(connection, {target: self._health[target] for target in changed})
                rests = await read_health(connection)
        except DATABASE_FAULTS:
            self._changed |= changed
            raise
        for target_id, theirs in rests.items():
            ours = self._health.get(target_id, WELL)
            if theirs.rested_until_ms is not None and (ours.rested_until_ms or 0) < theirs.rested_until_ms:
                self._health[target_id] = theirs

    def _admitted(self, endpoint: Endpoint, now_ms: int) -> Pass:
        target_id = endpoint.target_id
        if self._open[target_id] >= MOST_OPEN_QUESTIONS:
            return Pass(refused=BidOutcome.BUDGET, detail=f"{self._open[target_id]} questions are unanswered")
        health, admission = admitted(self._health.get(target_id, WELL), now_ms)
        if admission is Admission.RESTED:
            return Pass(refused=BidOutcome.RESTED, detail="too many late or invalid answers")
        if admission is Admission.OPEN:
            return _ADMITTED
        self._health[target_id] = health
        return _PROBING

    def _withdraw_probe(self, target_id: int, given: Pass) -> None:
        if given.probe:
            self._health[target_id] = replace(self._health[target_id], probed_ms=None)

    async def _within_budget(self, limits: Mapping[int, int], now_ms: int) -> set[int]:
        """Count the pings. Late work is cancelled but not waited for: giving up takes long with a frozen server."""
        counting = asyncio.create_task(self._counted(limits, now_ms // 60_000))
        self._counting.add(counting)
        counting.add_done_callback(self._forget_counting)
        try:
            done, _ = await asyncio.wait({counting}, timeout=BUDGET_TIMEOUT_SECONDS)
            if not done:
                raise TimeoutError(f"no answer within {BUDGET_TIMEOUT_SECONDS * 1000:.0f} ms")
            granted = counting.result()
        except DATABASE_FAULTS as error:
            log.warning("ping budgets are counted by this node alone: %s", error or type(error).__name__)
            return {
                target_id for target_id, limit in limits.items() if self._take_own(target_id, limit, now_ms)
            }
        finally:
            counting.cancel()
        for target_id in granted:  # remembered, for when the database cannot say it
            self._take_own(target_id, limits[target_id], now_ms)
        return granted

    async def _counted(self, limits: Mapping[int, int], minute: int) -> set[int]:
        async with self._engine.begin() as connection:
            return await take_pings(connection, limits, minute=minute)

    def _forget_counting(self, task: asyncio.Task[set[int]]) -> None:
        self._counting.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain about work nobody waits for

    def _take_own(self, target_id: int, limit: int, now_ms: int) -> bool:
        minute, used = self._own_budget.get(target_id, (0, 0))
        if minute != now_ms // 60_000:
            minute, used = now_ms // 60_000, 0
        self._own_budget[target_id] = (minute, used + (used < limit))
        return used < limit
