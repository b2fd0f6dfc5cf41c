"""A publisher's addresses."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from web.keys import Role
from web.middleware import only
from web.portal import invoices
from web.publisher import views

_publisher = only(Role.PUBLISHER)


def routes() -> Sequence[web.RouteDef]:
    return [
        web.get("/publisher", _publisher(views.home)),
        web.get("/publisher/calls", _publisher(views.calls)),
        web.get("/publisher/calls/{call_id}", _publisher(views.call)),
        web.get("/publisher/numbers", _publisher(views.numbers)),
        web.get("/publisher/sources", _publisher(views.sources)),
        web.get("/publisher/payouts", _publisher(views.payouts)),
        web.get("/publisher/statements", _publisher(invoices.show_all)),
        web.get("/publisher/statements/{invoice_id:[0-9]+}", _publisher(invoices.show_one)),
        web.get("/publisher/statements/{invoice_id:[0-9]+}.{format}", _publisher(invoices.file)),
        web.get("/publisher/pings", _publisher(views.pings)),
    ]
