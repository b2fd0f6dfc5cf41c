"""The addresses of the reports: the house's."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from web.keys import HOUSE
from web.middleware import only
from web.reports import views

_house = only(*HOUSE)


def routes() -> Sequence[web.RouteDef]:
    return [
        web.get("/reports", _house(views.show)),
        web.get("/reports/funnel", _house(views.funnel)),
        web.get("/reports/calls", _house(views.calls)),
        web.get("/reports/report.{format}", _house(views.file)),
        web.post("/reports/views", _house(views.save_view)),
        web.post("/reports/views/delete", _house(views.delete_view)),
    ]
