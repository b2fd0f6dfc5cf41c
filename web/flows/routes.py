"""The addresses of flows, with who may use them."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from web.flows import views
from web.keys import EDITORS, HOUSE
from web.middleware import only


def routes() -> Sequence[web.RouteDef]:
    reads, edits = only(*HOUSE), only(*EDITORS)
    return [
        web.get("/flows", reads(views.show_all)),
        web.post("/flows", edits(views.create)),
        web.post("/flows/import", edits(views.take_in)),
        web.get("/flows/{name}", reads(views.show)),
        web.get("/flows/{name}/edit", edits(views.edit)),
        web.get("/flows/{name}/canvas", reads(views.look)),
        web.get("/flows/{name}/export", reads(views.export)),
        web.get("/flows/{name}/differences", reads(views.show_differences)),
        web.post("/flows/{name}/publish", edits(views.publish)),
        web.post("/flows/{name}/roll-back", edits(views.roll_back)),
        web.post("/flows/{name}/discard", edits(views.discard)),
    ]
