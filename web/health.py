"""Is this process alive? The supervisor asks; it must not depend on the database."""

from __future__ import annotations

from aiohttp import web


async def health(request: web.Request) -> web.Response:
    """Answer at once while the loop turns: a database that is away is no reason to restart the web."""
    return web.json_response({"status": "ok"})
