"""Invoices and statements as files, for machines: the same as the pages give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.invoice import Invoice
from billing.invoice_queries import read_invoice
from web.api.operation import Answered, Asked, Operation, Problem, not_found
from web.keys import HOUSE, Role, User
from web.portal.invoices import invoice_file, own_invoice, seen_by
from web.visibility import viewer_of

MEDIA = {"pdf": "application/pdf", "csv": "text/csv"}
"""The lines with their evidence, as JSON, are what /invoices/{id} and /own/documents/{id} answer."""

Find: TypeAlias = Callable[[AsyncConnection, User, int], Awaitable[Invoice | None]]


async def _any_invoice(connection: AsyncConnection, user: User, invoice_id: int) -> Invoice | None:
    found = await read_invoice(connection, invoice_id)
    return None if found is None else seen_by(found, viewer_of(user))


def _sending(find: Find, kind: str) -> Callable[[Asked], Awaitable[Answered | Problem | web.StreamResponse]]:
    async def handle(asked: Asked) -> Answered | Problem | web.StreamResponse:
        async with asked.engine.begin() as connection:
            found = await find(connection, asked.user, asked.path["id"])
            if found is None:
                return not_found("document")
            return await invoice_file(connection, asked.actor, found, kind)

    return handle


def _files(path: str, name: str, what: str, find: Find, **more: Any) -> Sequence[Operation]:
    return [
        Operation(
            method="GET",
            path=f"{path}/{{id}}/{kind}",
            name=f"{name}_{kind}",
            summary=f"{what} as {kind.upper()}",
            handler=_sending(find, kind),
            media=media,
            **more,
        )
        for kind, media in MEDIA.items()
    ]


OPERATIONS: Sequence[Operation] = (
    *_files("/invoices", "read_invoice", "An invoice or statement", _any_invoice, tag="money", roles=HOUSE),
    *_files(
        "/own/documents",
        "read_own_document",
        "One of your invoices or statements",
        own_invoice,
        tag="own",
        roles=frozenset({Role.BUYER, Role.PUBLISHER}),
    ),
)
