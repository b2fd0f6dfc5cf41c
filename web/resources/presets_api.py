"""What a trunk's form may begin with, for machines."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from web.api.operation import Answered, Asked, Operation
from web.keys import HOUSE
from web.resources.carriers import PRESETS


class PresetShown(BaseModel):
    """What a carrier publishes: `values` are fields of a trunk, `note` says where to look the rest up."""

    name: str
    label: str
    values: dict[str, Any]
    note: str


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
)
