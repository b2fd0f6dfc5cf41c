"""The addresses of the house's home, of the calls list and of one call."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from web.call import views as call
from web.calls import views
from web.keys import EDITORS, HOUSE
from web.middleware import only

_house = only(*HOUSE)


def routes() -> Sequence[web.RouteDef]:
    return (
        web.get("/calls", _house(views.show)),
        web.get("/calls/export.csv", _house(views.export), allow_head=False),
        web.post("/calls/views", _house(views.keep_view)),
        web.post("/calls/views/{view_id}/delete", _house(views.forget_view)),
        web.get("/calls/{call_id}", _house(call.show)),
        web.post("/calls/{call_id}/replay", _house(call.replay)),
        web.post("/calls/{call_id}/what-if", _house(call.suppose)),
        web.get("/calls/{call_id}/recordings/{part}", only(*EDITORS)(call.recording)),
    )
