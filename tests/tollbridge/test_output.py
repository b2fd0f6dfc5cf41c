"""What programs get is plain JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from tollbridge.output import plain


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Thing:
    colour: Colour
    at: datetime
    where: Path
    call_id: UUID
    parts: tuple[int | None, ...]


def test_everything_of_ours_becomes_plain_json() -> None:
    thing = Thing(
        colour=Colour.RED,
        at=datetime(2026, 1, 2, tzinfo=UTC),
        where=Path("/x"),
        call_id=UUID(int=1),
        parts=(1, None),
    )
    assert json.loads(json.dumps(plain({"thing": thing}))) == {
        "thing": {
            "colour": "red",
            "at": "2026-01-02T00:00:00+00:00",
            "where": "/x",
            "call_id": "00000000-0000-0000-0000-000000000001",
            "parts": [1, None],
        }
    }
