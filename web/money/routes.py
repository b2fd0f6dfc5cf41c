"""The addresses of the house's money: analysts read, editors change."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from web.keys import EDITORS, HOUSE
from web.middleware import only
from web.money import adjustments, bid_limits, parties, views, wallets

_house, _editors = only(*HOUSE), only(*EDITORS)


def routes() -> Sequence[web.RouteDef]:
    return [
        web.get("/money/parties", _house(parties.suggest)),
        web.get("/money/wallets", _house(wallets.show)),
        web.post("/money/payments", _editors(wallets.submit_payment)),
        web.get("/money/invoices", _house(views.invoices)),
        web.post("/money/invoices", _editors(views.make_draft)),
        web.get("/money/invoices/{id:[0-9]+}", _house(views.invoice)),
        web.get("/money/invoices/{id:[0-9]+}.{format}", _house(views.file_of_invoice)),
        web.post("/money/invoices/{id:[0-9]+}/{action}", _editors(views.step_invoice)),
        web.get("/money/disputes", _house(views.disputes)),
        web.get("/money/disputes/{id}", _house(views.dispute)),
        web.post("/money/disputes/{id}", _editors(views.rule_on_dispute)),
        web.post("/money/disputes/{id}/reopen", _editors(views.reopen)),
        web.get("/money/bid-limits", _editors(bid_limits.show)),
        web.post("/money/bid-limits/{buyer_id}/{campaign_id}", _editors(bid_limits.submit)),
        web.get("/money/adjustments", _editors(adjustments.show)),
        web.post("/money/adjustments", _editors(adjustments.submit)),
        web.post("/money/adjustments/file", _editors(adjustments.submit_file)),
    ]
