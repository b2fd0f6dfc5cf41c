"""What the house's home says, for machines."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from aiohttp import web
from pydantic import Field, field_validator

from web.api.operation import Answered, Asked, Body, Operation, Problem, Query
from web.home import queries
from web.home.attention import items_of
from web.home.figures import read_figures
from web.keys import HOUSE
from web.zones import UTC, zone_named


class HomeQuery(Query):
    zone: str = Field("UTC", max_length=60, description="whose days they are")

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        if zone_named(value) is None:
            raise ValueError("there is no such time zone")
        return value


class ItemShown(Body):
    urgency: str
    title: str
    detail: str
    address: str


class HomeShown(Body):
    """Figures of `day` so far, and of the day before and the same day a week before, each up to this time of day."""

    day: date
    today: dict[str, Any]
    yesterday: dict[str, Any]
    last_week: dict[str, Any]
    attention: list[ItemShown]


async def show_home(asked: Asked) -> Answered | Problem | web.StreamResponse:
    query: HomeQuery = asked.query
    zone = zone_named(query.zone) or UTC
    async with asked.engine.connect() as connection:
        figures = await read_figures(connection, asked.now, zone)
        trouble = await queries.read_trouble(connection, asked.now)
    return Answered(
        content=HomeShown(
            day=asked.now.astimezone(zone).date(),
            today=figures.today.to_json(),
            yesterday=figures.yesterday.to_json(),
            last_week=figures.last_week.to_json(),
            attention=[ItemShown(**asdict(item)) for item in items_of(trouble)],
        )
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/home",
        name="showHome",
        summary="Today beside other days, and what needs attention",
        tag="reports",
        handler=show_home,
        roles=HOUSE,
        query=HomeQuery,
        answer=HomeShown,
    ),
)
