"""Campaigns: what is sold under one flow, and how its calls are treated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.duplicates import MAXIMUM_WINDOW_SECONDS, DuplicatePolicyError, parse_duplicate_policy
from router.domain.market import PINGS_YIELD_AFTER_SECONDS
from rules.no_buyer import HOLD, NoBuyerError, parse_no_buyer
from store.tables import campaigns
from web.api.operation import Body, FieldProblem
from web.keys import EDITORS, HOUSE
from web.resources import campaign_queries
from web.resources.fields import Kind, Shown
from web.resources.resource import Related, Resource
from web.resources.texts import LongText, Name, Zone

SCOPES = {
    "campaign": "this campaign",
    "buyer": "the same buyer",
    "target": "the same target",
    "group": "targets of the same group",
}
AFTER = {
    "attempt": "a target was tried",
    "connect": "somebody talked with them",
    "convert": "the call met its terms",
}
ACTIONS = {
    "other_target": "goes to another target",
    "same_target": "goes first to the target that had them",
    "refuse": "is not sold again there",
    "route_unbilled": "is sold as any call, for nothing",
}
TREATMENTS = {
    "message": "hears a message",
    "voicemail": "may leave a voice message",
    "call_back": "is offered a call back",
    "hold_and_retry": "holds while we try again",
}
AFTER_HOLDING = {name: words for name, words in TREATMENTS.items() if name != HOLD}

Duration = Annotated[int, Field(ge=1, le=MAXIMUM_WINDOW_SECONDS)]
OptionalText = Annotated[LongText, Field(min_length=1, max_length=1000)]


class CampaignForm(Body):
    """A campaign. `duplicate_*` without a window: duplicates are looked at when the call is settled, by
    `duplicate_window_seconds` alone. `no_buyer_treatment` null: what the flow says."""

    name: Annotated[Name, Shown(label="Name")]
    flow_name: Annotated[
        Annotated[str, Field(min_length=1, max_length=200)],
        Shown(
            label="Flow",
            kind=Kind.CHOICE,
            help="What callers hear. Only published flows can be chosen; a new version is taken at once.",
        ),
    ]
    time_zone: Annotated[
        Zone,
        Shown(label="Time zone", kind=Kind.ZONE, help="Caps of the campaign begin anew at midnight there."),
    ] = "America/New_York"
    maximum_attempts: Annotated[
        Annotated[int, Field(ge=1, le=50)],
        Shown(label="Targets tried at most", kind=Kind.NUMBER, help="How many a call may ring in all."),
    ] = 5
    enabled: Annotated[
        bool, Shown(label="Calls are taken", kind=Kind.YES_NO, help="Off: its calls meet no buyer.")
    ] = True
    recording: Annotated[
        bool,
        Shown(label="Record calls where the flow says so", kind=Kind.YES_NO, help="Off: never recorded."),
    ] = True
    exclusive: Annotated[
        bool,
        Shown(
            label="Each caller is sold to one buyer only",
            kind=Kind.YES_NO,
            help="Off: within the window below, another buyer may buy the same caller again.",
        ),
    ] = False
    duplicate_window_seconds: Annotated[
        Duration,
        Shown(
            label="A caller counts once in",
            kind=Kind.DURATION,
            help="The same caller converts at most once in this time, such as 30 days.",
        ),
    ] = 2_592_000
    duplicate_policy_window_seconds: Annotated[
        Duration | None,
        Shown(
            label="Known callers: who called within",
            kind=Kind.DURATION,
            help="Empty: callers are routed as if new. Such as 30 days: what follows holds for who called within.",
        ),
    ] = None
    duplicate_policy_scope: Annotated[
        Literal["campaign", "buyer", "target", "group"] | None,
        Shown(label="Known callers: known to", kind=Kind.CHOICE, options=SCOPES),
    ] = None
    duplicate_policy_after: Annotated[
        Literal["attempt", "connect", "convert"] | None,
        Shown(label="Known callers: known once", kind=Kind.CHOICE, options=AFTER),
    ] = None
    duplicate_policy_action: Annotated[
        Literal["other_target", "same_target", "refuse", "route_unbilled"] | None,
        Shown(label="Known callers: the call", kind=Kind.CHOICE, options=ACTIONS),
    ] = None
    no_buyer_treatment: Annotated[
        Literal["message", "voicemail", "call_back", "hold_and_retry"] | None,
        Shown(
            label="A caller whom nobody takes",
            kind=Kind.CHOICE,
            options=TREATMENTS,
            help="Left empty: what the flow says.",
        ),
    ] = None
    no_buyer_text: Annotated[
        OptionalText | None,
        Shown(label="What they hear", kind=Kind.LONG_TEXT, help="Left empty: the house's own words."),
    ] = None
    no_buyer_maximum_seconds: Annotated[
        int | None,
        Shown(label="Longest voice message, seconds", kind=Kind.NUMBER, help="5 to 600.", advanced=True),
    ] = None
    no_buyer_every_seconds: Annotated[
        int | None,
        Shown(label="Holding: try again every, seconds", kind=Kind.NUMBER, help="3 to 300.", advanced=True),
    ] = None
    no_buyer_tries: Annotated[
        int | None,
        Shown(label="Holding: how often", kind=Kind.NUMBER, help="1 to 60.", advanced=True),
    ] = None
    no_buyer_then_treatment: Annotated[
        Literal["message", "voicemail", "call_back"] | None,
        Shown(label="Holding: when it did not help", kind=Kind.CHOICE, options=AFTER_HOLDING, advanced=True),
    ] = None
    no_buyer_then_text: Annotated[
        OptionalText | None,
        Shown(label="Holding: what they hear then", kind=Kind.LONG_TEXT, advanced=True),
    ] = None
    no_buyer_then_maximum_seconds: Annotated[
        int | None,
        Shown(label="Holding: longest voice message then, seconds", kind=Kind.NUMBER, advanced=True),
    ] = None
    platform_fee_micros: Annotated[
        Annotated[int, Field(ge=0, le=10**12)],
        Shown(
            label="Platform fee for a converted call",
            kind=Kind.MONEY,
            help=(
                "What the platform itself takes, beside the share below. A change holds for calls that start after it"
                " is saved."
            ),
            advanced=True,
        ),
    ] = 0
    platform_fee_ppm: Annotated[
        Annotated[int, Field(ge=0, le=1_000_000)],
        Shown(label="Platform fee as a share of the revenue", kind=Kind.PERCENT, advanced=True),
    ] = 0
    sells_at_loss: Annotated[
        bool,
        Shown(
            label="Sell at a loss rather than not at all",
            kind=Kind.YES_NO,
            help=(
                "A publisher's ping was promised more than anybody pays: on, the call is sold all the same."
                " Also lets terms be saved whose payout can exceed the price."
            ),
            advanced=True,
        ),
    ] = False
    pings_yield_after_seconds: Annotated[
        Annotated[int, Field(ge=0, le=900)] | None,
        Shown(
            label="A ping without its call yields its room after, seconds",
            kind=Kind.NUMBER,
            help="Then a call of another publisher that finds no room takes it over. Left empty: never.",
            advanced=True,
        ),
    ] = PINGS_YIELD_AFTER_SECONDS
    daily_loss_micros: Annotated[
        Annotated[int, Field(ge=0, le=10**12)],
        Shown(
            label="Most lost by promises, per publisher and day",
            kind=Kind.MONEY,
            help="When selling at a loss: paid beyond what the buyers' prices allow. After that promises are lowered.",
            advanced=True,
        ),
    ] = 100_000_000


_SAME = (
    "name",
    "flow_name",
    "time_zone",
    "maximum_attempts",
    "enabled",
    "recording",
    "exclusive",
    "duplicate_window_seconds",
    "platform_fee_micros",
    "platform_fee_ppm",
    "sells_at_loss",
    "pings_yield_after_seconds",
    "daily_loss_micros",
)
_POLICY = ("window_seconds", "scope", "after", "action")
_TREATMENT = ("treatment", "text", "maximum_seconds", "every_seconds", "tries")
_THEN = ("treatment", "text", "maximum_seconds")


def columns_of(form: CampaignForm) -> Mapping[str, Any]:
    """Return what is stored: the policy and the treatment as one document each."""
    values = form.model_dump()
    return {
        **{name: values[name] for name in _SAME},
        "duplicate_policy": _gathered(values, "duplicate_policy_", _POLICY) or None,
        "no_buyer": _no_buyer(values),
    }


def values_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row as the form has it."""
    policy, treatment = row["duplicate_policy"] or {}, row["no_buyer"] or {}
    then = treatment.get("then") or {}
    return {
        **{name: row[name] for name in _SAME},
        **{f"duplicate_policy_{name}": policy.get(name) for name in _POLICY},
        **{f"no_buyer_{name}": treatment.get(name) for name in _TREATMENT},
        **{f"no_buyer_then_{name}": then.get(name) for name in _THEN},
    }


