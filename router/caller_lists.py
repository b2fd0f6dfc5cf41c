"""Keep the lists that callers stand on. What cannot be right is refused with its place; nothing is half done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from router import caller_list_queries as queries
from router.domain.suppression import blocked_caller_problem
from rules.telephone import WITHHELD, read_number

MAXIMUM_NUMBERS = 1_000_000
MAXIMUM_PROBLEMS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRefused:
    """Nothing was changed."""

    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppressed:
    """Callers that a buyer does not buy again."""

    added: int
    known: int
    """Were on the list before, or stood in the file twice."""


async def block_caller(
    engine: AsyncEngine, kind: str, value: str, *, campaign: str | None = None, reason: str = ""
) -> ListRefused | None:
    """Block a number, a prefix or anonymous callers, in one campaign or in all. Raises what the driver raises."""
    problem = blocked_caller_problem(kind, value)
    if problem is not None:
        return ListRefused(problems=(problem,))
    async with engine.begin() as connection:
        campaign_id = None if campaign is None else await queries.campaign_named(connection, campaign)
        if campaign is not None and campaign_id is None:
            return ListRefused(problems=(f"there is no campaign called {campaign!r:.80}",))
        await queries.block(connection, kind, value, campaign_id, reason)
    return None


async def unblock_caller(engine: AsyncEngine, rule_id: int) -> bool:
    """Drop a rule; return whether there was one. Raises what the driver raises."""
    async with engine.begin() as connection:
        return await queries.unblock(connection, rule_id)


async def list_blocked(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        return await queries.blocked(connection)


async def suppress_callers(
    engine: AsyncEngine, buyer: str, lines: Iterable[str], *, reason: str = ""
) -> Suppressed | ListRefused:
    """Put the numbers of a file, one a line, into a buyer's book of business: all of them or none.

    Raises what the driver raises.
    """
    read = read_numbers(lines)
    if isinstance(read, ListRefused):
        return read
    numbers = list(dict.fromkeys(read))
    async with engine.begin() as connection:
        buyer_id = await queries.buyer_named(connection, buyer)
        if buyer_id is None:
            return ListRefused(problems=(f"there is no buyer called {buyer!r:.80}",))
        added = await queries.suppress(connection, buyer_id, numbers, reason)
    return Suppressed(added=added, known=len(read) - added)


def read_numbers(lines: Iterable[str]) -> Sequence[str] | ListRefused:
    """Read telephone numbers, one a line, as rules.telephone reads them; blank lines are passed over."""
    numbers: list[str] = []
    problems: list[str] = []
    for line, text in enumerate(lines, 1):
        plain = text.strip().lstrip("\ufeff")
        if not plain:
            continue
        number = read_number(plain)
        if isinstance(number, str):
            numbers.append(number)
        else:
            why = "withheld" if number is WITHHELD else number.reason
            problems.append(f"line {line}: {plain!r:.60} is not a number like +16145550123: {why}")
        if len(numbers) > MAXIMUM_NUMBERS or len(problems) >= MAXIMUM_PROBLEMS:
            problems.append(f"line {line}: not read any further")
            break
    return ListRefused(problems=tuple(problems)) if problems else numbers
