"""Licences: in which state a buyer may originate which loan, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.expiring_licences import WARNING_DAYS, days_left
from router.domain.licences import STATUSES
from router.domain.market import ACTIVE
from rules.places import STATES
from store.tables import licences
from web.api.operation import Body, FieldProblem
from web.formats import words
from web.keys import EDITORS, HOUSE
from web.resources import market_queries as queries
from web.resources.fields import Kind, Shown
from web.resources.resource import Cell, Related, Resource, Rows
from web.resources.targets import LOAN_TYPE_NAMES, LoanType
from web.resources.texts import Name, NmlsId


def known_state(text: str) -> str:
    """Refuse what is no state. Raises ValueError."""
    if text not in STATES:
        raise ValueError("this is no state: write its two letters, such as OH")
    return text


class LicenceForm(Body):
    """A licence. With an officer it is that officer's, who needs the company's beside it."""

    buyer_id: Annotated[int, Field(ge=1), Shown(label="Buyer", kind=Kind.REFERENCE, reference="buyers")]
    nmls_id: Annotated[NmlsId, Shown(label="NMLS number", help="The company’s.")]
    state: Annotated[str, AfterValidator(known_state), Shown(label="State", kind=Kind.CHOICE, options=STATES)]
    product: Annotated[LoanType, Shown(label="Loan", kind=Kind.CHOICE, options=LOAN_TYPE_NAMES)]
    valid_from: Annotated[date, Shown(label="Valid from", kind=Kind.DATE)]
    valid_to: Annotated[
        date | None, Shown(label="Last day", kind=Kind.DATE, help="Empty: until further notice.")
    ] = None
    status: Annotated[
        Literal["active", "pending", "inactive", "suspended", "revoked", "surrendered", "expired"],
        Shown(
            label="Status",
            kind=Kind.CHOICE,
            options={status: words(status).capitalize() for status in STATUSES},
            help="Calls are sold under an active one only.",
        ),
    ] = "active"
    officer_name: Annotated[
        Name | None, Shown(label="Officer", help="Empty: it is the company’s own.", advanced=True)
    ] = None
    officer_nmls_id: Annotated[NmlsId | None, Shown(label="Officer’s NMLS number", advanced=True)] = None


async def check(connection: AsyncConnection, form: LicenceForm, row_id: int | None) -> Sequence[FieldProblem]:
    """Return what fields say against each other, or against another licence."""
    found = []
    if form.valid_to is not None and form.valid_to < form.valid_from:
        found.append(FieldProblem(field="valid_to", problem="this is before the first day"))
    if (form.officer_name is None) != (form.officer_nmls_id is None):
        place = "officer_name" if form.officer_name is None else "officer_nmls_id"
        found.append(FieldProblem(field=place, problem="an officer has both, a name and an NMLS number"))
    other = await queries.same_licence(connection, form, row_id)
    if other is not None:
        problem = f"licence {other} is of the same licensee, state, loan and first day"
        found.append(FieldProblem(field="valid_from", problem=problem))
    return found


def standing(row: Mapping[str, Any], today: date) -> Cell:
    """Return how a licence stands today, in words."""
    valid_to = row["valid_to"]
    if row["status"] != ACTIVE:
        return Cell(text=words(row["status"]).capitalize(), badge="unknown_number")
    if valid_to is not None and valid_to < today:
        return Cell(text="Ended", badge="unknown_number")
    if row["valid_from"] > today:
        return Cell(text="Not valid yet", badge="still")
    left = None if valid_to is None else days_left(valid_to, today)
    if left is not None and left <= max(WARNING_DAYS):
        return Cell(text="Ends today" if left == 0 else f"Ends in {left} d", badge="not_answered")
    return Cell(text="Valid", badge="sold")


async def standings(connection: AsyncConnection, rows: Rows) -> Mapping[int, Mapping[str, Cell]]:
    today = datetime.now(UTC).date()
    return {row["id"]: {"standing": standing(row, today)} for row in rows}


LICENCES = Resource(
    name="licences",
    one="licence",
    many="licences",
    table=licences,
    form=LicenceForm,
    columns=("state", "product", "buyer_id", "nmls_id", "officer_name", "valid_to", "standing"),
    sort="state",
    label="nmls_id",
    filters=("buyer_id", "state", "product", "status"),
    search=("nmls_id", "officer_name", "officer_nmls_id"),
    about="A call is offered to a buyer only where, and for what, a licence of it is valid on that day.",
    empty="Add one by hand, or bring in your compliance desk’s file.",
    readers=HOUSE,
    editors=EDITORS,
    links=(
        Related(label="Map of states", address="/licences/map"),
        Related(label="Bring in a file", address="/licences/import"),
    ),
    check=check,
    computed=standings,
    computed_labels={"standing": "How it stands"},
)
