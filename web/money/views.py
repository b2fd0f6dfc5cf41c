"""The house's money pages: invoices and statements, disputes to rule on."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aiohttp import web

from billing.dispute_calls import DisputeRefused
from billing.dispute_queries import read_exposures
from billing.invoice_queries import read_invoice
from billing.make_invoice import InvoiceRefused
from billing.terms_document import Party
from web.audit import Actor
from web.call.queries import read_recordings
from web.keys import ENGINE, USER
from web.money import queries, work
from web.money.parties import offer_parties, read_party
from web.money.wallets import read_amount
from web.pages import render
from web.portal.invoices import FORMATS, LINES_SHOWN, invoice_file, seen_by
from web.portal.keyset import id_of, read_below
from web.visibility import Field, seen_answers, viewer_of

PAGE_LENGTH = 50
STATES = ("draft", "issued", "paid", "void")
DISPUTE_STATES = ("open", "accepted", "partly", "refused")
ANSWER_CHARACTERS_MAXIMUM = 2_000


# --- invoices and statements -----------------------------------------------------------------------------------


async def invoices(request: web.Request) -> web.Response:
    return await _invoices(request)


async def _invoices(request: web.Request, *, status: int = 200, **more: Any) -> web.Response:
    below, state = read_below(request.query), request.query.get("state", "")
    state = state if state in STATES else ""
    party = request.query.get("party", "")
    party = party if party in tuple(Party) else ""
    async with request.app[ENGINE].connect() as connection:
        found = await queries.read_invoices(
            connection, state=state, party=party, below_id=below, limit=PAGE_LENGTH + 1
        )
        parties = await offer_parties(connection)
    page = found[:PAGE_LENGTH]
    last_month = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
    said = {"typed": {"month": f"{last_month:%Y-%m}"}, "problem": ""} | more
    said["typed"] = defaultdict(str, said["typed"])
    return render(
        request,
        "money/invoices.html",
        status=status,
        invoices=page,
        parties=parties,
        state=state,
        party=party,
        states=STATES,
        at_top=below is None,
        older=page[-1].id if len(found) > PAGE_LENGTH else None,
        **said,
    )


async def make_draft(request: web.Request) -> web.Response:
    form = await request.post()
    typed = {name: str(form.get(name, ""))[:200] for name in ("party", "month")}
    month = _month(typed["month"])
    async with request.app[ENGINE].connect() as connection:
        whom = await read_party(connection, typed["party"])
    if whom is None or month is None:
        problem = "Choose a buyer or publisher, and a month like 2026-11."
        return await _invoices(request, status=422, typed=typed, problem=problem)
    last = (month + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    async with request.app[ENGINE].begin() as connection:
        made = await work.draft(connection, Actor(user=request[USER]), *whom, month, last)
    if isinstance(made, InvoiceRefused):
        return await _invoices(request, status=409, typed=typed, problem=_sentence(made.reason))
    raise web.HTTPSeeOther(f"/money/invoices/{made.id}")


def _month(text: str) -> date | None:
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
    return month if 2000 <= month.year < 2200 else None


async def invoice(request: web.Request) -> web.Response:
    return await _invoice(request)


async def _invoice(request: web.Request, *, status: int = 200, problem: str = "") -> web.Response:
    async with request.app[ENGINE].connect() as connection:
        found = await read_invoice(connection, _id(request))
    if found is None:
        raise web.HTTPNotFound
    return render(
        request,
        "money/invoice.html",
        status=status,
        invoice=found,
        lines=found.lines[:LINES_SHOWN],
        problem=problem,
    )


async def step_invoice(request: web.Request) -> web.Response:
    """Issue, pay or void: the button that was pressed."""
    action = request.match_info["action"]
    if action not in work.STEPS:
        raise web.HTTPNotFound
    form = await request.post()
    async with request.app[ENGINE].begin() as connection:
        done = await work.step(
            connection,
            Actor(user=request[USER]),
            _id(request),
            action,
            datetime.now(UTC),
            key=str(form.get("key", "")).strip(),
            from_wallet=form.get("from_wallet") == "yes",
        )
    if isinstance(done, InvoiceRefused):
        return await _invoice(request, status=409, problem=_sentence(done.reason))
    raise web.HTTPSeeOther(f"/money/invoices/{done.id}")


async def file_of_invoice(request: web.Request) -> web.Response:
    kind = request.match_info["format"]
    user = request[USER]
    async with request.app[ENGINE].begin() as connection:
        found = await read_invoice(connection, _id(request))
        if found is None or kind not in FORMATS:
            raise web.HTTPNotFound
        return await invoice_file(connection, Actor(user=user), seen_by(found, viewer_of(user)), kind)


# --- disputes --------------------------------------------------------------------------------------------------


async def disputes(request: web.Request) -> web.Response:
    below, state = read_below(request.query), request.query.get("state", "open")
    state = state if state in DISPUTE_STATES else ""
    async with request.app[ENGINE].connect() as connection:
        found = await queries.read_disputes(connection, state=state, below_id=below, limit=PAGE_LENGTH + 1)
        exposures = await read_exposures(connection)
    page = found[:PAGE_LENGTH]
    return render(
        request,
        "money/disputes.html",
        disputes=page,
        exposures=exposures,
        state=state,
        states=DISPUTE_STATES,
        viewer=viewer_of(request[USER]),
        at_top=below is None,
        older=page[-1].id if len(found) > PAGE_LENGTH else None,
    )


async def dispute(request: web.Request) -> web.Response:
    return await _dispute(request)


async def _dispute(request: web.Request, *, status: int = 200, **more: Any) -> web.Response:
    async with request.app[ENGINE].connect() as connection:
        found = await queries.read_dispute(connection, _id(request))
        if found is None:
            raise web.HTTPNotFound
        viewer = viewer_of(request[USER])
        hears = viewer.sees(Field.RECORDINGS)
        recordings = await read_recordings(connection, found.call_id) if hears else ()
    said: dict[str, Any] = {"typed": {}, "problem": ""} | more
    said["typed"] = defaultdict(str, said["typed"])
    return render(
        request,
        "money/dispute.html",
        status=status,
        dispute=found,
        viewer=viewer,
        hears=hears,
        answers=seen_answers(found.evidence.get("answers") or [], viewer),
        recordings=recordings,
        **said,
    )


async def rule_on_dispute(request: web.Request) -> web.Response:
    form = await request.post()
    typed = {name: str(form.get(name, ""))[:40] for name in ("ruling", "credit", "claw_back")}
    answer = str(form.get("answer", "")).replace("\x00", "")[:ANSWER_CHARACTERS_MAXIMUM].strip()
    typed["answer"] = answer
    credit: int | str | None = {"accept": None, "refuse": 0}.get(typed["ruling"], "?")
    if typed["ruling"] == "partly":
        credit = read_amount(typed["credit"])
    claw_back = read_amount(typed["claw_back"]) if typed["claw_back"].strip() else None
    if isinstance(credit, str) or isinstance(claw_back, str):
        problem = "Choose a ruling; where only a part is given back, write how much, like 20.00."
        return await _dispute(request, status=422, typed=typed, problem=problem)
    async with request.app[ENGINE].begin() as connection:
        done = await work.rule(
            connection,
            Actor(user=request[USER]),
            _id(request),
            credit_micros=credit,
            claw_back_micros=claw_back,
            answer=answer,
            now=datetime.now(UTC),
        )
    if isinstance(done, DisputeRefused):
        return await _dispute(request, status=409, typed=typed, problem=_sentence(done.reason))
    raise web.HTTPSeeOther(f"/money/disputes/{done.dispute_id}")


async def reopen(request: web.Request) -> web.Response:
    """Open a refused dispute again: the house alone may."""
    note = str((await request.post()).get("note", "")).replace("\x00", "")[:ANSWER_CHARACTERS_MAXIMUM].strip()
    if not note:
        return await _dispute(request, status=422, problem="Say why it is looked at again.")
    async with request.app[ENGINE].begin() as connection:
        done = await work.reopen(
            connection, Actor(user=request[USER]), _id(request), note=note, now=datetime.now(UTC)
        )
    if isinstance(done, DisputeRefused):
        return await _dispute(request, status=409, problem=_sentence(done.reason))
    raise web.HTTPSeeOther(f"/money/disputes/{done.dispute_id}")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _id(request: web.Request) -> int:
    found = id_of(request.match_info["id"])
    if found is None:
        raise web.HTTPNotFound
    return found
