"""What a trunk's form may begin with, and how trunks are with their carriers, for machines."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from web.api.operation import Answered, Asked, Operation
from web.keys import HOUSE
from web.resources.carriers import PRESETS
from web.resources.trunk_lines import lines_of_trunks


class PresetShown(BaseModel):
    """What a carrier publishes: `values` are fields of a trunk, `note` says where to look the rest up."""

    name: str
    label: str
    values: dict[str, Any]
    note: str


class TrunkStateShown(BaseModel):
    """One registration or address of a trunk as a node sees it. `health` is well, waiting, ill or not_known."""

    trunk_id: int
    trunk: str
    node: str
    peer: str
    state: str
    health: str
    title: str
    reason: str
    round_trip_us: int | None
    since: datetime
    seen_at: datetime


async def _list_states(asked: Asked) -> Answered:
    async with asked.engine.connect() as connection:
        found = await lines_of_trunks(connection)
    return Answered(content=[TrunkStateShown(**asdict(line)) for lines in found.values() for line in lines])


async def _list(asked: Asked) -> Answered:
    shown = [
        PresetShown(name=name, label=one.label, values=dict(one.values), note=one.note)
        for name, one in PRESETS.items()
    ]
    return Answered(content=shown)


OPERATIONS = (
    Operation(
        method="GET",
        path="/trunk-presets",
        name="list_trunk_presets",
        summary="List what common carriers publish, to begin a trunk with",
        tag="trunks",
        handler=_list,
        roles=HOUSE,
        answer=list[PresetShown],
    ),
    Operation(
        method="GET",
        path="/trunk-states",
        name="list_trunk_states",
        summary="List whether trunks are registered, and whether carriers answer",
        tag="trunks",
        handler=_list_states,
        roles=HOUSE,
        answer=list[TrunkStateShown],
    ),
)
