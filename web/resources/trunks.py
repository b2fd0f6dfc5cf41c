"""Trunks: by which carrier calls come in and go out, and what its minutes cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from asterisk_conf.node_config import TrunkRow, trunk_of
from asterisk_conf.sip_uri import Refused, read_address
from store.tables import trunks
from web.api.operation import Body, FieldProblem
from web.keys import HOUSE, Role
from web.resources import trunk_queries
from web.resources.carriers import PRESETS
from web.resources.fields import Kind, Shown
from web.resources.resource import Cell, Resource, Rows
from web.resources.texts import Name, ShortText
from web.resources.trunk_lines import Health, cell_of, lines_of_trunks

Micros = Annotated[int, Field(ge=0, le=10**10)]
Seconds = Annotated[int, Field(ge=1, le=3600)]
Least = Annotated[int, Field(ge=0, le=3600)]
_FROM_NOW = "A change holds for calls that start after it is saved."


class TrunkForm(Body):
    """A trunk: known by the addresses its calls come from, or registered with, or both. Costs are in millionths."""

    name: Annotated[
        Annotated[str, Field(pattern=r"^[0-9A-Za-z_.-]{1,32}$")],
        Shown(label="Name", help="Letters, digits and _ . - only: Asterisk's configuration calls it so."),
    ]
    carrier_name: Annotated[Name, Shown(label="Carrier", help="Its costs go to the account of this name.")]
    addresses: Annotated[
        Annotated[list[Annotated[str, Field(max_length=60)]], Field(max_length=200)],
        Shown(
            label="Addresses its calls come from",
            kind=Kind.LINES,
            help="One address or network a line, such as 192.0.2.10 or 192.0.2.0/24. Nobody else is let in.",
        ),
    ] = Field(default_factory=list)
    registrar_uri: Annotated[
        ShortText | None,
        Shown(label="Registrar", help="Where we register, such as sip:sip.example.com. Empty: we do not."),
    ] = None
    username: Annotated[ShortText | None, Shown(label="User name there")] = None
    password: Annotated[ShortText | None, Shown(label="Password there", kind=Kind.SECRET)] = None
    cost_per_minute_micros: Annotated[
        Micros, Shown(label="Calls in: costs a minute", kind=Kind.MONEY, help=_FROM_NOW)
    ] = 0
    cost_increment_seconds: Annotated[
        Seconds, Shown(label="Calls in: billed in steps of, seconds", kind=Kind.NUMBER, advanced=True)
    ] = 6
    cost_minimum_seconds: Annotated[
        Least, Shown(label="Calls in: at least, seconds", kind=Kind.NUMBER, advanced=True)
    ] = 6
    outbound_cost_per_minute_micros: Annotated[
        Micros, Shown(label="Calls out: costs a minute", kind=Kind.MONEY, help=_FROM_NOW)
    ] = 0
    outbound_increment_seconds: Annotated[
        Seconds, Shown(label="Calls out: billed in steps of, seconds", kind=Kind.NUMBER, advanced=True)
    ] = 6
    outbound_minimum_seconds: Annotated[
        Least, Shown(label="Calls out: at least, seconds", kind=Kind.NUMBER, advanced=True)
    ] = 6
    check_every_seconds: Annotated[
        Annotated[int, Field(ge=0, le=3600)],
        Shown(
            label="Ask its addresses whether they are there, every, seconds",
            kind=Kind.NUMBER,
            help="By OPTIONS; 0: never. Single addresses only, and not where we register. Not every carrier answers.",
            advanced=True,
        ),
    ] = 0
    enabled: Annotated[bool, Shown(label="In use", kind=Kind.YES_NO)] = True


NOBODY_TO_ASK = FieldProblem(
    field="check_every_seconds",
    problem="there is no single address to ask: networks are not asked, and a registration tells by itself; write 0",
)


async def check(connection: AsyncConnection, form: TrunkForm, row_id: int | None) -> Sequence[FieldProblem]:
    """Judge a trunk as the node's configuration will: what it refuses would be left out in silence."""
    for text in form.addresses:
        address = read_address(text, what="trunk")
        if isinstance(address, Refused):
            return (FieldProblem(field="addresses", problem=address.reason),)
    kept = None if row_id is None else await trunk_queries.password_of(connection, row_id)
    read = trunk_of(
        TrunkRow(
            id=row_id or 0,
            name=form.name,
            addresses=form.addresses,
            registrar_uri=form.registrar_uri,
            username=form.username,
            password=form.password or kept,
            check_every_seconds=form.check_every_seconds,
        )
    )
    if not isinstance(read, Refused):
        return () if read.asked_uris or not form.check_every_seconds else (NOBODY_TO_ASK,)
    return (FieldProblem(field=_place(form, read.reason), problem=read.reason),)


def _place(form: TrunkForm, reason: str) -> str:
    if "neither an address" in reason:
        return "addresses"
    if "user name" in reason:
        return "password" if form.username else "username"
    return "registrar_uri" if form.registrar_uri else "name"


async def choices(connection: AsyncConnection) -> Mapping[str, Mapping[str, str]]:
    return {"carrier_name": {one.values["carrier_name"]: "" for one in PRESETS.values()}}


async def more(connection: AsyncConnection, trunk_id: int) -> Mapping[str, Any]:
    """Return what is known of the trunk's health, how to try it, and what it has cost."""
    found = await trunk_queries.health(connection, trunk_id)
    lines = (await lines_of_trunks(connection, [trunk_id])).get(trunk_id, [])
    rates = await trunk_queries.rates(connection, trunk_id)
    return {**found, "lines": lines, "well": Health.WELL, "rates": rates}


async def cells(connection: AsyncConnection, rows: Rows) -> Mapping[int, Mapping[str, Cell]]:
    """Return in the list how each trunk is, the worst of its nodes and addresses."""
    found = await lines_of_trunks(connection, [row["id"] for row in rows])
    return {trunk_id: {"line": cell_of(lines)} for trunk_id, lines in found.items()}


TRUNKS = Resource(
    name="trunks",
    one="trunk",
    many="trunks",
    table=trunks,
    form=TrunkForm,
    columns=(
        "name",
        "line",
        "carrier_name",
        "addresses",
        "registrar_uri",
        "cost_per_minute_micros",
        "enabled",
    ),
    computed=cells,
    computed_labels={"line": "Line"},
    about="By which carriers calls come in and go out. Nodes take up a change within seconds.",
    empty="Add the first trunk: begin as for your carrier, or list the addresses its calls come from.",
    readers=HOUSE,
    search=("name", "carrier_name"),
    group="House",
    editors=frozenset({Role.ADMIN}),
    check=check,
    choices=choices,
    presets=PRESETS,
    more=more,
    more_template="plans/trunk.html",
)