def _gathered(values: Mapping[str, Any], prefix: str, names: Sequence[str]) -> dict[str, Any]:
    return {name: values[prefix + name] for name in names if values[prefix + name] is not None}


def _no_buyer(values: Mapping[str, Any]) -> dict[str, Any]:
    found, then = _gathered(values, "no_buyer_", _TREATMENT), _gathered(values, "no_buyer_then_", _THEN)
    return {**found, "then": then} if then else found


async def check(
    connection: AsyncConnection, form: CampaignForm, row_id: int | None
) -> Sequence[FieldProblem]:
    """Judge what the form alone cannot say: whether the flow is published, and the two documents as wholes."""
    problems = _policy_problems(form) + _treatment_problems(form)
    if form.flow_name not in await campaign_queries.published_flows(connection):
        stays = row_id is not None and await campaign_queries.flow_of(connection, row_id) == form.flow_name
        if not stays:
            problems.append(
                FieldProblem(field="flow_name", problem="no version of this flow is published yet")
            )
    return problems


def _policy_problems(form: CampaignForm) -> list[FieldProblem]:
    policy = columns_of(form)["duplicate_policy"]
    if policy is None:
        return []
    missing = [name for name in _POLICY if name not in policy]
    if missing:
        return [
            FieldProblem(
                field=f"duplicate_policy_{name}",
                problem="say this as well, or leave all four of known callers empty",
            )
            for name in missing
        ]
    try:
        parse_duplicate_policy(policy)
    except DuplicatePolicyError as error:
        name = error.problems[0].partition(":")[0]
        return [FieldProblem(field=f"duplicate_policy_{name}", problem=error.problems[0])]
    return []


