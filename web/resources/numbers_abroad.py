"""Numbers abroad: what may be rung beside numbers of the fifty states and DC, and how much of it in a day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from rules.dialling import LONGEST_TALK_SECONDS, prefix_problem
from store.routing_tables import dial_destinations
from web.api.operation import Body, FieldProblem
from web.keys import HOUSE, Role
from web.resources.fields import Kind, Shown
from web.resources.resource import Resource
from web.resources.texts import Name

_PUNCTUATION = str.maketrans("", "", " .-()")
_HOUR = LONGEST_TALK_SECONDS // 60


def checked_prefix(text: str) -> str:
    """Return a prefix as it is compared. Raises ValueError."""
    prefix = text.translate(_PUNCTUATION)
    problem = prefix_problem(prefix)
    if problem is not None:
        raise ValueError(problem)
    return prefix


Minutes = Annotated[int, Field(ge=0, le=100_000)]
Micros = Annotated[int, Field(ge=0, le=10**12)]
_TAKES = f"A call takes {_HOUR} minutes when it is rung, and gives back what was not talked."


class NumberAbroadForm(Body):
    """A number, or how numbers begin. The ceilings are for a day of all that is rung abroad."""

    prefix: Annotated[
        Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)],
        AfterValidator(checked_prefix),
        Shown(label="Number, or its beginning", help="Such as +1 787 (Puerto Rico) or +44 20 7183 8750."),
    ]
    name: Annotated[Name, Shown(label="Name", help="Who or what is there, and why it may be rung.")]
    cost_per_minute_micros: Annotated[
        Micros, Shown(label="A minute costs", kind=Kind.MONEY, help="What the carrier takes at most.")
    ] = 500_000
    target_minutes_per_day: Annotated[
        Minutes, Shown(label="Minutes a day, each target", kind=Kind.NUMBER, help=_TAKES)
    ] = 120
    target_micros_per_day: Annotated[Micros, Shown(label="Dollars a day, each target", kind=Kind.MONEY)] = (
        100_000_000
    )
    trunk_minutes_per_day: Annotated[
        Minutes,
        Shown(
            label="Minutes a day, each trunk",
            kind=Kind.NUMBER,
            help=f"Of all targets together. A flow’s transfer counts {_HOUR} minutes, however long it lasts.",
        ),
    ] = 480
    trunk_micros_per_day: Annotated[Micros, Shown(label="Dollars a day, each trunk", kind=Kind.MONEY)] = (
        400_000_000
    )


async def check(
    connection: AsyncConnection, form: NumberAbroadForm, row_id: int | None
) -> Sequence[FieldProblem]:
    """Refuse ceilings under which not one call finds room."""
    cost = form.cost_per_minute_micros * _HOUR
    least = {
        "target_minutes_per_day": _HOUR,
        "trunk_minutes_per_day": _HOUR,
        "target_micros_per_day": cost,
        "trunk_micros_per_day": cost,
    }
    return [
        FieldProblem(
            field=field, problem=f"less than one call takes ({_HOUR} minutes): nothing would be rung"
        )
        for field, needed in least.items()
        if getattr(form, field) < needed
    ]


NUMBERS_ABROAD = Resource(
    name="numbers-abroad",
    one="number abroad",
    many="numbers abroad",
    table=dial_destinations,
    form=NumberAbroadForm,
    columns=("prefix", "name", "cost_per_minute_micros", "target_minutes_per_day", "trunk_minutes_per_day"),
    sort="prefix",
    label="prefix",
    search=("prefix", "name"),
    about="Numbers outside the fifty states and DC are rung only when listed here, up to the ceilings of a day.",
    empty="Nothing abroad is rung: neither for bids and targets nor by flows’ transfers.",
    readers=HOUSE,
    group="House",
    editors=frozenset({Role.ADMIN}),
    check=check,
)
