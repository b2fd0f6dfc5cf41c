"""Every bidder's endpoint in memory, kept fresh from PostgreSQL. Not in the snapshot file: endpoints hold secrets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from router.buyers.addresses import AddressRules
from router.buyers.dialect import Dialect, Endpoint
from router.buyers.kept_secrets import hidden_texts
from router.buyers.registry import DIALECTS, endpoint_problems
from router.domain.worth import Ceilings
from router.ping_queries import read_endpoints
from router.queries import read_market_version
from router.snapshot import DATABASE_FAULTS, DATABASE_TIMEOUT_SECONDS, POLL_SECONDS

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bidder:
    """One endpoint that can be asked."""

    endpoint: Endpoint
    dialect: Dialect
    ceilings: Ceilings
    """The endpoint's, made once."""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """What of it stands in no log, in every spelling."""

    @classmethod
    def of(cls, endpoint: Endpoint) -> Bidder:
        return cls(
            endpoint=endpoint,
            dialect=DIALECTS[endpoint.dialect],
            ceilings=endpoint.ceilings,
            hidden=hidden_texts(endpoint),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Bidders:
    """All endpoints: those that can be asked, and why the others cannot. Both by target."""

    usable: Mapping[int, Bidder]
    unusable: Mapping[int, str]


NO_BIDDERS = Bidders(usable={}, unusable={})


def bidders_of(endpoints: Sequence[Endpoint], rules: AddressRules) -> Bidders:
    """Sort endpoints into usable and unusable ones. One that cannot be right takes only itself out of play."""
    usable: dict[int, Bidder] = {}
    unusable: dict[int, str] = {}
    for endpoint in endpoints:
        problems = endpoint_problems(endpoint, rules) if endpoint.enabled else ["switched off"]
        if problems:
            unusable[endpoint.target_id] = "; ".join(problems)[:500]
        else:
            usable[endpoint.target_id] = Bidder.of(endpoint)
    return Bidders(usable=usable, unusable=unusable)


class CurrentBidders:
    """The bidders every auction of this process asks. Replaced whole, never changed."""

    def __init__(self, engine: AsyncEngine, rules: AddressRules) -> None:
        self._engine = engine
        self._rules = rules
        self._version: int | None = None
        self.current = NO_BIDDERS

    async def keep_fresh(self, stop: asyncio.Event) -> None:
        """Look each second whether the market has changed; until `stop`. Outside faults are logged."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(DATABASE_TIMEOUT_SECONDS):
                    await self.refresh()
            except DATABASE_FAULTS as error:
                log.warning("bidders are not refreshed: %s", error or type(error).__name__)
            try:
                await asyncio.wait_for(stop.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        """Load the endpoints if the market has changed. Raises what the database raises."""
        async with self._engine.connect() as connection:
            version = await read_market_version(connection)
            if version == self._version:
                return
            endpoints = await read_endpoints(connection)
        self.current, self._version = bidders_of(endpoints, self._rules), version
        for target_id, problem in self.current.unusable.items():
            log.info("target %d is not asked for bids: %s", target_id, problem)
