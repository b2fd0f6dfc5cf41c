"""Buyers: who pay for calls, hold licences, and have targets that ring."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rules.money import MAXIMUM_MICROS
from store.tables import buyers
from web.api.operation import Body
from web.keys import EDITORS, HOUSE
from web.resources.buyer_panel import show_buyer
from web.resources.fields import Kind, Shown
from web.resources.resource import Related, Resource
from web.resources.texts import Name, NmlsId, Zone


class BuyerForm(Body):
    """A buyer. `credit_limit_micros` null: neither wallet nor limit is looked at, calls are invoiced."""

    name: Annotated[Name, Shown(label="Name")]
    nmls_id: Annotated[
        NmlsId | None, Shown(label="NMLS number", help="The company’s own; officers’ stand on licences.")
    ] = None
    time_zone: Annotated[
        Zone, Shown(label="Time zone", kind=Kind.ZONE, help="Caps of the buyer begin anew at midnight there.")
    ] = "America/New_York"
    prepaid: Annotated[
        bool,
        Shown(
            label="Pays from a wallet",
            kind=Kind.YES_NO,
            help="Off: calls are invoiced. On: a credit limit is needed, 0 when there is no credit.",
        ),
    ] = False
    credit_limit_micros: Annotated[
        Annotated[int, Field(ge=0, le=MAXIMUM_MICROS)] | None,
        Shown(
            label="Credit limit",
            kind=Kind.MONEY,
            help="What may be owed beyond the wallet. Empty: no limit, nothing is looked at.",
        ),
    ] = None
    low_balance_micros: Annotated[
        Annotated[int, Field(ge=0, le=MAXIMUM_MICROS)] | None,
        Shown(label="Warn below", kind=Kind.MONEY, help="The buyer is told when less than this is left."),
    ] = None
    return_window_hours: Annotated[
        Annotated[int, Field(ge=0, le=8784)],
        Shown(
            label="Hours in which a call may be disputed",
            kind=Kind.NUMBER,
            help="168 hours are a week.",
            advanced=True,
        ),
    ] = 168
    open_disputes_maximum: Annotated[
        Annotated[int, Field(ge=0, le=100_000)],
        Shown(
            label="Disputes open at once",
            kind=Kind.NUMBER,
            help="At most so many; 0: it disputes nothing by itself.",
            advanced=True,
        ),
    ] = 50
    disputes_percent: Annotated[
        Annotated[int, Field(ge=0, le=100)],
        Shown(
            label="Percent of paid calls it may dispute",
            kind=Kind.NUMBER,
            help="Of its paid calls of 30 days; disputes that were accepted are not counted, and 3 are always allowed.",
            advanced=True,
        ),
    ] = 20
    disputes_lower_credit_percent: Annotated[
        Annotated[int, Field(ge=0, le=100)],
        Shown(
            label="Percent of open disputes taken off the credit",
            kind=Kind.NUMBER,
            help="Until they are decided. 100: all that is disputed; 0: nothing.",
            advanced=True,
        ),
    ] = 100
    enabled: Annotated[
        bool, Shown(label="Is offered calls", kind=Kind.YES_NO, help="Off: none of its targets rings.")
    ] = True


BUYERS = Resource(
    name="buyers",
    one="buyer",
    many="buyers",
    table=buyers,
    form=BuyerForm,
    columns=("name", "nmls_id", "prepaid", "credit_limit_micros", "enabled"),
    search=("name", "nmls_id"),
    about="Lenders and call centres that pay for calls. Each needs licences, a target that rings, and terms.",
    empty="Add the first buyer, then its licences and a target.",
    readers=HOUSE,
    editors=EDITORS,
    related=(
        Related(label="Targets", address="/targets?buyer_id={id}"),
        Related(label="Licences", address="/licences?buyer_id={id}"),
        Related(label="Caps", address="/caps?buyer_id={id}"),
        Related(label="Calls", address="/calls?buyer={id}"),
        Related(label="Callers it does not buy again", address="/buyers/{id}/suppressions"),
    ),
    links=(Related(label="Map of states", address="/licences/map"),),
    more=show_buyer,
    more_template="resources/buyer_panel.html",
    more_first=True,
    constraints={
        "prepaid": (
            "credit_limit_micros",
            "who pays from a wallet needs a limit: 0 when there is no credit",
        ),
    },
)
