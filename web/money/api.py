"""The house's money for machines: payments, adjustments, invoices and statements, rulings on disputes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, Field

from billing.invoice_queries import read_invoice
from billing.make_invoice import InvoiceRefused
from billing.money_import import FileKind, ImportRefused
from billing.payments import Direction, Payment
from billing.post_adjustment import AdjustmentRefused
from billing.post_once import KeyTaken
from billing.record_payment import PaymentRefused
from billing.terms_document import Party
from web.api.operation import (
    Answered,
    Asked,
    Body,
    FieldProblem,
    Operation,
    Page,
    Problem,
    conflict,
    not_found,
    refused,
)
from web.keys import EDITORS, HOUSE
from web.look_ups import note_export
from web.money import queries, work
from web.portal.api import (
    FIRST_DAY,
    LAST_DAY,
    CursorQuery,
    DocumentShown,
    DocumentWithLines,
    document_shown,
    with_lines,
)
from web.portal.invoices import seen_by
from web.portal.keyset import id_of
from web.portal.listing import PAGE_LENGTH
from web.visibility import viewer_of

TAG = "money"
FILE_CHARACTERS_MAXIMUM = 1_000_000
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Micros = Annotated[int, Field(ge=0, le=10**15)]
Key = Annotated[str, Field(min_length=1, max_length=work.KEY_CHARACTERS_MAXIMUM)]
Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY, strict=False)]


class NewPayment(Body):
    """topup: a buyer paid; refund: it got money back; payout: a publisher was paid. The same key is recorded once."""

    way: Annotated[Direction, Field(strict=False)]
    party_id: Id
    amount_micros: Annotated[int, Field(ge=1, le=10**15)]
    key: Key
    note: Annotated[str, Field(max_length=200)] = ""


class NewAdjustment(Body):
    """Above zero the party is better off. The same key is posted once; the party reads the reason."""

    party: Annotated[Party, Field(strict=False)]
    party_id: Id
    amount_micros: Annotated[int, Field(ge=-(10**15), le=10**15)]
    key: Key
    reason: Annotated[str, Field(min_length=1, max_length=200)]


class PostedShown(BaseModel):
    """`new` false: it was there before, and nothing was written."""

    transaction_id: int
    new: bool


class MoneyFile(Body):
    """A CSV file (party,name,amount,key and maybe note,call). Without `write` it is only looked at."""

    kind: Annotated[FileKind, Field(strict=False)]
    text: Annotated[str, Field(min_length=1, max_length=FILE_CHARACTERS_MAXIMUM)]
    write: bool = False


class ImportShown(BaseModel):
    new: int
    known: int
    to_buyers_micros: int
    to_publishers_micros: int
    written: bool


class NewDraft(Body):
    """What of the days stands on no invoice or statement yet, in the party's own time zone."""

    party: Annotated[Party, Field(strict=False)]
    party_id: Id
    first: Day
    last: Day


async def _pay(asked: Asked) -> Answered | Problem:
    body = asked.body
    payment = Payment(
        direction=body.way,
        party_id=body.party_id,
        amount_micros=body.amount_micros,
        key=body.key,
        note=body.note,
    )
    async with asked.engine.begin() as connection:
        return _posted(await work.pay(connection, asked.actor, payment))


async def _adjust(asked: Asked) -> Answered | Problem:
    async with asked.engine.begin() as connection:
        return _posted(await work.adjust(connection, asked.actor, **asked.body.model_dump()))


def _posted(posted: Any) -> Answered | Problem:
    if isinstance(posted, str):
        return refused(detail=posted)
    if isinstance(posted, PaymentRefused | AdjustmentRefused):
        return conflict(posted.reason)
    if isinstance(posted, KeyTaken):
        return conflict("this key was posted before with another amount")
    return Answered(content=PostedShown(transaction_id=posted.transaction_id, new=posted.new))


async def _import(asked: Asked) -> Answered | Problem:
    body = asked.body
    done = await work.import_file(asked.engine, asked.actor, body.text.encode(), body.kind, write=body.write)
    if isinstance(done, ImportRefused):
        return refused(*(FieldProblem(field="text", problem=one) for one in done.problems[:50]))
    return Answered(content=ImportShown(**{name: getattr(done, name) for name in ImportShown.model_fields}))


