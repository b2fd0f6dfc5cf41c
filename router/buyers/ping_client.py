"""Carries a dialect's requests over HTTP, trusting nobody: checked addresses, no redirects, bounded answers.

How long an exchange may take is its caller's business: cancel it.
"""

from __future__ import annotations

from functools import lru_cache

from router.buyers.addresses import AddressRules, url_problem
from router.buyers.connections import AddressRefused, Connections, NoAnswer, Resolve
from router.buyers.dialect import HttpAnswer, HttpRequest
from router.buyers.wire import place_of, spell
from router.domain.auction import BidOutcome


class PingFailed(Exception):
    """An exchange without a usable answer: what it counts as, and why, for people."""

    def __init__(self, outcome: BidOutcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


class PingClient:
    """One pool of connections for all buyers. Use as an async context manager."""

    def __init__(self, rules: AddressRules, resolve: Resolve | None = None) -> None:
        self.connections = Connections(rules, resolve)
        # By the URL alone: to hash the rules takes longer than the rest of the look-up.
        self._url_problem = lru_cache(maxsize=4096)(lambda url: url_problem(url, rules))

    async def __aenter__(self) -> PingClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.connections.close()

    async def exchange(self, request: HttpRequest, *, again: bool = True) -> HttpAnswer:
        """Send a request and return its whole answer. Raises PingFailed.

        `again`: what may be asked twice is asked once more when a kept connection turns out to be closed.
        """
        problem = self._url_problem(request.url)
        if problem:
            raise PingFailed(BidOutcome.UNREACHABLE, f"url: {problem}")
        try:
            spelled = spell(request)
        except ValueError as error:
            raise PingFailed(BidOutcome.INVALID, f"not HTTP: {error}") from None
        place = place_of(request.url)[0]
        connection = self.connections.kept(place)
        if connection is None:
            return await self._on_new(request.url, spelled)
        try:
            answer = await connection.exchange(spelled)
        except NoAnswer as failure:
            if failure.begun or not again:
                raise PingFailed(BidOutcome.INVALID, str(failure)) from None
            return await self._on_new(request.url, spelled)
        self.connections.give_back(connection)
        return answer

    async def _on_new(self, url: str, spelled: bytes) -> HttpAnswer:
        try:
            connection = await self.connections.make(place_of(url)[0])
        except (OSError, ValueError) as error:
            raise PingFailed(BidOutcome.UNREACHABLE, _reason(error)) from None
        try:
            answer = await connection.exchange(spelled)
        except NoAnswer as failure:
            raise PingFailed(BidOutcome.INVALID, str(failure)) from None
        self.connections.give_back(connection)
        return answer


def _reason(error: BaseException) -> str:
    """Return why there is no connection, for people. Of several addresses the refused one counts."""
    if isinstance(error, AddressRefused):
        return str(error)
    inner = [*getattr(error, "exceptions", ()), error.__cause__, error.__context__]
    refused = next((str(one) for one in inner if isinstance(one, AddressRefused)), None)
    if refused is not None:
        return refused
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"no connection: {said}"[:200]
