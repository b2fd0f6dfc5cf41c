"""A party's invoices or statements: the list, one of them, its files, and the script that checks it without us."""

from __future__ import annotations

import asyncio
import inspect
import json
from dataclasses import replace

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from billing import check_invoice
from billing.export_invoice import to_csv, to_pdf
from billing.invoice import Invoice
from billing.invoice_document import invoice_document
from billing.invoice_queries import read_invoice
from web.audit import Actor
from web.keys import ENGINE, USER, Role, User
from web.look_ups import note_export
from web.pages import render
from web.portal.invoice_queries import is_own_invoice, read_own_invoices
from web.portal.keyset import id_of, read_below
from web.visibility import Field, Viewer

PAGE_LENGTH = 50
LINES_SHOWN = 200
FORMATS = ("pdf", "csv", "json")


async def own_invoice(connection: AsyncConnection, user: User, invoice_id: int) -> Invoice | None:
    """Return one of the party's own, issued; None when there is none or it is somebody else's."""
    if not await is_own_invoice(connection, user, invoice_id):
        return None
    return await read_invoice(connection, invoice_id)


def seen_by(invoice: Invoice, viewer: Viewer) -> Invoice:
    """Return an invoice as a viewer may see it: a line of a call names its caller, which is not everybody's."""
    if viewer.sees(Field.WHOLE_CALLER):
        return invoice
    lines = (
        line
        if line.connected_ms is None
        else replace(line, description="Call", evidence=viewer.words(line.evidence))
        for line in invoice.lines
    )
    return replace(invoice, lines=tuple(lines))


async def show_all(request: web.Request) -> web.Response:
    below = read_below(request.query)
    async with request.app[ENGINE].connect() as connection:
        found = await read_own_invoices(connection, request[USER], below_id=below, limit=PAGE_LENGTH + 1)
    page = found[:PAGE_LENGTH]
    return render(
        request,
        "portal/invoices.html",
        invoices=page,
        home=home_of(request[USER]),
        of_buyer=request[USER].role is Role.BUYER,
        at_top=below is None,
        older=page[-1].id if len(found) > PAGE_LENGTH else None,
    )


async def show_one(request: web.Request) -> web.Response:
    invoice = await _invoice(request)
    return render(
        request,
        "portal/invoice.html",
        invoice=invoice,
        lines=invoice.lines[:LINES_SHOWN],
        home=home_of(request[USER]),
        of_buyer=request[USER].role is Role.BUYER,
    )


async def file(request: web.Request) -> web.Response:
    invoice, kind = await _invoice(request), request.match_info["format"]
    if kind not in FORMATS or (kind == "json" and request[USER].role is not Role.BUYER):
        # A statement's evidence holds what the buyer paid, where the payout is a share of it.
        raise web.HTTPNotFound
    async with request.app[ENGINE].begin() as connection:
        return await invoice_file(connection, Actor(user=request[USER]), invoice, kind)


async def invoice_file(
    connection: AsyncConnection, actor: Actor, invoice: Invoice, kind: str
) -> web.Response:
    """Return an invoice as a PDF, a CSV or a JSON file; it is noted who took it: a buyer's names callers."""
    await note_export(connection, actor, "invoices", invoice.id, {"format": kind})
    if kind == "pdf":
        body, media = await asyncio.to_thread(to_pdf, invoice), "application/pdf"
    elif kind == "csv":
        body, media = to_csv(invoice).encode(), "text/csv"
    else:
        document = await invoice_document(connection, invoice)
        body, media = json.dumps(document, default=str).encode(), "application/json"
    name = f"{invoice.number or f'draft-{invoice.id}'}.{kind}"
    return download(body, media, name)


def download(body: bytes, media: str, name: str) -> web.Response:
    """Return a file that the browser keeps rather than shows. `name` is ours: letters, digits, dots, dashes."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=body, content_type=media, headers=headers)


async def checker(request: web.Request) -> web.Response:
    """The script that recomputes an invoice from its JSON, without us."""
    return download(inspect.getsource(check_invoice).encode(), "text/x-python", "check_invoice.py")


def home_of(user: User) -> str:
    """Return where the party's invoices or statements are."""
    return "/buyer/invoices" if user.role is Role.BUYER else "/publisher/statements"


async def _invoice(request: web.Request) -> Invoice:
    invoice_id = id_of(request.match_info["invoice_id"])
    async with request.app[ENGINE].connect() as connection:
        found = await own_invoice(connection, request[USER], invoice_id) if invoice_id else None
    if found is None:
        raise web.HTTPNotFound
    return found
