"""A buyer's addresses."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from web.buyer import disputes, fewer_calls, targets, views, wallet
from web.keys import Role
from web.middleware import only
from web.portal import invoices

_buyer = only(Role.BUYER)


def routes() -> Sequence[web.RouteDef]:
    return [
        web.get("/buyer", _buyer(views.home)),
        web.get("/buyer/calls", _buyer(views.calls)),
        web.get("/buyer/calls/{call_id}", _buyer(views.call)),
        web.get("/buyer/calls/{call_id}/recordings/{part}", _buyer(views.recording)),
        web.post("/buyer/calls/{call_id}/dispute", _buyer(disputes.submit)),
        web.get("/buyer/disputes", _buyer(disputes.show_all)),
        web.get("/buyer/disputes/{dispute_id}", _buyer(disputes.show_one)),
        web.get("/buyer/wallet", _buyer(wallet.show)),
        web.post("/buyer/wallet/top-up", _buyer(wallet.top_up)),
        web.get("/buyer/invoices", _buyer(invoices.show_all)),
        web.get("/buyer/invoices/check_invoice.py", _buyer(invoices.checker)),
        web.get("/buyer/invoices/{invoice_id:[0-9]+}", _buyer(invoices.show_one)),
        web.get("/buyer/invoices/{invoice_id:[0-9]+}.{format}", _buyer(invoices.file)),
        web.get("/buyer/targets", _buyer(targets.show_all)),
        web.get("/buyer/targets/{target_id}", _buyer(targets.show_one)),
        web.post("/buyer/targets/{target_id}", _buyer(targets.submit_change)),
        web.post("/buyer/targets/{target_id}/pause", _buyer(targets.submit_pause)),
        web.post("/buyer/targets/{target_id}/resume", _buyer(targets.submit_resume)),
        web.post("/buyer/prices/{campaign_id}", _buyer(targets.submit_price)),
        web.get("/buyer/fewer-calls", _buyer(fewer_calls.show)),
        web.get("/buyer/settings", _buyer(views.settings)),
        web.get("/buyer/spend", _buyer(views.spend)),
        web.get("/buyer/licences", _buyer(views.licences)),
    ]
