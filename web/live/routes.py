"""The addresses of the live board and of what may be done to a call."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from web.keys import EDITORS, HOUSE
from web.live import views
from web.middleware import only

_house = only(*HOUSE)
_editors = only(*EDITORS)


def routes() -> Sequence[web.RouteDef]:
    return (
        web.get("/live", _house(views.show)),
        web.get("/live/events", _house(views.events), allow_head=False),
        web.get("/calls/{call_id}/listen", _editors(views.ask_listen)),
        web.post("/calls/{call_id}/listen", _editors(views.listen)),
        web.get("/calls/{call_id}/hang-up", _editors(views.ask_hang_up)),
        web.post("/calls/{call_id}/hang-up", _editors(views.hang_up)),
        web.get("/calls/{call_id}/block", _editors(views.ask_block)),
        web.post("/calls/{call_id}/block", _editors(views.block)),
    )
