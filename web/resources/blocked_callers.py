"""Blocked callers: whom nobody is sold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from router.caller_lists import ListRefused, read_numbers
from router.domain.suppression import blocked_caller_problem
from store.tables import blocked_callers
from web.api.operation import Body, FieldProblem
from web.keys import EDITORS, HOUSE
from web.resources.fields import Kind, Shown
from web.resources.resource import Resource
from web.resources.texts import ShortText

_PUNCTUATION = str.maketrans("", "", " .-()")


class BlockedCallerForm(Body):
    """A number, a prefix of numbers, or all callers who hide theirs; in one campaign or, null, in every one."""

    kind: Annotated[
        Literal["number", "prefix", "anonymous"],
        Shown(
            label="Block",
            kind=Kind.CHOICE,
            options={
                "number": "One number",
                "prefix": "Numbers that begin with",
                "anonymous": "Callers who hide their number",
            },
        ),
    ] = "number"
    value: Annotated[
        Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)],
        Shown(label="Number", help="Such as +1 614 555 0123. Empty for callers who hide theirs."),
    ] = ""
    campaign_id: Annotated[
        Annotated[int, Field(ge=1, le=2**63 - 1)] | None,
        Shown(label="In the campaign", kind=Kind.REFERENCE, reference="campaigns", help="Empty: everywhere."),
    ] = None
    reason: Annotated[ShortText, Shown(label="Why", help="Stands beside the refusal of their calls.")] = ""


def number_of(form: BlockedCallerForm) -> str:
    """Return what was typed as it is stored; what is no number comes back as it is."""
    if form.kind == "number":
        read = read_numbers([form.value])
        return form.value if isinstance(read, ListRefused) or not read else read[0]
    return form.value.translate(_PUNCTUATION) if form.kind == "prefix" else form.value


async def check(
    connection: AsyncConnection, form: BlockedCallerForm, row_id: int | None
) -> Sequence[FieldProblem]:
    problem = blocked_caller_problem(form.kind, number_of(form))
    return [] if problem is None else [FieldProblem(field="value", problem=problem.removeprefix("value: "))]


def to_columns(form: BlockedCallerForm) -> Mapping[str, Any]:
    return {
        "kind": form.kind,
        "value": number_of(form),
        "campaign_id": form.campaign_id,
        "reason": form.reason,
    }


BLOCKED_CALLERS = Resource(
    name="blocked-callers",
    one="blocked caller",
    many="blocked callers",
    table=blocked_callers,
    form=BlockedCallerForm,
    columns=("value", "kind", "campaign_id", "reason"),
    sort="value",
    label="value",
    search=("value", "reason"),
    filters=("kind", "campaign_id"),
    about="Their calls are answered by the campaign’s flow, but offered to nobody.",
    empty="Block a number here, or from the page of a call.",
    readers=HOUSE,
    editors=EDITORS,
    check=check,
    to_columns=to_columns,
)
