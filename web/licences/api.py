"""Licence files and the map of states for machines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, Field

from router.licence_import import Refused
from web.api.operation import Answered, Asked, Body, FieldProblem, Operation, Problem, Query, refused
from web.keys import EDITORS, HOUSE
from web.licences import queries
from web.licences.imports import FILE_BYTES_MAXIMUM, bring_in
from web.licences.tiles import tiles_of
from web.resources.targets import LoanType

PROBLEMS_MAXIMUM = 50


class LicenceFileBody(Body):
    """A file of licences as CSV. With `look_only` nothing is stored."""

    csv: str = Field(max_length=FILE_BYTES_MAXIMUM)
    look_only: bool = False


class LicenceFileTaken(BaseModel):
    """What the file changed, or would."""

    added: int
    changed: int
    unchanged: int
    stored: bool


class MapQuery(Query):
    product: LoanType = "refinance"
    campaign_id: int | None = Field(default=None, ge=1, le=2**63 - 1, description="Only buyers in its plan")


class StateCovered(BaseModel):
    """How many buyers may take a state's calls today; 0 is a gap."""

    state: str
    name: str
    buyers: int


async def _take(asked: Asked) -> Answered | Problem:
    body: LicenceFileBody = asked.body
    write = not body.look_only
    found = await bring_in(asked.engine, asked.actor, body.csv.encode(), write=write)
    if isinstance(found, Refused):
        problems = [FieldProblem(field="csv", problem=str(one)) for one in found.problems[:PROBLEMS_MAXIMUM]]
        return refused(*problems)
    content = {"added": found.added, "changed": found.changed, "unchanged": found.unchanged, "stored": write}
    return Answered(content=content)


async def _map(asked: Asked) -> Answered:
    query: MapQuery = asked.query
    async with asked.engine.connect() as connection:
        buyers = await queries.buyers_by_state(
            connection,
            product=query.product,
            campaign_id=query.campaign_id,
            day=datetime.now(UTC).date(),
        )
    return Answered(
        content=[{"state": one.code, "name": one.name, "buyers": one.buyers} for one in tiles_of(buyers)]
    )


OPERATIONS: Sequence[Operation] = (
    Operation(
        method="POST",
        path="/licence-files",
        name="bring_in_licences",
        summary="Bring in a CSV file of licences: all of it, or nothing",
        description="Licences that the file does not name stay. `look_only` says what it would change.",
        tag="licences",
        handler=_take,
        roles=EDITORS,
        body=LicenceFileBody,
        answer=LicenceFileTaken,
        # JSON spells a quotation mark or a line's end with two characters.
        body_bytes_maximum=2 * FILE_BYTES_MAXIMUM,
        problems=frozenset({422}),
    ),
    Operation(
        method="GET",
        path="/licence-map",
        name="show_licence_map",
        summary="Show in which states a loan's calls find a licensed buyer, and where there is a gap",
        tag="licences",
        handler=_map,
        roles=HOUSE,
        query=MapQuery,
        answer=list[StateCovered],
    ),
)
