"""How trunks are with their carriers, in words: what the agi processes of the nodes wrote of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from web.resources import trunk_queries
from web.resources.resource import Cell

HEARD_WITHIN = timedelta(seconds=60)
"""A node says every few seconds how its trunks are; one that says nothing is not believed any more."""


class Health(StrEnum):
    WELL = "well"
    WAITING = "waiting"
    ILL = "ill"
    NOT_KNOWN = "not_known"


_HEALTH: Mapping[str, Health] = {
    "registered": Health.WELL,
    "reachable": Health.WELL,
    "trying": Health.WAITING,
    "refused": Health.ILL,
    "unanswered": Health.ILL,
    "unreachable": Health.ILL,
}
_TITLES: Mapping[str, str] = {
    "registered": "registered",
    "reachable": "reachable",
    "trying": "registering",
    "refused": "registration refused",
    "unanswered": "not registered",
    "unreachable": "not reachable",
}
_BADGES: Mapping[Health, str] = {
    Health.WELL: "sold",
    Health.WAITING: "in_progress",
    Health.ILL: "unknown_number",
    Health.NOT_KNOWN: "",
}
_WORST_FIRST = (Health.ILL, Health.WAITING, Health.NOT_KNOWN, Health.WELL)


@dataclass(frozen=True, kw_only=True)
class TrunkLine:
    """One registration or address of a trunk, as one node sees it, since `since`."""

    trunk_id: int
    trunk: str
    node: str
    peer: str
    state: str
    health: Health
    title: str
    reason: str
    round_trip_us: int | None
    since: datetime
    seen_at: datetime

    @property
    def badge(self) -> str:
        return _BADGES[self.health]


async def lines_of_trunks(
    connection: AsyncConnection, trunk_ids: Sequence[int] | None = None
) -> Mapping[int, Sequence[TrunkLine]]:
    """Return by trunk what is known of its lines; of all trunks without ids."""
    found: dict[int, list[TrunkLine]] = {}
    for row in await trunk_queries.states(connection, trunk_ids):
        found.setdefault(row["trunk_id"], []).append(line_of(row, datetime.now(UTC)))
    return found


def line_of(row: Mapping[str, Any], now: datetime) -> TrunkLine:
    """Return a row of trunk_states in words. One that is old is what was, not what is."""
    silent = now - row["seen_at"] > HEARD_WITHIN
    health = Health.NOT_KNOWN if silent else _HEALTH.get(row["state"], Health.NOT_KNOWN)
    title = _TITLES.get(row["state"], row["state"])
    return TrunkLine(
        trunk_id=row["trunk_id"],
        trunk=row["trunk"],
        node=row["node"],
        peer=row["peer"],
        state=row["state"],
        health=health,
        title=f"not known, was {title}" if silent else title,
        reason=f"the node {row['node']} has said nothing since" if silent else row["reason"],
        round_trip_us=row["round_trip_us"],
        since=row["seen_at"] if silent else row["changed_at"],
        seen_at=row["seen_at"],
    )


def worst_of(lines: Sequence[TrunkLine]) -> TrunkLine:
    """Return the line that needs somebody most."""
    return min(lines, key=lambda line: _WORST_FIRST.index(line.health))


def cell_of(lines: Sequence[TrunkLine]) -> Cell:
    """Return what the list says of a trunk with these lines, one at least."""
    worst = worst_of(lines)
    alike = sum(line.health == worst.health for line in lines)
    counted = f" ({alike} of {len(lines)})" if worst.health == Health.ILL and len(lines) > 1 else ""
    return Cell(text=f"{worst.title}{counted}", badge=worst.badge or "not-known")


def line_in_words(line: TrunkLine) -> str:
    """Return a line as one sentence for a terminal; moments in UTC."""
    words = (
        f"{line.peer} {line.title} since {line.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC, node {line.node}"
    )
    if line.reason:
        return f"{words}: {line.reason}"
    return words if line.round_trip_us is None else f"{words}, answers in {line.round_trip_us / 1000:.1f} ms"
