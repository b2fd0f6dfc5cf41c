"""Caps: how much of something a target, a buyer, a campaign, a publisher or a group takes in a period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.caps import CONCURRENCY, KINDS, OWNERS, PERIODS, REVENUE, SPACING
from rules.money import MAXIMUM_MICROS
from store.tables import caps
from web.api.operation import Body, FieldProblem
from web.keys import EDITORS, HOUSE
from web.resources import cap_queries as queries
from web.resources.cap_use import cells_of
from web.resources.fields import Kind, Shown
from web.resources.resource import Resource
from web.resources.texts import printable

KIND_NAMES = {
    "concurrency": "Calls at once",
    "attempts": "Calls offered",
    "connections": "Calls connected",
    "conversions": "Calls converted",
    "revenue": "Money",
    "spacing": "Seconds between calls",
}
PERIOD_NAMES = {
    "hour": "An hour",
    "day": "A day",
    "week": "A week",
    "month": "A month",
    "total": "Ever",
}
OWNER_FIELDS = {f"{owner}_id": owner for owner in OWNERS}
CALLS_MAXIMUM = 10**9

Id = Annotated[int, Field(ge=1, le=2**63 - 1)] | None
assert set(KIND_NAMES) == set(KINDS), "every kind has a name"
assert set(PERIOD_NAMES) == set(PERIODS), "and every period"


def _owner(label: str, reference: str, text: str = "") -> Shown:
    return Shown(label=label, kind=Kind.REFERENCE, reference=reference, help=text)


class CapForm(Body):
    """A cap of exactly one of a target, buyer, campaign, publisher or group.

    `at_most` counts calls, or seconds for spacing; a cap of revenue has `at_most_micros` instead.
    """

    target_id: Annotated[Id, _owner("Of a target", "targets", "Say whose cap it is: one of these five.")] = (
        None
    )
    buyer_id: Annotated[Id, _owner("Of a buyer", "buyers")] = None
    campaign_id: Annotated[Id, _owner("Of a campaign", "campaigns")] = None
    publisher_id: Annotated[Id, _owner("Of a publisher", "publishers")] = None
    group_id: Annotated[Id, _owner("Of a group of targets", "cap-groups")] = None
    kind: Annotated[
        Literal["concurrency", "attempts", "connections", "conversions", "revenue", "spacing"],
        Shown(label="What is counted", kind=Kind.CHOICE, options=KIND_NAMES),
    ]
    period: Annotated[
        Literal["hour", "day", "week", "month", "total"] | None,
        Shown(
            label="In",
            kind=Kind.CHOICE,
            options=PERIOD_NAMES,
            help="On the owner’s own clock. Calls at once and seconds between calls have none.",
        ),
    ] = None
    at_most: Annotated[
        Annotated[int, Field(ge=0, le=CALLS_MAXIMUM)] | None,
        Shown(label="At most, calls or seconds", kind=Kind.NUMBER, help="0 lets nothing through."),
    ] = None
    at_most_micros: Annotated[
        Annotated[int, Field(ge=0, le=MAXIMUM_MICROS)] | None,
        Shown(label="At most, money", kind=Kind.MONEY, help="Of a cap of money only."),
    ] = None
    range_name: Annotated[
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)] | None,
        Shown(
            label="Only while this range is open",
            help="The name of a row of the target’s hours.",
            advanced=True,
        ),
    ] = None
    enabled: Annotated[bool, Shown(label="Counts", kind=Kind.YES_NO)] = True


async def check(connection: AsyncConnection, form: CapForm, row_id: int | None) -> Sequence[FieldProblem]:
    """Return what fields say against each other."""
    owners = [name for name in OWNER_FIELDS if getattr(form, name) is not None]
    found = []
    if len(owners) != 1:
        problem = "say whose cap it is" if not owners else "one owner only: leave the others empty"
        found.append(FieldProblem(field=owners[1] if owners else "target_id", problem=problem))
    elif not await queries.owner_exists(connection, OWNER_FIELDS[owners[0]], getattr(form, owners[0])):
        found.append(FieldProblem(field=owners[0], problem="there is no such row any more"))
    timeless = form.kind in (CONCURRENCY, SPACING)
    if timeless and form.period is not None:
        found.append(FieldProblem(field="period", problem=f"{KIND_NAMES[form.kind].lower()} have no period"))
    if not timeless and form.period is None:
        found.append(FieldProblem(field="period", problem="say in which period"))
    wanted, other = ("at_most_micros", "at_most") if form.kind == REVENUE else ("at_most", "at_most_micros")
    if getattr(form, wanted) is None:
        found.append(FieldProblem(field=wanted, problem="fill this in"))
    if getattr(form, other) is not None:
        of = "a cap of money" if form.kind == REVENUE else "this kind of cap"
        found.append(FieldProblem(field=other, problem=f"not for {of}: leave it empty"))
    if form.range_name is not None:
        found += _range_problems(form.range_name, form.target_id)
    return found


def _range_problems(name: str, target_id: int | None) -> list[FieldProblem]:
    try:
        printable(name)
    except ValueError as error:
        return [FieldProblem(field="range_name", problem=str(error))]
    return (
        [] if target_id else [FieldProblem(field="range_name", problem="only a target has hours of its own")]
    )


def to_columns(form: CapForm) -> Mapping[str, Any]:
    field = next((name for name in OWNER_FIELDS if getattr(form, name) is not None), "target_id")
    return {
        "owner": OWNER_FIELDS[field],
        "owner_id": getattr(form, field),
        "kind": form.kind,
        "period": form.period,
        "at_most": form.at_most_micros if form.kind == REVENUE else form.at_most,
        "range_name": form.range_name,
        "enabled": form.enabled,
    }


def of_row(row: Mapping[str, Any]) -> Mapping[str, Any]:
    money = row["kind"] == REVENUE
    return {
        **{name: row["owner_id"] if row["owner"] == owner else None for name, owner in OWNER_FIELDS.items()},
        "kind": row["kind"],
        "period": row["period"],
        "at_most": None if money else row["at_most"],
        "at_most_micros": row["at_most"] if money else None,
        "range_name": row["range_name"],
        "enabled": row["enabled"],
    }


def narrow(name: str, value: int | str) -> Sequence[ColumnElement[bool]]:
    """Return the condition that a list is narrowed by."""
    if name in OWNER_FIELDS:
        return [caps.c.owner == OWNER_FIELDS[name], caps.c.owner_id == value]
    return [caps.c[name] == value]


CAPS = Resource(
    name="caps",
    one="cap",
    many="caps",
    table=caps,
    form=CapForm,
    columns=("whose", "kind", "period", "limit", "used", "enabled"),
    sort="id",
    label="kind",
    search=(),
    filters=(*OWNER_FIELDS, "kind"),
    about="How much is taken in a period. A call that would go over one is offered to the next target.",
    empty="Without caps, a target is only held by its calls at once and its hours.",
    readers=HOUSE,
    editors=EDITORS,
    check=check,
    to_columns=to_columns,
    of_row=of_row,
    narrow=narrow,
    computed=cells_of,
    computed_labels={"whose": "Whose", "limit": "At most", "used": "Used now"},
)
