"""How the trunks of a node are, for its command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from store.session import open_engine
from tollbridge.lines_source import DATABASE_FAULTS
from tollbridge.node_state import NodeState
from tollbridge.settings import Settings
from web.resources.trunk_lines import Health, TrunkLine, lines_of_trunks

DATABASE_WITHIN_SECONDS = 3.0
COLOURS: Mapping[Health, str] = {Health.WELL: "green", Health.ILL: "red"}


async def lines_of_node(settings: Settings, state: NodeState) -> list[TrunkLine]:
    """Return what this node says of its trunks; nothing while the database is away."""
    url = settings.database_url or state.database_url
    if not url:
        return []
    engine = open_engine(url, application_name="tollbridge-status", pool_size=1)
    try:
        async with asyncio.timeout(DATABASE_WITHIN_SECONDS), engine.connect() as connection:
            found = await lines_of_trunks(connection)
    except DATABASE_FAULTS:
        return []
    finally:
        await engine.dispose()
    return [line for lines in found.values() for line in lines if line.node == settings.node_name]