async def _invoices(asked: Asked) -> Answered | Problem:
    below = id_of(asked.query.cursor)
    async with asked.engine.connect() as connection:
        found = await queries.read_invoices(
            connection, state="", party="", below_id=below, limit=PAGE_LENGTH + 1
        )
    page = found[:PAGE_LENGTH]
    following = str(page[-1].id) if len(found) > PAGE_LENGTH else None
    return Answered(content=Page[DocumentShown](items=[document_shown(row) for row in page], next=following))


async def _invoice(asked: Asked) -> Answered | Problem:
    async with asked.engine.begin() as connection:
        found = await read_invoice(connection, asked.path["id"])
        if found is None:
            return not_found("invoice")
        await note_export(connection, asked.actor, "invoices", found.id, {"format": "json"})
    return Answered(content=with_lines(seen_by(found, viewer_of(asked.user))))


async def _draft(asked: Asked) -> Answered | Problem:
    body = asked.body
    async with asked.engine.begin() as connection:
        made = await work.draft(connection, asked.actor, body.party, body.party_id, body.first, body.last)
    return (
        conflict(made.reason) if isinstance(made, InvoiceRefused) else Answered(content=document_shown(made))
    )


class PaidBy(Body):
    """The reference of the payment, or `from_wallet`; neither is needed when nothing is due in cash."""

    key: Annotated[str, Field(max_length=work.KEY_CHARACTERS_MAXIMUM)] = ""
    from_wallet: bool = False


def _stepping(action: str) -> Callable[[Asked], Awaitable[Answered | Problem]]:
    async def handle(asked: Asked) -> Answered | Problem:
        paying = asked.body.model_dump() if action == "pay" else {}
        async with asked.engine.begin() as connection:
            if await read_invoice(connection, asked.path["id"]) is None:
                return not_found("invoice")
            done = await work.step(connection, asked.actor, asked.path["id"], action, asked.now, **paying)
        if isinstance(done, InvoiceRefused):
            return conflict(done.reason)
        return Answered(content=document_shown(done))

    return handle


def _money(method: str, path: str, name: str, summary: str, **more: Any) -> Operation:
    roles = HOUSE if method == "GET" else EDITORS
    return Operation(method=method, path=path, name=name, summary=summary, tag=TAG, roles=roles, **more)


_PAGED = {"query": CursorQuery}
_STEPS = (
    ("issue", "Give a draft its number; the party sees it from then on", None),
    ("pay", "Note that it was paid, and post the money that is due", PaidBy),
    ("void", "Take it back; an issued one by the credit note that is answered", None),
)
OPERATIONS: Sequence[Operation] = (
    _money(
        "POST",
        "/payments",
        "record_payment",
        "Record money that came in or went out",
        handler=_pay,
        body=NewPayment,
        answer=PostedShown,
    ),
    _money(
        "POST",
        "/adjustments",
        "post_adjustment",
        "Post a correction by hand",
        handler=_adjust,
        body=NewAdjustment,
        answer=PostedShown,
    ),
    _money(
        "POST",
        "/money-files",
        "import_money",
        "Post a file of payments or adjustments, or see what it would do",
        handler=_import,
        body=MoneyFile,
        answer=ImportShown,
        body_bytes_maximum=FILE_CHARACTERS_MAXIMUM,
    ),
    _money(
        "GET",
        "/invoices",
        "list_invoices",
        "Invoices and statements, newest first",
        handler=_invoices,
        answer=Page[DocumentShown],
        **_PAGED,
    ),
    _money(
        "POST",
        "/invoices",
        "draft_invoice",
        "Draft an invoice or statement",
        handler=_draft,
        body=NewDraft,
        answer=DocumentShown,
        status=201,
    ),
    _money(
        "GET",
        "/invoices/{id}",
        "read_invoice",
        "One with its lines",
        handler=_invoice,
        answer=DocumentWithLines,
    ),
    *(
        _money(
            "POST",
            f"/invoices/{{id}}/{action}",
            f"{action}_invoice",
            summary,
            handler=_stepping(action),
            body=body,
            answer=DocumentShown,
        )
        for action, summary, body in _STEPS
    ),
)
