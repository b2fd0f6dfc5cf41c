"""What is to be seen of a buyer beside its settings: targets, caps, wallet, licences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.wallet_queries import wallet_of
from router.domain.expiring_licences import WARNING_DAYS
from router.domain.market import LOAN_TYPES
from web.resources import cap_queries
from web.resources import market_queries as queries
from web.resources.cap_use import calls_now, caps_in_use
from web.resources.target_panel import state_of_target


async def show_buyer(connection: AsyncConnection, buyer_id: int) -> Mapping[str, Any]:
    """Return what buyer_panel.html shows."""
    now = datetime.now(UTC)
    targets = await queries.targets_of(connection, buyer_id)
    ids = [row["id"] for row in targets]
    calls = await calls_now(connection, ids)
    groups = await cap_queries.groups_of_targets(connection, ids)
    owners = [("buyer", buyer_id), *(("target", one) for one in ids), *(("group", one) for one in groups)]
    wallet = await wallet_of(connection, buyer_id)
    return {
        "targets": [
            {**row, "state": state_of_target(row, now), "calls": calls[row["id"]]} for row in targets
        ],
        "more_targets": len(targets) == queries.TARGETS_SHOWN,
        "caps": await caps_in_use(connection, owners, now),
        "wallet": wallet,
        "campaigns": await queries.campaigns_with_terms(connection, buyer_id),
        "licences": summary_of(await queries.licence_days(connection, buyer_id), now.date()),
    }


def summary_of(rows: Sequence[Mapping[str, Any]], today: date) -> Sequence[Mapping[str, Any]]:
    """Return, a loan each, in how many states a licence holds today, and in which the last one ends soon."""
    found = []
    for product in LOAN_TYPES:
        last_days: dict[str, date | None] = {}
        for row in rows:
            if row["product"] == product and row["valid_from"] <= today <= (row["valid_to"] or today):
                known = last_days.get(row["state"], row["valid_to"])
                unending = known is None or row["valid_to"] is None
                last_days[row["state"]] = None if unending else max(known, row["valid_to"])
        ending = sorted(
            state
            for state, last in last_days.items()
            if last is not None and (last - today).days <= max(WARNING_DAYS)
        )
        if last_days:
            found.append({"product": product, "states": len(last_days), "ending": ending})
    return found
