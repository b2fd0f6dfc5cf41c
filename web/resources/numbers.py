"""Tracking numbers: what borrowers dial, whose ad it stands in, which campaign answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import phonenumbers
from pydantic import AfterValidator, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from rules.telephone import WITHHELD, read_number
from store.tables import tracking_numbers
from web.api.operation import Body, FieldProblem
from web.keys import EDITORS, HOUSE
from web.resources import number_queries
from web.resources.fields import Kind, Shown
from web.resources.resource import Resource
from web.resources.texts import Name


def e164(text: str) -> str:
    """Return a number as +1NXXNXXXXXX, however it was written. Raises ValueError."""
    read = read_number(text)
    if not isinstance(read, str):
        why = "it means withheld" if read is WITHHELD else read.reason
        raise ValueError(f"this is no telephone number ({why}): write one such as (614) 555-0123")
    if not phonenumbers.is_valid_number(phonenumbers.parse(read)):
        raise ValueError("no such number can be given out: a digit too many or too few, or an unknown area")
    return read


E164 = Annotated[str, Field(max_length=40), AfterValidator(e164)]
Micros = Annotated[int, Field(ge=0, le=10**12)]
Reference = Annotated[int, Field(ge=1, le=2**63 - 1)]


class NumberForm(Body):
    """A tracking number. The carrier takes `monthly_cost_micros` for every month begun in which it is rented."""

    e164: Annotated[
        E164,
        Shown(
            label="Number", kind=Kind.TELEPHONE, help="As people write it; one from abroad begins with a +."
        ),
    ]
    campaign_id: Annotated[Reference, Shown(label="Campaign", kind=Kind.REFERENCE, reference="campaigns")]
    publisher_id: Annotated[Reference, Shown(label="Publisher", kind=Kind.REFERENCE, reference="publishers")]
    carrier_name: Annotated[
        Name | None,
        Shown(label="Carrier", help="Spelled as on its trunk: its costs go to one account."),
    ] = None
    monthly_cost_micros: Annotated[Micros, Shown(label="Costs a month", kind=Kind.MONEY)] = 0
    rented_from: Annotated[date | None, Shown(label="Rented from", kind=Kind.DATE)] = None
    rented_to: Annotated[
        date | None, Shown(label="Rented until", kind=Kind.DATE, help="Left empty: until further notice.")
    ] = None
    enabled: Annotated[
        bool,
        Shown(label="Calls are taken", kind=Kind.YES_NO, help="Off: callers hear that it is not in use."),
    ] = True


async def check(connection: AsyncConnection, form: NumberForm, row_id: int | None) -> Sequence[FieldProblem]:
    problems = []
    if form.monthly_cost_micros and form.carrier_name is None:
        problems.append(FieldProblem(field="carrier_name", problem="say who is paid what it costs a month"))
    if form.rented_from and form.rented_to and form.rented_to < form.rented_from:
        problems.append(FieldProblem(field="rented_to", problem="this is before it was rented"))
    return problems


async def choices(connection: AsyncConnection) -> Mapping[str, Mapping[str, str]]:
    return {"carrier_name": {name: name for name in await number_queries.carriers(connection)}}


async def more(connection: AsyncConnection, number_id: int) -> Mapping[str, Any]:
    """Return the number itself: it can be tried."""
    return {"number": await number_queries.number_of(connection, number_id)}


NUMBERS = Resource(
    name="numbers",
    one="tracking number",
    many="tracking numbers",
    table=tracking_numbers,
    form=NumberForm,
    columns=("e164", "campaign_id", "publisher_id", "carrier_name", "monthly_cost_micros", "enabled"),
    about="The numbers borrowers dial: each stands in one publisher's ads and leads to one campaign.",
    empty="Rent a number from a carrier, send its calls here (see Trunks), and add it.",
    readers=HOUSE,
    editors=EDITORS,
    sort="e164",
    label="e164",
    search=("e164", "carrier_name"),
    filters=("campaign_id", "publisher_id"),
    check=check,
    choices=choices,
    more=more,
    more_template="test_calls/try.html",
)
