"""The routes of the API, and its document."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Any

from aiohttp import web
from jinja2 import Environment
from markupsafe import Markup

from web.api.openapi import DESCRIPTION, openapi
from web.api.operation import JSON
from web.api.operations import OPERATIONS
from web.api.rate import RATE, Rate
from web.api.shell import handler_of
from web.pages import TEMPLATES, render

PREFIX = "/api/v1"


def add_api(app: web.Application) -> None:
    app[RATE] = Rate()
    app.router.add_get(f"{PREFIX}/openapi.json", document)
    for operation in OPERATIONS:
        app.router.add_route(operation.method, f"{PREFIX}{operation.path}", handler_of(operation))


@cache
def _document() -> dict[str, Any]:
    return openapi(OPERATIONS)


@cache
def _document_body() -> bytes:
    return json.dumps(_document()).encode()


@cache
def _operations_part(templates: Environment) -> Markup:
    """The long part of the page, which is the same for everybody: to draw it takes longer than a page may."""
    return Markup(templates.get_template("api/operations.html").render(document=_document()))  # noqa: S704


async def document(request: web.Request) -> web.Response:
    """The OpenAPI document: the same for everybody, there is nothing secret in it."""
    return _compressed(web.Response(body=await asyncio.to_thread(_document_body), content_type=JSON))


async def show(request: web.Request) -> web.Response:
    """The document as a page to read."""
    # In a thread: whoever comes first waits the better part of a second, and live pages must not wait with them.
    operations = await asyncio.to_thread(_operations_part, request.app[TEMPLATES])
    return _compressed(
        render(request, "api/api.html", operations=operations, description=DESCRIPTION, prefix=PREFIX)
    )


def _compressed(response: web.Response) -> web.Response:
    """Neither holds anything that a stranger sent or that is secret, so its length tells nothing."""
    response.enable_compression()
    return response
