"""How much of caps is used at this moment, as the router counts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.caps import REVENUE, SPACING, Moment, concurrency_key, describe_full, is_full
from router.domain.market import Cap
from router.domain.read_caps import read_caps
from web.formats import money
from web.resources import cap_queries as queries
from web.resources.resource import Cell, Rows

SHOWN_MAXIMUM = 30


@dataclass(frozen=True, kw_only=True)
class CapUse:
    """A cap, whose it is, and how much of it is taken."""

    cap_id: int
    """0: the calls at once that stand in the target's own row."""
    whose: str
    text: str
    full: bool


async def caps_in_use(
    connection: AsyncConnection, owners: Sequence[tuple[str, int]], now: datetime
) -> Sequence[CapUse]:
    """Return the use of the caps of some owners, SHOWN_MAXIMUM at most."""
    rows = await queries.caps_of_owners(connection, owners, SHOWN_MAXIMUM)
    return list((await _uses(connection, rows, now)).values())


async def calls_now(connection: AsyncConnection, target_ids: Sequence[int]) -> Mapping[int, int]:
    """Return the calls in progress by target."""
    keys = {concurrency_key(target_id): target_id for target_id in target_ids}
    found = await queries.counters(connection, keys)
    return {target_id: found.get(key, (0, 0))[0] for key, target_id in keys.items()}


async def cells_of(connection: AsyncConnection, rows: Rows) -> Mapping[int, Mapping[str, Cell]]:
    """Return what the list of caps says of each."""
    uses = await _uses(connection, rows, datetime.now(UTC))
    found: dict[int, Mapping[str, Cell]] = {}
    for row in rows:
        use = uses.get(row["id"])
        limit = money(row["at_most"]) if row["kind"] == REVENUE else f"{row['at_most']:,}"
        if row["kind"] == SPACING:
            limit += " s"
        cells = {
            "whose": Cell(text=use.whose if use else f"{row['owner']} {row['owner_id']}"),
            "limit": Cell(text=limit),
        }
        if use is not None:
            cells["used"] = Cell(text=use.text, badge="not_answered" if use.full else "")
        found[row["id"]] = cells
    return found


async def _uses(
    connection: AsyncConnection, rows: Sequence[Mapping[str, Any]], now: datetime
) -> Mapping[int, CapUse]:
    """Return the use of each cap row by id; a cap that cannot be right has none."""
    owners = await queries.owners_of(connection, {(row["owner"], row["owner_id"]) for row in rows})
    read = {row["id"]: cap for row in rows if (cap := _read(row, owners)) is not None}
    counted = await queries.counters(connection, {cap.key for cap in read.values()})
    moment = Moment(now=now)
    found = {}
    for row in rows:
        cap = read.get(row["id"])
        if cap is None:
            continue
        used, start = counted.get(cap.key, (0, 0))
        used = used if start == moment.period_start(cap) else 0
        name = owners[row["owner"], row["owner_id"]]["name"]
        found[row["id"]] = CapUse(
            cap_id=row["id"],
            whose=f"{row['owner'].capitalize()} {name}",
            text=_words(cap, used, moment),
            full=row["enabled"] and is_full(cap, used, moment),
        )
    return found


def _read(row: Mapping[str, Any], owners: Mapping[tuple[str, int], Mapping[str, Any]]) -> Cap | None:
    """Read one cap with the clock of its owner, by the reader that the router goes by."""
    owner = owners.get((row["owner"], row["owner_id"]))
    if owner is None:
        return None
    document: dict[str, Any] = {"caps": [row], "buyers": [], "campaigns": [], "targets": []}
    place = f"{row['owner']}s"
    document[place] = [{**owner, "targets": []}]
    found = read_caps(document, []).of(row["owner"], row["owner_id"])
    return found[0] if found else None


def _words(cap: Cap, used: int, moment: Moment) -> str:
    if cap.kind != SPACING:
        return describe_full(cap, used, moment)
    if not used:
        return f"no call yet, at least {cap.at_most} s between two"
    return f"last call {(moment.now_ms - used) // 1000} s ago, at least {cap.at_most} s between two"
