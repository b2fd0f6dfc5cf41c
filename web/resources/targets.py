"""Targets: what rings at a buyer, when, and for which calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr_flows.publishing import tags_of_flows
from ivr_flows.queries import dialling_rules
from router.domain.dial import dial_problem
from router.domain.known_facts import KNOWN_FACTS
from router.domain.market import LOAN_TYPES
from rules.condition import ConditionError, describe, facts_of, parse_condition
from rules.known_facts import unknown_facts
from rules.schedule import always_open
from rules.sip_uri import sip_uri_problem
from store.tables import buyers, targets
from web.api.operation import Body, FieldProblem
from web.formats import words
from web.keys import EDITORS, HOUSE
from web.resources.fields import Kind, Shown
from web.resources.resource import Related, Resource, Within
from web.resources.schedules import checked_schedule, describe_schedule
from web.resources.target_panel import open_now, show_target
from web.resources.texts import LongText, Name

LoanType = Literal["refinance", "purchase", "home_equity", "reverse"]
LOAN_TYPE_NAMES = {name: words(name).capitalize() for name in LOAN_TYPES}
FILTERS_HELP = (
    "A condition over what is known of the call, such as"
    ' {"all": [{"fact": "credit_score", ">=": 620}, {"not": {"fact": "state", "=": "NY"}}]}.'
    " Empty: every call of its loan types."
)


def checked_sip_uri(text: str) -> str:
    """Refuse what Asterisk is not to be given. Raises ValueError."""
    problem = sip_uri_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


def checked_filters(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is no condition. Raises ValueError with each place and reason."""
    try:
        parse_condition(value, KNOWN_FACTS)
    except ConditionError as error:
        raise ValueError("; ".join(error.problems)) from error
    return value


def describe_filters(value: Any) -> str:
    """Return a condition as a sentence. Raises ValueError when it is none."""
    return f"Takes calls with {describe(parse_condition(value, KNOWN_FACTS))}"


async def check(connection: AsyncConnection, form: TargetForm, row_id: int | None) -> Sequence[FieldProblem]:
    """Refuse a filter over a fact that no call has, which is never met, and a number that is not rung."""
    found: list[FieldProblem] = []
    if form.filters is not None:
        asked = facts_of(parse_condition(form.filters, KNOWN_FACTS))
        problems = unknown_facts(asked, await tags_of_flows(connection))
        found += [FieldProblem(field="filters", problem=problem) for problem in problems]
    refused = dial_problem(form.sip_uri, await dialling_rules(connection))
    return [*found, FieldProblem(field="sip_uri", problem=refused)] if refused else found


def without_repeats(values: list[LoanType]) -> list[LoanType]:
    return list(dict.fromkeys(values))


class TargetForm(Body):
    """A target. `schedule` is in its own time zone; `filters` null takes every call of its loan types."""

    buyer_id: Annotated[int, Field(ge=1), Shown(label="Buyer", kind=Kind.REFERENCE, reference="buyers")]
    name: Annotated[Name, Shown(label="Name", help="What people call this desk.")]
    sip_uri: Annotated[
        str,
        StringConstraints(strip_whitespace=True),
        AfterValidator(checked_sip_uri),
        Shown(label="SIP address", help="What rings, such as sip:desk@pbx.example.com or …:5070."),
    ]
    loan_types: Annotated[
        list[LoanType],
        Field(min_length=1),
        AfterValidator(without_repeats),
        Shown(label="Loans it takes", kind=Kind.CHOICES, options=LOAN_TYPE_NAMES),
    ]
    schedule: Annotated[
        dict[str, Any],
        AfterValidator(checked_schedule),
        Shown(
            label="Hours",
            kind=Kind.SCHEDULE,
            help="A row goes past midnight when it ends no later than it begins; 24:00 ends a day.",
            reads=describe_schedule,
        ),
    ]
    filters: Annotated[
        Annotated[dict[str, Any], AfterValidator(checked_filters)] | None,
        Shown(label="Only calls that", kind=Kind.JSON, help=FILTERS_HELP, reads=describe_filters),
    ] = None
    concurrency_cap: Annotated[
        Annotated[int, Field(ge=0, le=10_000)],
        Shown(label="Calls at once", kind=Kind.NUMBER, help="0: none. Other limits are caps."),
    ] = 1
    ring_timeout_seconds: Annotated[
        Annotated[int, Field(ge=3, le=120)], Shown(label="Rings for (seconds)", kind=Kind.NUMBER)
    ] = 20
    whisper_text: Annotated[
        Annotated[LongText, StringConstraints(max_length=500)] | None,
        Shown(
            label="Whisper",
            kind=Kind.LONG_TEXT,
            help="Said to the buyer’s person before the caller is put through.",
            advanced=True,
        ),
    ] = None
    press_to_accept: Annotated[
        bool,
        Shown(label="Its person presses 1 before the caller is put through", kind=Kind.YES_NO, advanced=True),
    ] = False
    recovery_seconds: Annotated[
        Annotated[int, Field(ge=1, le=600)] | None,
        Shown(
            label="Loses the call when it hangs up within (seconds)",
            kind=Kind.NUMBER,
            help="The caller goes on to the next buyer. Empty: never.",
            advanced=True,
        ),
    ] = None
    outbound_trunk_id: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Shown(
            label="Dialled over",
            kind=Kind.REFERENCE,
            reference="trunks",
            help="A trunk whose carrier bills the talk. Empty: directly.",
            advanced=True,
        ),
    ] = None
    enabled: Annotated[bool, Shown(label="Is offered calls", kind=Kind.YES_NO)] = True


TARGETS = Resource(
    name="targets",
    one="target",
    many="targets",
    table=targets,
    form=TargetForm,
    columns=("name", "buyer_id", "loan_types", "sip_uri", "concurrency_cap", "open_now"),
    filters=("buyer_id",),
    search=("name", "sip_uri"),
    within=Within(column="buyer_id", table=buyers),
    about="Desks of buyers: each rings at one SIP address, in its own hours, for its own kinds of loan.",
    empty="Add a buyer first, then the target that rings there.",
    readers=HOUSE,
    editors=EDITORS,
    related=(Related(label="Caps", address="/caps?target_id={id}"),),
    check=check,
    more=show_target,
    more_template="resources/target_panel.html",
    more_first=True,
    computed=open_now,
    computed_labels={"open_now": "Now"},
    defaults={"schedule": always_open("America/New_York")},
    constraints={"recovery_seconds": ("recovery_seconds", "1 to 600 seconds")},
)
