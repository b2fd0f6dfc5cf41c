"""The routes of the API, and its document."""

from __future__ import annotations

from functools import cache
from typing import Any

from aiohttp import web

from web.api.openapi import openapi
from web.api.operations import OPERATIONS
from web.api.rate import RATE, Rate
from web.api.shell import handler_of
from web.pages import render

PREFIX = "/api/v1"


def add_api(app: web.Application) -> None:
    app[RATE] = Rate()
    app.router.add_get(f"{PREFIX}/openapi.json", document)
    for operation in OPERATIONS:
        app.router.add_route(operation.method, f"{PREFIX}{operation.path}", handler_of(operation))


@cache
def _document() -> dict[str, Any]:
    return openapi(OPERATIONS)


async def document(request: web.Request) -> web.Response:
    """The OpenAPI document: the same for everybody, there is nothing secret in it."""
    return web.json_response(_document())


async def show(request: web.Request) -> web.Response:
    """The document as a page to read."""
    return render(request, "api/api.html", document=_document(), prefix=PREFIX)
