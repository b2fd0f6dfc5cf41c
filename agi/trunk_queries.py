"""How the trunks of a node are, as its agi process sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import case, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from agi.trunk_states import Peer, TrunkState
from asterisk_conf.node_config import lines_of
from asterisk_conf.queries import load_trunk_rows
from store.tables import trunk_states, trunks


async def peers(connection: AsyncConnection) -> Sequence[Peer]:
    """Return the addresses that Asterisk asks whether they are there."""
    asked = lines_of(await load_trunk_rows(connection), []).trunks
    return [Peer(trunk_id=trunk.id, uri=uri) for trunk in asked for uri in trunk.asked_uris]


async def write_states(connection: AsyncConnection, node: str, states: Sequence[TrunkState]) -> None:
    """Write what a node's trunks are now; what it does not name is forgotten. A change has a moment of its own."""
    still = [(state.trunk_id, state.peer) for state in states]
    gone = delete(trunk_states).where(trunk_states.c.node == node)
    if still:
        gone = gone.where(tuple_(trunk_states.c.trunk_id, trunk_states.c.peer).not_in(still))
    await connection.execute(gone)
    # A trunk may be deleted at this very moment: its state must not hold up the others'.
    known = set(
        await connection.scalars(
            select(trunks.c.id).where(trunks.c.id.in_({i for i, _ in still})).with_for_update(read=True)
        )
    )
    rows = [_row(node, state) for state in states if state.trunk_id in known]
    if rows:
        new = insert(trunk_states)
        changed = (trunk_states.c.state != new.excluded.state) | (
            trunk_states.c.reason != new.excluded.reason
        )
        await connection.execute(
            new.on_conflict_do_update(
                index_elements=["node", "trunk_id", "peer"],
                set_={
                    "state": new.excluded.state,
                    "reason": new.excluded.reason,
                    "round_trip_us": new.excluded.round_trip_us,
                    "seen_at": func.now(),
                    "changed_at": case((changed, func.now()), else_=trunk_states.c.changed_at),
                },
            ),
            rows,
        )


def _row(node: str, state: TrunkState) -> dict[str, Any]:
    return {
        "node": node,
        "trunk_id": state.trunk_id,
        "peer": state.peer,
        "state": state.state.value,
        "reason": state.reason,
        "round_trip_us": state.round_trip_us,
    }
