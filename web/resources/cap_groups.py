"""Cap groups: targets that share caps, whoever owns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import cap_groups
from web.api.operation import Body, FieldProblem
from web.keys import EDITORS, HOUSE
from web.resources import cap_queries as queries
from web.resources.fields import Kind, Shown
from web.resources.resource import Related, Resource, Rows
from web.resources.texts import Name, Zone

MEMBERS_MAXIMUM = 1000


def in_order(ids: list[int]) -> list[int]:
    return sorted(set(ids))


class CapGroupForm(Body):
    """A group of targets that share caps."""

    name: Annotated[Name, Shown(label="Name")]
    time_zone: Annotated[
        Zone, Shown(label="Time zone", kind=Kind.ZONE, help="Its caps begin anew at midnight there.")
    ] = "America/New_York"
    target_ids: Annotated[
        list[Annotated[int, Field(ge=1, le=2**63 - 1)]],
        Field(max_length=MEMBERS_MAXIMUM, default_factory=list),
        AfterValidator(in_order),
        Shown(label="Targets in it", kind=Kind.REFERENCES, reference="targets"),
    ]


async def check(
    connection: AsyncConnection, form: CapGroupForm, row_id: int | None
) -> Sequence[FieldProblem]:
    missing = await queries.missing_targets(connection, form.target_ids)
    return [FieldProblem(field="target_ids", problem=f"there is no target {one}") for one in missing[:10]]


async def load(connection: AsyncConnection, rows: Rows) -> Rows:
    members = await queries.members_of(connection, [row["id"] for row in rows])
    return [{**row, "target_ids": members[row["id"]]} for row in rows]


async def save(connection: AsyncConnection, group_id: int, form: CapGroupForm | None) -> None:
    await queries.set_members(connection, group_id, [] if form is None else form.target_ids)


CAP_GROUPS = Resource(
    name="cap-groups",
    one="cap group",
    many="cap groups",
    table=cap_groups,
    form=CapGroupForm,
    columns=("name", "time_zone", "target_ids"),
    about="Targets that share caps, whoever owns them: two desks of one office, or one desk under two names.",
    empty="Make one, choose its targets, then give it a cap.",
    readers=HOUSE,
    editors=EDITORS,
    related=(Related(label="Its caps", address="/caps?group_id={id}"),),
    check=check,
    load=load,
    save=save,
)