def _treatment_problems(form: CampaignForm) -> list[FieldProblem]:
    treatment = columns_of(form)["no_buyer"]
    if treatment and "treatment" not in treatment:
        return [
            FieldProblem(field="no_buyer_treatment", problem="choose one, or leave out what goes with it")
        ]
    try:
        parse_no_buyer(treatment)
    except NoBuyerError as error:
        place, _, reason = str(error).partition(": ")
        name = place.removeprefix("no_buyer.").replace(".", "_")
        known = f"no_buyer_{name}" in CampaignForm.model_fields
        field = f"no_buyer_{name}" if known else "no_buyer_treatment"
        return [FieldProblem(field=field, problem=reason)]
    return []


CAMPAIGNS = Resource(
    name="campaigns",
    one="campaign",
    many="campaigns",
    table=campaigns,
    form=CampaignForm,
    columns=("name", "flow_name", "enabled"),
    about="What is sold under one flow: which numbers lead to it, who buys, by which plan, at what price.",
    empty="Add the first campaign. It wants a published flow; then a tracking number, a plan and terms.",
    readers=HOUSE,
    editors=EDITORS,
    check=check,
    to_columns=columns_of,
    of_row=values_of,
    choices=campaign_queries.choices,
    more=campaign_queries.readiness,
    more_template="plans/campaign.html",
    related=(
        Related(label="Plan: who is offered its calls", address="/campaigns/{id}/plan"),
        Related(label="Terms: what buyers pay and publishers earn", address="/campaigns/{id}/terms"),
        Related(label="Tracking numbers", address="/numbers?campaign_id={id}"),
    ),
)
